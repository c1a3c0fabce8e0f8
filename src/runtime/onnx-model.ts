// The ONNX file format: a model as protobuf bytes, after onnx.proto3 of ONNX 1.18.

import { PbfWriter } from 'pbf';
import { dtypes, type DType } from '../tensor/dtype.ts';
import { isExternal, type ExternalTensor, type Tensor } from '../tensor/tensor.ts';
import { bytesOf } from '../util/bytes-of.ts';

/** ONNX 1.18. */
const IR_VERSION = 11;
export const OPSETS = { '': 23, 'com.microsoft': 1 } as const;
export type Domain = keyof typeof OPSETS;

export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] };

export const int = (value: number | boolean): Attribute => ({ int: Number(value) });
export const ints = (values: readonly number[]): Attribute => ({ ints: values });
export const float = (value: number): Attribute => ({ float: value });

export interface OnnxNode {
  /** Unique; the profile names it. */
  readonly name: string;
  readonly type: string;
  readonly domain: Domain;
  /** '' stands for an optional input that is absent. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/**
 * A graph's input or output. A string is a dimension known only when it runs; no shape at all
 * leaves the rank open.
 */
export interface OnnxValue {
  readonly name: string;
  readonly dtype: DType;
  readonly shape?: readonly (number | string)[];
}

export interface OnnxInitializer {
  readonly name: string;
  readonly tensor: Tensor | ExternalTensor;
}

export interface OnnxGraph {
  readonly name: string;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly initializers: readonly OnnxInitializer[];
  readonly nodes: readonly OnnxNode[];
}

/**
 * The bytes of a ModelProto. Nodes are written in the order given; `locate` turns the absolute path
 * of external data into the location the runtime is to find it at.
 */
export function encodeModel(graph: OnnxGraph, locate: (path: string) => string): Uint8Array {
  const p = new PbfWriter();
  p.writeVarintField(1, IR_VERSION);
  p.writeStringField(2, 'lora-scripts');
  p.writeMessage(7, (g, q) => writeGraph(g, q, locate), graph);
  for (const [domain, version] of Object.entries(OPSETS))
    p.writeMessage(8, writeOpset, { domain, version });
  return p.finish();
}

function writeOpset({ domain, version }: { domain: string; version: number }, p: PbfWriter): void {
  p.writeStringField(1, domain);
  p.writeVarintField(2, version);
}

function writeGraph(graph: OnnxGraph, p: PbfWriter, locate: (path: string) => string): void {
  for (const node of graph.nodes) p.writeMessage(1, writeNode, node);
  p.writeStringField(2, graph.name);
  for (const initializer of graph.initializers)
    p.writeMessage(5, (t, q) => writeInitializer(t, q, locate), initializer);
  for (const value of graph.inputs) p.writeMessage(11, writeValue, value);
  for (const value of graph.outputs) p.writeMessage(12, writeValue, value);
}

function writeNode(node: OnnxNode, p: PbfWriter): void {
  for (const name of node.inputs) p.writeStringField(1, name);
  for (const name of node.outputs) p.writeStringField(2, name);
  p.writeStringField(3, node.name);
  p.writeStringField(4, node.type);
  for (const [name, value] of Object.entries(node.attributes))
    p.writeMessage(5, writeAttribute, { name, value });
  p.writeStringField(7, node.domain);
}

function writeAttribute({ name, value }: { name: string; value: Attribute }, p: PbfWriter): void {
  p.writeStringField(1, name);
  if ('float' in value) {
    p.writeFloatField(2, value.float);
    p.writeVarintField(20, 1);
  } else if ('int' in value) {
    p.writeVarintField(3, value.int);
    p.writeVarintField(20, 2);
  } else if ('string' in value) {
    p.writeStringField(4, value.string);
    p.writeVarintField(20, 3);
  } else {
    for (const int of value.ints) p.writeVarintField(8, int);
    p.writeVarintField(20, 7);
  }
}

function writeInitializer(
  { name, tensor }: OnnxInitializer,
  p: PbfWriter,
  locate: (path: string) => string,
): void {
  for (const dim of tensor.shape) p.writeVarintField(1, dim);
  p.writeVarintField(2, dtypes[tensor.dtype].onnx);
  p.writeStringField(8, name);
  if (!isExternal(tensor)) {
    p.writeBytesField(9, bytesOf(tensor.data));
    return;
  }
  const entries = {
    location: locate(tensor.path),
    offset: String(tensor.offset),
    length: String(tensor.length),
  };
  for (const [key, value] of Object.entries(entries))
    p.writeMessage(13, writeEntry, { key, value });
  p.writeVarintField(14, 1);
}

function writeEntry({ key, value }: { key: string; value: string }, p: PbfWriter): void {
  p.writeStringField(1, key);
  p.writeStringField(2, value);
}

function writeValue({ name, dtype, shape }: OnnxValue, p: PbfWriter): void {
  p.writeStringField(1, name);
  p.writeMessage(2, (_, type) => type.writeMessage(1, writeTensorType, { dtype, shape }), null);
}

function writeTensorType({ dtype, shape }: Pick<OnnxValue, 'dtype' | 'shape'>, p: PbfWriter): void {
  p.writeVarintField(1, dtypes[dtype].onnx);
  if (shape === undefined) return;
  p.writeMessage(
    2,
    (dims, q) => dims.forEach((dim) => q.writeMessage(1, writeDimension, dim)),
    shape,
  );
}

function writeDimension(dim: number | string, p: PbfWriter): void {
  if (typeof dim === 'number') p.writeVarintField(1, dim);
  else p.writeStringField(2, dim);
}
