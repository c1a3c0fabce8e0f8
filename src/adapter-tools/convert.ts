// An adapter in the layout of another program: kohya, LyCORIS, diffusers, PEFT. Its numbers stay as
// they are, bit for bit, and so do alphas where the layout has a place for them.

import type { AdapterFile, AdapterFormatName } from '../adapter-files/adapter-file.ts';
import { adapterTitle } from '../adapter-files/adapter-formats.ts';
import type { Narrowing } from '../adapter-files/narrowing.ts';
import { openAdapter } from '../adapter-files/open-adapter.ts';
import { UserError, type Problem } from '../errors.ts';
import { problemsByKind } from '../util/problems-by-kind.ts';
import {
  planned,
  retyped,
  writeAdapter,
  writeLanguage,
  type OutputOptions,
  type WrittenAdapter,
} from './prepare.ts';
import { traitsOf } from './traits.ts';

/** The layouts that are written. */
export type ConvertTarget = Exclude<AdapterFormatName, 'mlx'>;

export interface ConvertOptions extends OutputOptions {
  /** A file or a folder. */
  readonly path: string;
  readonly to: ConvertTarget;
  /** Of diffusers' files: alpha in the metadata, which diffusers reads since 0.34, not in B. */
  readonly isAlphaInMetadata?: boolean;
}

/**
 * Writes the adapter at `path` in another layout. Throws AdapterError for what is no plain LoRA,
 * UserError for layers that have no name there and for files that are there already.
 */
export function convertAdapter(options: ConvertOptions): WrittenAdapter {
  const { path, to, dtype } = options;
  const file = openAdapter(path);
  if (file.of === 'language') return convertLanguage(file, options);
  const narrowings: Narrowing[] = [];
  const rounded: Problem[] = [];
  const given = {
    modules: file.modules.map((module) =>
      retyped(planned(file, module), dtype, (found) => narrowings.push(found)),
    ),
    metadata: file.metadata,
    isXl: traitsOf(file).family === 'Stable Diffusion XL',
    isAlphaInMetadata: options.isAlphaInMetadata ?? false,
    ...(dtype !== undefined && { dtype }),
    tell: (found: Narrowing) => narrowings.push(found),
    onRounded: (where: string) => rounded.push({ where, ...ROUNDED }),
  };
  const written = writeAdapter(to, { ...given, narrowings, warnings: file.warnings }, options);
  return { ...written, warnings: [...file.warnings, ...problemsByKind(rounded)] };
}

const ROUNDED = {
  what: "alpha / rank is multiplied into B, because diffusers' files have no alpha, and its numbers are rounded to their type",
  fix: 'To keep them bit for bit for diffusers 0.34 and later alone: --alpha metadata.',
};

/** PEFT's folder, from mlx-lm's or from PEFT's with other types. */
function convertLanguage(file: AdapterFile, options: ConvertOptions): WrittenAdapter {
  if (options.to !== 'peft')
    throw new UserError([
      {
        where: file.path,
        what: `this is an adapter of a language model; ${adapterTitle(options.to)} is for pictures`,
        fix: 'Convert it to peft, or for llama.cpp with lora export --to gguf.',
      },
    ]);
  const modules = file.modules.map((module) => planned(file, module));
  return writeLanguage(file, modules, [], options);
}
