// What all tools that write adapters share: modules as they will be written, and the files of a
// format.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import {
  tensorOf,
  type AdapterFile,
  type AdapterFormatName,
  type AdapterModule,
} from '../adapter-files/adapter-file.ts';
import { adapterTitle, adapterWriter } from '../adapter-files/adapter-formats.ts';
import { multiplied, narrowed, requireSound, type Narrowing } from '../adapter-files/narrowing.ts';
import { writePeftFolder } from '../adapter-files/peft.ts';
import {
  requireNew,
  writePlanned,
  type PlannedModule,
  type PlannedTensor,
} from '../adapter-files/planned.ts';
import { unfoldedB, type ToWrite } from '../adapter-files/write-formats.ts';
import { InternalError, UserError, type Problem } from '../errors.ts';
import { writeFileAtomically } from '../storage/write-file.ts';
import { countUnsound } from '../tensor/finite.ts';
import type { FloatDType } from '../tensor/half.ts';
import type { ExternalTensor, Tensor } from '../tensor/tensor.ts';
import { problemsByKind } from '../util/problems-by-kind.ts';
import { traitsOf } from './traits.ts';

export interface OutputOptions {
  /** The file to write, or the folder of PEFT's. */
  readonly output: string;
  /** Of all factors; each keeps its own unless given. What it cannot hold is written in float32. */
  readonly dtype?: FloatDType;
  /** Whether a file that is there may be replaced. */
  readonly force?: boolean;
  /** Of the modules, or of the tensors while they are written, so many are done. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface WrittenAdapter {
  /** Paths of the files. */
  readonly files: readonly string[];
  readonly format: AdapterFormatName;
  readonly modules: number;
  /** What the types could not hold. */
  readonly narrowings: readonly Narrowing[];
  readonly warnings: readonly Problem[];
}

/** Refuses an adapter of a language model, for what is done with those for pictures alone. */
export function requirePictures({ of, path }: AdapterFile, done: string, fix: string): void {
  if (of === 'pictures') return;
  const what = `this is an adapter of a language model; only those for pictures are ${done}`;
  throw new UserError([{ where: path, what, fix }]);
}

/**
 * A module as it stands in its file, bit for bit; an alpha that was folded into B is taken out. Its
 * numbers are read when they are written, and refused there if they are not finite.
 */
export function planned({ path: where }: AdapterFile, module: AdapterModule): PlannedModule {
  const { path, name, folded, rank, alpha, scale } = module;
  const down = unread(`${where} ${name}`, module.down);
  const up = unread(`${where} ${name}`, module.up);
  if (folded === undefined)
    return { path, name, down, up, alpha: scale === alpha / rank ? alpha : scale * rank };
  const read = () => unfoldedB(up.read(), folded.alpha / rank, folded.dtype);
  return { path, name, down, up: { ...up, dtype: folded.dtype, read }, alpha: folded.alpha };
}

const unread = (where: string, tensor: Tensor | ExternalTensor): PlannedTensor => ({
  dtype: tensor.dtype,
  shape: tensor.shape,
  read() {
    const found = tensorOf(tensor);
    requireSound(where, { unsound: countUnsound(found) });
    return found;
  },
});

/** The same in another type; `tell` receives what that cannot hold. */
export function retyped(
  module: PlannedModule,
  dtype: FloatDType | undefined,
  tell: (found: Narrowing) => void,
): PlannedModule {
  if (dtype === undefined) return module;
  const { name } = module;
  const { down, up } = module;
  return {
    ...module,
    down: retypedTensor(`${name} A`, down, dtype, tell),
    up: retypedTensor(`${name} B`, up, dtype, tell),
  };
}

function retypedTensor(
  name: string,
  tensor: PlannedTensor,
  wanted: FloatDType,
  tell: (found: Narrowing) => void,
): PlannedTensor {
  if (tensor.dtype === wanted) return tensor;
  const settled = narrowed(name, multiplied(tensor.read(), 1), wanted, tell).dtype;
  const dtype = settled === wanted ? wanted : 'float32';
  return { ...tensor, dtype, read: () => narrowed(name, multiplied(tensor.read(), 1), dtype) };
}

/**
 * Writes an adapter for pictures, all its files or none. Throws UserError for layers that have no
 * name in the format, and for files that are there already.
 */
export function writeAdapter(
  format: AdapterFormatName,
  given: ToWrite & Pick<WrittenAdapter, 'narrowings' | 'warnings'>,
  { output, force = false, onProgress }: OutputOptions,
): WrittenAdapter {
  const write = adapterWriter(format);
  const title = adapterTitle(format);
  if (write === undefined)
    throw new UserError([{ where: output, what: `${title} cannot hold an adapter for pictures` }]);
  if (format === 'diffusers' || format === 'peft') requirePaths(given, title);
  requireName(output, format === 'peft' ? 'folder' : 'file');
  const files = write(output, given);
  const paths = files.map(({ path }) => path);
  requireNew(paths, force);
  writePlanned(files, onProgress);
  const { narrowings, warnings, modules } = given;
  return { files: paths, format, modules: modules.length, narrowings, warnings };
}

/** Writes modules in the format that their adapter has; mlx-lm's becomes PEFT's. */
export function writeLike(
  file: AdapterFile,
  modules: readonly PlannedModule[],
  narrowings: readonly Narrowing[],
  options: OutputOptions,
): WrittenAdapter {
  const { format, metadata, warnings } = file;
  if (file.of === 'language') return writeLanguage(file, modules, narrowings, options);
  const isXl = traitsOf(file).family === 'Stable Diffusion XL';
  const isAlphaInMetadata = file.modules.some(({ alphaFrom }) => alphaFrom === 'metadata');
  const given = { modules, metadata, isXl, isAlphaInMetadata, narrowings, warnings };
  return writeAdapter(format, given, options);
}

/** PEFT's folder. Throws UserError for an adapter that took a part out of its base. */
export function writeLanguage(
  { path, language, warnings, files }: AdapterFile,
  modules: readonly PlannedModule[],
  narrowings: readonly Narrowing[],
  { output, force = false, dtype }: OutputOptions,
): WrittenAdapter {
  if (language === undefined) throw new InternalError(`${path} has no language model`);
  if (language.start !== undefined)
    throw new UserError([
      {
        where: path,
        what: `it belongs to the part of its base that ${language.start} left, which no other file says`,
        fix: 'Merge it into its base: lora merge.',
      },
    ]);
  const names = ['adapter_model.safetensors', 'adapter_config.json'];
  const paths = names.map((name) => join(output, name));
  requireNew(paths, force);
  requireName(output, 'folder');
  const found = [...narrowings];
  const { baseModel, revision, templateDate, dropout } = language;
  writePeftFolder(output, {
    modules: modules.map(({ path: layer, name, down, up, alpha }) => ({
      ...{ path: layer ?? name, down: down.read(), up: up.read(), alpha },
    })),
    rslora: false,
    dtype: dtype ?? typeOf(files),
    tell: (one) => found.push(one),
    dropout,
    ...(baseModel !== undefined && { baseModel }),
    ...(revision !== undefined && { revision }),
    ...(templateDate !== undefined && { templateDate }),
  });
  if (language.chatTemplate !== undefined)
    writeFileAtomically(join(output, 'chat_template.jinja'), language.chatTemplate);
  return { files: paths, format: 'peft', modules: modules.length, narrowings: found, warnings };
}

const types: readonly FloatDType[] = ['float32', 'float16', 'bfloat16'];

function typeOf(files: AdapterFile['files']): FloatDType {
  const [first] = files.flatMap(({ tensors }) => [...tensors.values()]);
  return types.find((type) => type === first.dtype) ?? 'float32';
}

/** Throws UserError for a name by which programs would not find what is written. */
export function requireName(output: string, kind: 'file' | 'folder'): void {
  const isNamedFile = /\.(safetensors|sft)$/i.test(output);
  const isFolder = statSync(output, { throwIfNoEntry: false })?.isDirectory() === true;
  if (kind === 'folder' && !isNamedFile) return;
  if (kind === 'file' && isNamedFile && !isFolder) return;
  const [what, fix] =
    kind === 'folder'
      ? ["PEFT's adapter is a folder, and this is the name of a file", 'Name a folder.']
      : isFolder
        ? ['this is a folder', `Name a file: ${join(output, 'adapter.safetensors')}`]
        : ['programs look for files that end with .safetensors', `Name it ${output}.safetensors`];
  throw new UserError([{ where: output, what, fix }]);
}

function requirePaths({ modules }: ToWrite, title: string): void {
  const problems = modules
    .filter(({ path }) => path === undefined)
    .map(({ name }) => ({
      where: name,
      what: `no rule says which layer this is, so it has no name in ${title}`,
      fix: 'Convert it with the program that trained it, or keep its format.',
    }));
  if (problems.length > 0) throw new UserError(problemsByKind(problems));
}
