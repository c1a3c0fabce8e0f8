// A language model's folder as one GGUF file for llama.cpp, with its tokenizer: written tensor by
// tensor.

import { basename } from 'node:path';
import { loadLanguageModel, type LanguageModelWeights } from '../checkpoints/hf-folder.ts';
import { readFloat32 } from '../checkpoints/safetensors-file.ts';
import { CheckpointError, UserError, type Problem } from '../errors.ts';
import { faultsByKind } from '../util/problems-by-kind.ts';
import type { GgufFamily } from '../models/gguf-family.ts';
import type { LanguageModelConfig } from '../models/language-config.ts';
import { familyOf } from '../models/language-families.ts';
import { encodeGgml, ggmlLoss, ggmlTypes, type GgmlWritable } from '../tensor/ggml-types.ts';
import { gguf, layoutGguf, type GgufEntry, type GgufValue } from '../tensor/gguf.ts';
import { dtypes, isFloat } from '../tensor/dtype.ts';
import { addLoss, noLoss } from '../tensor/narrow.ts';
import type { ExternalTensor } from '../tensor/tensor.ts';
import { configEntries, queryFactor, ropeTensors } from './gguf-config.ts';
import { ggufModuleName, permutedHeads, permuteRows, takesQueryScale } from './gguf-names.ts';
import { fileTypes } from './gguf-lora.ts';
import { ggufModelName, tokenizerEntries } from './gguf-tokenizer.ts';
import { writeFileAtomically } from '../storage/write-file.ts';
import { requireSound, settledType, type TellNarrowing } from '../adapter-files/narrowing.ts';

export interface GgufModelOptions {
  /** config.json, safetensors files, tokenizer.json. */
  readonly folder: string;
  /** The .gguf file to write. */
  readonly output: string;
  /**
   * Of the matrices; vectors are float32. Rows that are not a multiple of 32 are f16 where q8_0 is
   * asked for; a matrix that the type cannot hold is f32.
   */
  readonly type: GgmlWritable;
  /** general.name; the folder's name unless given. */
  readonly name?: string;
  /** Called for such matrices, and for numbers that are lost. */
  readonly tell?: TellNarrowing;
}

/**
 * Writes the file; a few megabytes of weights are in memory at a time. Throws UserError,
 * CheckpointError, SystemError.
 */
export function writeGgufModel({ folder, output, type, name, tell }: GgufModelOptions): void {
  const model = loadLanguageModel(folder);
  const { gguf: family } = familyOf(model.config);
  const tensors = plan(model, family, type).map((tensor) => settled(tensor, tell));
  const { head, sizes } = layoutGguf(
    metadata(model, family, type, name ?? basename(model.path)),
    tensors,
  );
  writeFileAtomically(output, (write) => {
    write(head);
    tensors.forEach((tensor, i) => {
      for (const values of tensor.pieces()) {
        requireSound(tensor.name, ggmlLoss('f32', values));
        write(encodeGgml(tensor.type, values));
      }
      write(new Uint8Array(sizes[i].padding));
    });
  });
}

function metadata(
  model: LanguageModelWeights,
  family: GgufFamily,
  type: GgmlWritable,
  name: string,
): Map<string, GgufValue> {
  const rows = model.config.vocab_size;
  return new Map([
    ['general.architecture', gguf.text(family.architecture)],
    ['general.type', gguf.text('model')],
    ['general.name', gguf.text(ggufModelName(model.path, name))],
    ['general.file_type', gguf.uint32(fileTypes[type])],
    ['general.quantization_version', gguf.uint32(2)],
    ...configEntries(model.config, rows),
    ...tokenizerEntries(model.path, rows),
  ]);
}

interface PlannedTensor extends GgufEntry {
  readonly type: GgmlWritable;
  /** The values in order, in pieces of whole rows. */
  readonly pieces: () => Iterable<Float32Array>;
  /** True when the type is that of the model's own numbers. */
  readonly exact: boolean;
}

function plan(
  { weights, config, path }: LanguageModelWeights,
  family: GgufFamily,
  type: GgmlWritable,
): PlannedTensor[] {
  const problems: Problem[] = [];
  const planned: PlannedTensor[] = ropeTensors(config).map(({ name, data }) => ({
    name,
    shape: [data.length],
    type: 'f32',
    pieces: () => [data],
    exact: true,
  }));
  for (const [key, tensor] of weights) {
    if (isIgnored(key) || (key === 'lm_head.weight' && config.tie_word_embeddings)) continue;
    const found = planTensor(key, tensor, family, config, type);
    if (typeof found === 'string') problems.push({ where: `${path} ${key}`, what: found });
    else planned.push(found);
  }
  if (problems.length > 0) throw new CheckpointError(faultsByKind(problems));
  const missing = missingNames(family, config, new Set(planned.map(({ name }) => name)));
  if (missing.length > 0)
    throw new UserError([
      {
        where: path,
        what: `weights are missing: ${missing.slice(0, 12).join(', ')}${missing.length > 12 ? ` and ${missing.length - 12} more` : ''}`,
        fix: "Download the model's folder again.",
      },
    ]);
  return planned;
}

/** In a type that holds it. */
function settled(tensor: PlannedTensor, tell: TellNarrowing = () => {}): PlannedTensor {
  const { name, type, pieces } = tensor;
  if (tensor.exact || type === 'f32') return tensor;
  let loss = noLoss;
  for (const values of pieces()) loss = addLoss(loss, ggmlLoss(type, values));
  return { ...tensor, type: settledType({ name, type, loss }, 'f32', tell) };
}

/** Buffers that old checkpoints carry and every reader computes. */
function isIgnored(key: string): boolean {
  return /\.rotary_emb\.inv_freq$/.test(key);
}

function missingNames(
  family: GgufFamily,
  config: LanguageModelConfig,
  present: ReadonlySet<string>,
): string[] {
  const layers = Array.from({ length: config.layers.length }, (_, i) =>
    Object.values(family.layer).map((name) => `blk.${i}.${name}.weight`),
  ).flat();
  return ['token_embd.weight', 'output_norm.weight', ...layers].filter(
    (name) => !present.has(name),
  );
}

/** Values of one tensor that are converted at once. */
const pieceSize = 1 << 20;

/** A tensor of the file to come, or what is wrong with the one of the model. */
function planTensor(
  key: string,
  tensor: ExternalTensor,
  family: GgufFamily,
  config: LanguageModelConfig,
  wanted: GgmlWritable,
): PlannedTensor | string {
  const [, path, part] = /^(.*)\.(weight|bias)$/.exec(key) ?? [];
  const module = path === undefined ? undefined : ggufModuleName(family, path);
  if (module === undefined) return `${config.model_type} has no such weight in llama.cpp`;
  if (!isFloat(tensor.dtype))
    return `its type is ${tensor.dtype}: quantized models cannot be converted`;
  const name = `${module}.${part}`;
  const { shape } = tensor;
  const type = typeFor(shape, wanted);
  const heads = permutedHeads(family, path, config.layer.attention);
  if (heads !== undefined)
    return {
      name,
      shape,
      type,
      exact: sameType[type] === tensor.dtype,
      pieces: () => [permuteRows(readFloat32(tensor).data, shape[0], heads)],
    };
  const shift = part === 'weight' && /norm$/.test(path) ? family.normShift : 0;
  const factor = takesQueryScale(family, path) ? queryFactor(config) : 1;
  const exact = shift === 0 && factor === 1 && sameType[type] === tensor.dtype;
  return { name, shape, type, exact, pieces: () => rowPieces(tensor, shift, factor) };
}

const sameType = { f32: 'float32', f16: 'float16', bf16: 'bfloat16', q8_0: undefined } as const;

function typeFor(shape: readonly number[], wanted: GgmlWritable): GgmlWritable {
  if (shape.length < 2) return 'f32';
  return shape[1] % ggmlTypes[wanted].block === 0 ? wanted : 'f16';
}

function* rowPieces(tensor: ExternalTensor, shift: number, factor: number): Iterable<Float32Array> {
  const [rows, columns] = tensor.shape.length < 2 ? [1, tensor.shape[0]] : tensor.shape;
  const bytes = dtypes[tensor.dtype].bytes * columns;
  const step = Math.max(1, Math.floor(pieceSize / columns));
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const { data } = readFloat32({
      ...tensor,
      shape: [count, columns],
      offset: tensor.offset + row * bytes,
      length: count * bytes,
    });
    yield shift === 0 && factor === 1 ? data : data.map((value) => (value + shift) * factor);
  }
}
