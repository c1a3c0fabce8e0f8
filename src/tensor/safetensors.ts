// The safetensors format: 8 bytes of header length, a JSON header, then the tensors' bytes without
// holes. https://github.com/huggingface/safetensors

import { CheckpointError, failCheckpoint as fail, obtainAgain, type Problem } from '../errors.ts';
import { isObject } from '../util/is-object.ts';
import { bytesOf } from '../util/bytes-of.ts';
import { needed } from '../util/needed.ts';
import {
  answered,
  foreignFile,
  type ForeignKind,
  packedKinds,
  shortAnswer,
  SIGNATURE_BYTES,
} from '../util/file-signatures.ts';
import { dtypes, typedArrays, type DType } from './dtype.ts';
import { sizeOf, type ExternalTensor, type Shape, type Tensor } from './tensor.ts';

export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, ExternalTensor>;
  /** Tensors of types that we do not compute with, such as float8; their bytes are left alone. */
  readonly unsupported: ReadonlyMap<string, UnsupportedTensor>;
}

export interface UnsupportedTensor {
  /** As the header spells it: `F8_E4M3`. */
  readonly dtype: string;
  readonly shape: Shape;
}

/** Anything that gives bytes at an offset: a file, or what is in memory. */
export interface ByteReader {
  readonly size: number;
  read(offset: number, length: number): Uint8Array;
}

/** The format's own limit: a longer header is a damaged length or an attack on memory. */
const maxHeaderBytes = 100_000_000;

/**
 * Reads and checks the header; the tensors' bytes stay where they are. `path` goes into the tensors
 * and the messages. Throws CheckpointError that lists what is wrong with the file.
 */
export function parseHeader(reader: ByteReader, path: string): SafetensorsHeader {
  return requireSupported(parseAnyHeader(reader, path), path);
}

/** As parseHeader; tensors of types that are not supported are no fault, but set apart. */
export function parseAnyHeader(reader: ByteReader, path: string): SafetensorsHeader {
  const start = reader.read(0, Math.min(SIGNATURE_BYTES, reader.size));
  const length = headerLength(start, reader.size, path);
  return parseHeaderText(reader.read(8, length), reader.size, path);
}

/** A whole file in memory; tensors are copies. Throws CheckpointError as parseHeader. */
export function deserialize(
  bytes: Uint8Array,
  path = 'safetensors',
): { metadata: Readonly<Record<string, string>>; tensors: Map<string, Tensor> } {
  const reader = {
    size: bytes.length,
    read: (offset: number, length: number) => bytes.subarray(offset, offset + length),
  };
  const { metadata, tensors } = parseHeader(reader, path);
  const read = ([name, { dtype, shape, offset, length }]: [string, ExternalTensor]) =>
    [name, tensorFromBytes(dtype, shape, bytes.subarray(offset, offset + length))] as const;
  return { metadata, tensors: new Map(Array.from(tensors, read)) };
}

/** A tensor from its little-endian bytes, which are copied. */
export function tensorFromBytes(dtype: DType, shape: Shape, bytes: Uint8Array): Tensor {
  // A Node Buffer's own slice() would be a view into the whole file.
  return { dtype, shape, data: new typedArrays[dtype](new Uint8Array(bytes).buffer) };
}

/**
 * Small numbers first in a file need no padding: the widest types come first. The order is that of
 * the format's own writer.
 */
const writeOrder: readonly DType[] = [
  'int64',
  'float64',
  'float32',
  'int32',
  'bfloat16',
  'float16',
  'int16',
  'int8',
  'uint8',
  'bool',
];

/** What the header says of a tensor to be written. */
type Described = Pick<Tensor, 'dtype' | 'shape'>;

/**
 * The beginning of a file, up to the first tensor's bytes, and the names in the order in which
 * these follow without holes; equal to those of the format's own writer: tensors by type, then by
 * name; the header padded with spaces to a multiple of 8.
 */
export function layoutSafetensors(
  tensors: ReadonlyMap<string, Described>,
  metadata: Readonly<Record<string, string>> = {},
): { head: Uint8Array; order: readonly string[]; dataBytes: number } {
  const sorted = [...tensors].sort(
    ([nameA, a], [nameB, b]) =>
      writeOrder.indexOf(a.dtype) - writeOrder.indexOf(b.dtype) || (nameA < nameB ? -1 : 1),
  );
  let end = 0;
  const entries = sorted.map(([name, { dtype, shape }]): [string, unknown] => [
    name,
    {
      dtype: dtypes[dtype].safetensors,
      shape,
      data_offsets: [end, (end += sizeOf(shape) * dtypes[dtype].bytes)],
    },
  ]);
  const about = Object.keys(metadata).length === 0 ? [] : [['__metadata__', metadata] as const];
  const header = Object.fromEntries([...about, ...entries]); // a tensor may be called __proto__
  const text = new TextEncoder().encode(JSON.stringify(header));
  const head = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20, 8);
  new DataView(head.buffer).setBigUint64(0, BigInt(head.length - 8), true);
  head.set(text, 8);
  return { head, order: sorted.map(([name]) => name), dataBytes: end };
}

/** The bytes of a whole file. */
export function serialize(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const { head, order, dataBytes } = layoutSafetensors(tensors, metadata);
  const out = new Uint8Array(head.length + dataBytes);
  out.set(head);
  let at = head.length;
  for (const name of order) {
    const { data } = needed(tensors, name, 'tensor');
    out.set(bytesOf(data), at);
    at += data.byteLength;
  }
  return out;
}

/** Where the tensors' bytes begin in a file that was checked. */
export function dataOffset(bytes: Uint8Array): number {
  return 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
}

const convert =
  'Only .safetensors files are supported: look for the .safetensors file of the same model, or convert this one with a tool that you trust.';

function headerLength(start: Uint8Array, size: number, path: string): number {
  if (size === 0) fail(path, 'the file is empty (0 bytes)');
  // A header's length may begin with the very bytes that another kind of file begins with: 640 with
  // a pickle's.
  const isHeader = start.length > 8 && start[8] === BRACE && lengthOf(start) <= maxHeaderBytes;
  if (!isHeader) refuseDisguise(start, size, path);
  if (size < 8) fail(path, `the file is too short to be safetensors (${size} bytes)`);
  const length = lengthOf(start);
  if (length > maxHeaderBytes)
    fail(
      path,
      `not a safetensors file: its first 8 bytes give a header of ${length} bytes (at most ${maxHeaderBytes})`,
    );
  if (length > size - 8)
    fail(
      path,
      `the file is truncated: its header should have ${length} bytes, but only ${size - 8} follow`,
    );
  return length;
}

const otherWeights: readonly ForeignKind[] = ['pickle', 'gguf', 'hdf5'];

function refuseDisguise(start: Uint8Array, size: number, path: string): void {
  const answer = shortAnswer(start, size);
  if (answer !== undefined) fail(path, answered(answer));
  if (start.length >= 64 && start.every((byte) => byte === 0))
    fail(path, 'the file begins with zeros, as after a download or a copy that broke off');
  const foreign = foreignFile(start);
  if (foreign === undefined) return;
  const { kind, name, fix } = foreign;
  if (kind === 'zip')
    fail(path, 'this is a PyTorch (.ckpt, .pt, .bin) or zip file, not safetensors', convert);
  if (otherWeights.includes(kind)) fail(path, `this is ${name}, not safetensors`, convert);
  const mayBeMeant = ['lfs-pointer', 'web-page', 'refusal', ...packedKinds].includes(kind);
  fail(path, `this is ${name}`, mayBeMeant ? fix : 'Name the .safetensors file of a model.');
}

/** What a header begins with. */
const BRACE = 0x7b;

const lengthOf = (start: Uint8Array): number =>
  Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true));

function parseHeaderText(bytes: Uint8Array, size: number, path: string): SafetensorsHeader {
  const header = parseJson(bytes, path);
  const dataStart = 8 + bytes.length;
  const problems: Problem[] = [];
  const metadata = readMetadata(header.__metadata__, path, problems);
  const places = new Map<string, Place>();
  const tensors = new Map<string, ExternalTensor>();
  const unsupported = new Map<string, UnsupportedTensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const result = readEntry(entry, dataStart, path);
    if (typeof result === 'string') {
      problems.push({ where: `${path} ${name}`, what: result, fix: obtainAgain });
      continue;
    }
    places.set(name, result);
    if (isSupported(result)) tensors.set(name, result);
    else unsupported.set(name, result);
  }
  if (problems.length === 0) problems.push(...layoutProblems(places, dataStart, size, path));
  if (problems.length > 0) throw new CheckpointError(firstOf(problems, path));
  return { metadata, tensors, unsupported };
}

const unpacked = 'Use the version of it in float32, float16 or bfloat16.';

/** The header; throws CheckpointError where tensors are of types that are not supported. */
function requireSupported(header: SafetensorsHeader, path: string): SafetensorsHeader {
  const problems = Array.from(header.unsupported, ([name, { dtype }]) => ({
    where: `${path} ${name}`,
    what: `element type ${JSON.stringify(dtype)} is not supported (supported: ${[...dtypeBySpelling.keys()].join(', ')})`,
    fix: unpacked,
  }));
  if (problems.length > 0) throw new CheckpointError(firstOf(problems, path));
  return header;
}

function parseJson(bytes: Uint8Array, path: string): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (isObject(header)) return header;
  } catch (cause) {
    const problem = {
      where: path,
      what: 'not a safetensors file, or a damaged one: its header is not JSON',
      fix: obtainAgain,
    };
    throw new CheckpointError([problem], { cause });
  }
  return fail(path, 'not a safetensors file: its header is not a JSON object');
}

function readMetadata(value: unknown, path: string, problems: Problem[]): Record<string, string> {
  if (value === undefined || value === null) return {};
  const entries = isObject(value) ? Object.entries(value) : [['', value] as const];
  const texts = entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  if (texts.length < entries.length)
    problems.push({
      where: `${path} __metadata__`,
      what: 'the metadata must map names to strings',
      fix: obtainAgain,
    });
  return Object.fromEntries(texts);
}

const dtypeBySpelling = new Map<unknown, DType>(
  // Object.entries forgets that the keys are DTypes.
  Object.entries(dtypes).map(([dtype, { safetensors }]) => [safetensors, dtype as DType]),
);

/** Where a tensor's bytes are in the file. */
type Place = Pick<ExternalTensor, 'offset' | 'length'>;

type Entry = ExternalTensor | (UnsupportedTensor & Place);

const isSupported = (entry: Entry): entry is ExternalTensor => 'path' in entry;

/** A tensor's entry in the header, or what is wrong with it. */
function readEntry(entry: unknown, dataStart: number, path: string): Entry | string {
  if (!isObject(entry)) return 'its entry in the header is not an object';
  const { shape, data_offsets: offsets } = entry;
  if (typeof entry.dtype !== 'string') return `its dtype ${JSON.stringify(entry.dtype)} is no name`;
  if (!isSizes(shape)) return `its shape ${JSON.stringify(shape)} is not a list of sizes`;
  if (!isSizes(offsets) || offsets.length !== 2)
    return `its data_offsets ${JSON.stringify(offsets)} are not a pair of positions`;
  const length = offsets[1] - offsets[0];
  const dtype = dtypeBySpelling.get(entry.dtype);
  if (dtype === undefined)
    return length < 0
      ? `its data_offsets [${offsets.join(', ')}] are not a pair of positions`
      : { dtype: entry.dtype, shape, offset: dataStart + offsets[0], length };
  const expected = shape.reduce((product, dim) => product * dim, dtypes[dtype].bytes);
  if (length !== expected)
    return `shape [${shape.join(', ')}] of ${dtype} takes ${expected} bytes, but data_offsets [${offsets.join(', ')}] hold ${length}`;
  return { dtype, shape, path, offset: dataStart + offsets[0], length };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

/** The tensors must fill the rest of the file: no overlap, no hole, no end beyond it. */
function layoutProblems(
  tensors: ReadonlyMap<string, Place>,
  dataStart: number,
  size: number,
  path: string,
): Problem[] {
  const sorted = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.length - b.length);
  const problems: Problem[] = [];
  let end = dataStart;
  let before = 'the header';
  for (const [name, { offset, length }] of sorted) {
    const what = gapProblem(offset - end, before);
    if (what !== undefined) problems.push({ where: `${path} ${name}`, what, fix: obtainAgain });
    end = Math.max(end, offset + length);
    before = name;
  }
  const fault = (what: string): Problem => ({ where: path, what, fix: obtainAgain });
  if (end > size)
    return [fault(`the file is truncated: it has ${size} bytes and should have ${end}`)];
  if (end < size)
    problems.push(fault(`${size - end} bytes after the last tensor belong to no tensor`));
  return problems;
}

function gapProblem(gap: number, before: string): string | undefined {
  if (gap < 0) return `overlaps ${before} by ${-gap} bytes`;
  if (gap > 0) return `${gap} bytes between ${before} and this tensor belong to no tensor`;
  return undefined;
}

function firstOf(problems: readonly Problem[], path: string): Problem[] {
  const alike = problems.filter(({ what }) => what === problems[0].what);
  if (alike.length === problems.length && alike.length > 1) {
    return [
      {
        where: path,
        what: `${alike.length} tensors, the first ${alike[0].where.slice(path.length + 1)}: ${alike[0].what}`,
        fix: unpacked,
      },
    ];
  }
  const shown = problems.slice(0, 12);
  const rest = problems.length - shown.length;
  return rest === 0 ? shown : [...shown, { where: path, what: `and ${rest} more such problems` }];
}
