// A LoRA merged into its base model: W + s · B A, file by file and tensor by tensor.

import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  existsSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { lora } from '../adapters/lora.ts';
import { jsonObject } from '../util/own.ts';
import { parseFile } from '../checkpoints/model-folder.ts';
import { readFloat32, readTensor, type SafetensorsFile } from '../checkpoints/safetensors-file.ts';
import { requireOutputPath } from '../config/output-path.ts';
import { writeFileAtomically } from '../storage/write-file.ts';
import { CheckpointError, UserError, type Problem } from '../errors.ts';
import { fromFloat32, type FloatDType } from '../tensor/half.ts';
import { layoutSafetensors } from '../tensor/safetensors.ts';
import type { ExternalTensor, Tensor } from '../tensor/tensor.ts';
import { countUnsound } from '../tensor/finite.ts';
import { isTooNarrow, lossOf } from '../tensor/narrow.ts';
import { isQuantized, openModelFiles, type ModelFiles } from './model-files.ts';
import { loraScale, type StoredLora } from '../adapter-files/language-lora.ts';
import { fitted } from './adapter-fit.ts';
import type { OnLayer } from './start.ts';
import { templateFiles } from './template-files.ts';
import { readChatTemplate } from '../tokenizer/text.ts';
import type { LoraWeights } from '../adapter-files/lora.ts';
import { writeFolder } from '../storage/write-folder.ts';
import { requireSound, type Narrowing } from '../adapter-files/narrowing.ts';
import { problemsByKind } from '../util/problems-by-kind.ts';
import { isObject } from '../util/is-object.ts';
import { bytesOf } from '../util/bytes-of.ts';
import { needed } from '../util/needed.ts';
import { plural } from '../util/plural.ts';

export interface MergeOptions {
  /** The folder of the base model. */
  readonly base: string;
  readonly lora: StoredLora;
  /** The folder to write: a new one, or an empty one. */
  readonly output: string;
  /** The type of all floating weights; each keeps its own unless given. */
  readonly dtype?: FloatDType;
  /** The chat template of the training; the base's unless given. */
  readonly chatTemplate?: string;
  /** Follows what an adapter that changed its base costs. */
  readonly onLayer?: OnLayer;
}

/** What the types of the weights could not hold. */
export interface MergeLosses {
  /** Numbers that the adapter changes, by however little. */
  readonly changes: number;
  /** Of these, those that are as before: the change is too small for the type of the weight. */
  readonly lostChanges: number;
  /** Tensors that lose numbers too small for their type, at most one in a hundred of each. */
  readonly narrowings: readonly Narrowing[];
  /** Tensors and files of the base that are not part of the model. */
  readonly warnings: readonly Problem[];
}

/** A merge that loses more than this share of its changes is refused: it would be the base. */
const LOST_CHANGES = 0.99;

/**
 * Writes the base model with the adapter in its weights: the same files and tensors, and the other
 * small files of the folder (configuration, tokenizer, template). One tensor at a time is in
 * memory; the folder appears when it is whole. Throws UserError (adapter and base do not fit, a
 * type that cannot hold the weights or the changes), CheckpointError, SystemError.
 */
export function mergeLora(options: MergeOptions): MergeLosses {
  const { base, lora, output, dtype, chatTemplate } = options;
  requireOutputPath(output);
  const model = openModelFiles(base);
  if (existsSync(output) && realpathSync(output) === model.path)
    throw new UserError([
      {
        where: output,
        what: 'the merged model would overwrite its base',
        fix: 'Name another output folder.',
      },
    ]);
  const problems = problemsByKind(mergeProblems(model, lora));
  if (problems.length > 0) throw new CheckpointError(problems);
  const { modules, rslora } = fitted(model, lora, model.tensors, options.onLayer);
  const byWeight = new Map(modules.map((module) => [`${module.path}.weight`, () => module]));
  const losses = noLosses();
  const files: string[] = [];
  writeFolder(output, (folder) => {
    const merging = { byWeight, rslora, dtype, losses };
    const sizes = model.files.map((file) => writeMerged(file, join(folder, file.name), merging));
    refuseLosses(losses, base, dtype);
    files.push(...copyRest(model.path, folder));
    const left = model.files.flatMap(({ unsupported }) => [...unsupported.keys()]);
    if (left.length > 0) takeOutOfIndex(folder, new Set(left));
    if (chatTemplate !== undefined) replaceTemplate(model.path, folder, chatTemplate);
    if (dtype !== undefined)
      tellType(
        folder,
        dtype,
        sizes.reduce((sum, size) => sum + size, 0),
      );
  });
  return { ...losses, warnings: [...model.warnings, ...leftProblems(base, files)] };
}

export function refuseLosses(
  { changes, lostChanges, narrowings }: Losses,
  base: string,
  dtype: FloatDType | undefined,
): void {
  const refused = narrowings.filter(({ loss }) => isTooNarrow(loss));
  const problems = refused.map(({ name, type, loss }) => ({
    where: name,
    what: `${type} would lose numbers that are too small or too large for it`,
    detail: `${loss.lost} of ${loss.nonZero} numbers`,
    fix: wider(type),
  }));
  if (problems.length > 0) throw new UserError(problemsByKind(problems));
  if (lostChanges <= LOST_CHANGES * changes) return;
  const what = `${lostChanges} of the ${changes} changes that the adapter makes are too small for the types of the weights: the merged model would be the base`;
  const train = 'rain longer or with a higher learning_rate.';
  const fix = dtype === 'float32' ? `T${train}` : `Merge with --dtype float32, or t${train}`;
  throw new UserError([{ where: base, what, fix }]);
}

const wider = (type: string): string =>
  type === 'float32'
    ? 'No type is wider: use another copy of the adapter or of its base.'
    : `Merge with --dtype ${type === 'float16' ? 'bfloat16 or float32' : 'float32'}.`;

/** Where the base cannot be merged into. */
function mergeProblems(model: ModelFiles, { modules }: StoredLora): Problem[] {
  const fix = 'Use the unquantized version of this model.';
  if (isQuantized(model.config))
    return [
      {
        where: `${model.path}/config.json quantization_config`,
        what: 'its weights are quantized',
        fix,
      },
    ];
  return modules.flatMap(({ path }) => {
    const dtype = model.tensors.get(`${path}.weight`)?.dtype;
    return dtype === undefined || isMergeable(dtype)
      ? []
      : [
          {
            where: `${model.path} ${path}`,
            what: `its weight is ${dtype}, not float32, float16 or bfloat16`,
            fix,
          },
        ];
  });
}

function isMergeable(dtype: string): dtype is FloatDType {
  return dtype === 'float32' || dtype === 'float16' || dtype === 'bfloat16';
}

export interface Merging {
  /** By the tensor's name in the file; asked for when its turn comes. */
  readonly byWeight: ReadonlyMap<string, () => LoraWeights>;
  readonly rslora: boolean;
  readonly dtype: FloatDType | undefined;
  readonly losses: Losses;
  /** Called for each tensor that is written. */
  readonly onTensor?: () => void;
  /** Called when all are written and the file is not yet in its place; what it throws, stops it. */
  readonly onEnd?: () => void;
}

export const noLosses = (): Losses => ({ changes: 0, lostChanges: 0, narrowings: [] });

/** Counted while the tensors are written. */
export interface Losses {
  changes: number;
  lostChanges: number;
  readonly narrowings: Narrowing[];
}

/** Writes a file with what is merged into it; returns the bytes of the tensors. */
export function writeMerged(file: SafetensorsFile, path: string, merging: Merging): number {
  const described = new Map(
    Array.from(
      file.tensors,
      ([name, { dtype, shape }]) =>
        [name, { dtype: isMergeable(dtype) ? (merging.dtype ?? dtype) : dtype, shape }] as const,
    ),
  );
  const { head, order, dataBytes } = layoutSafetensors(described, file.metadata);
  writeFileAtomically(path, (write) => {
    write(head);
    for (const name of order) {
      writeTensor(name, needed(file.tensors, name, 'tensor'), merging, write);
      merging.onTensor?.();
    }
    merging.onEnd?.();
  });
  return dataBytes;
}

function writeTensor(
  name: string,
  tensor: ExternalTensor,
  { byWeight, rslora, dtype, losses }: Merging,
  write: (bytes: Uint8Array) => void,
): void {
  const module = byWeight.get(name)?.();
  const wanted = isMergeable(tensor.dtype) ? (dtype ?? tensor.dtype) : undefined;
  if (wanted === undefined || (module === undefined && wanted === tensor.dtype)) {
    requireSound(name, { unsound: countUnsound(readTensor(tensor)) });
    return copyRange(tensor.path, tensor.offset, tensor.length, write);
  }
  const read = readFloat32(tensor);
  let changes = 0;
  const merged =
    module === undefined
      ? read
      : lora.merge(read, module, loraScale(module, rslora), (count) => (changes += count));
  const loss = lossOf(merged.data, wanted);
  requireSound(name, loss);
  if (loss.lost > 0) losses.narrowings.push({ name, type: wanted, loss, widened: false });
  const written = fromFloat32(merged, wanted);
  losses.changes += changes;
  losses.lostChanges +=
    changes === 0 ? 0 : changes - differences(written, fromFloat32(read, wanted));
  write(bytesOf(written.data));
}

/** How many numbers of two tensors of one type differ. */
function differences({ data: a }: Tensor, { data: b }: Tensor): number {
  let count = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) count++;
  return count;
}

/** The files that say what type and size the weights have. */
function tellType(folder: string, dtype: FloatDType, total_size: number): void {
  const config = join(folder, 'config.json');
  writeFileAtomically(config, withType(readFileSync(config, 'utf8'), dtype));
  for (const path of indexFiles(folder))
    changeJson(path, (index) => ({ ...index, metadata: { total_size } }));
}

/** Tensors of types that are not written here are no part of the model, nor of its copy. */
function takeOutOfIndex(folder: string, left: ReadonlySet<string>): void {
  for (const path of indexFiles(folder))
    changeJson(path, (index) => ({
      ...index,
      weight_map: Object.fromEntries(
        Object.entries(isObject(index.weight_map) ? index.weight_map : {}).filter(
          ([name]) => !left.has(name),
        ),
      ),
    }));
}

const indexFiles = (folder: string): string[] =>
  readdirSync(folder)
    .sort()
    .filter((file) => file.endsWith('.safetensors.index.json'))
    .map((file) => join(folder, file));

/**
 * In the text itself: written again, 30.0 would become 30, and transformers 5 takes a whole number
 * for no float.
 */
function withType(config: string, dtype: FloatDType): string {
  const told = /("(?:torch_)?dtype"\s*:\s*)(?:"[^"]*"|null)/g;
  return told.test(config)
    ? config.replace(told, `$1"${dtype}"`)
    : config.replace('{', `{\n  "torch_dtype": "${dtype}",`);
}

function replaceTemplate(base: string, folder: string, template: string): void {
  if (template === readChatTemplate(base)) return;
  rmSync(join(folder, 'chat_template.json'), { force: true });
  for (const [name, content] of templateFiles(base, template))
    writeFileAtomically(join(folder, name), content);
}

function changeJson(path: string, change: (content: Record<string, unknown>) => object): void {
  writeFileAtomically(path, `${JSON.stringify(change(parseFile(path, jsonObject)), null, 2)}\n`);
}

export function copyRange(
  path: string,
  offset: number,
  length: number,
  write: (bytes: Uint8Array) => void,
): void {
  const fd = openSync(path, 'r');
  try {
    const buffer = new Uint8Array(Math.min(length, 1 << 24));
    for (let done = 0; done < length;) {
      const count = readSync(fd, buffer, 0, Math.min(buffer.length, length - done), offset + done);
      if (count === 0)
        throw new UserError([
          {
            where: path,
            what: 'the file became shorter while it was being read',
            fix: 'Try again when no other program is writing it.',
          },
        ]);
      write(buffer.subarray(0, count));
      done += count;
    }
  } finally {
    closeSync(fd);
  }
}

/** Configuration, tokenizer, template, code that the model brings, licence: not the base's card. */
export const isOfModel = (name: string): boolean =>
  /\.(json|jinja|txt|model|tiktoken|bpe|py)$/i.test(name) ||
  /^(licen[cs]e|notice|use_policy)/i.test(name);
/** Weights of other formats and the base's card stay behind without a word. */
const isOfBase = (name: string): boolean =>
  /\.(safetensors|bin|pt|pth|ckpt|gguf|onnx|h5|msgpack)$|^README|^\./i.test(name);

/** Copies what describes the model; returns the names of what was left. */
function copyRest(from: string, to: string): readonly string[] {
  const names = readdirSync(from)
    .sort()
    .filter((name) => !isOfBase(name) && statSync(join(from, name)).isFile());
  for (const name of names.filter(isOfModel)) {
    const source = join(from, name);
    const { size } = statSync(source);
    writeFileAtomically(join(to, name), (write) => copyRange(source, 0, size, write));
  }
  return names.filter((name) => !isOfModel(name));
}

/** One word for all files that stay behind. */
function leftProblems(where: string, left: readonly string[]): Problem[] {
  if (left.length === 0) return [];
  const more = left.length > 3 ? ` and ${left.length - 3} more` : '';
  const names = `${left.slice(0, 3).join(', ')}${more}`;
  return [
    { where, what: `${plural(left.length, 'file')} not copied, as no part of a model: ${names}` },
  ];
}
