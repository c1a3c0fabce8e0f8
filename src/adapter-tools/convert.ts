// An adapter in the layout of another program: kohya, LyCORIS, diffusers, PEFT. Its numbers stay as
// they are, bit for bit, and so do alphas where the layout has a place for them.

import { join } from 'node:path';
import {
  loadedModules,
  type AdapterFile,
  type AdapterFormatName,
} from '../adapter-files/adapter-file.ts';
import { adapterTitle } from '../adapter-files/adapter-formats.ts';
import type { Narrowing } from '../adapter-files/narrowing.ts';
import { openAdapter } from '../adapter-files/open-adapter.ts';
import { writePeftFolder } from '../adapter-files/peft.ts';
import { requireNew } from '../adapter-files/planned.ts';
import { UserError, type Problem } from '../errors.ts';
import type { FloatDType } from '../tensor/half.ts';
import { problemsByKind } from '../util/problems-by-kind.ts';
import {
  planned,
  retyped,
  writeAdapter,
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
    tell: (found: Narrowing) => narrowings.push(found),
    onRounded: (where: string) => rounded.push({ where, ...ROUNDED }),
  };
  const written = writeAdapter(to, { ...given, narrowings, warnings: file.warnings }, options);
  return { ...written, warnings: [...file.warnings, ...problemsByKind(rounded)] };
}

const ROUNDED = {
  what: "alpha / rank is multiplied into B, because diffusers' files have no alpha, and its numbers are rounded in the last place",
  fix: 'To keep them bit for bit for diffusers 0.34 and later alone: --alpha metadata.',
};

/** PEFT's folder, from mlx-lm's or from PEFT's with other types. */
function convertLanguage(file: AdapterFile, options: ConvertOptions): WrittenAdapter {
  const { to, output, force = false, dtype } = options;
  const { language } = file;
  if (to !== 'peft' || language === undefined)
    throw new UserError([
      {
        where: file.path,
        what: `this is an adapter of a language model; ${adapterTitle(to)} is for pictures`,
        fix: 'Convert it to peft, or for llama.cpp with lora export --to gguf.',
      },
    ]);
  if (language.start !== undefined)
    throw new UserError([
      {
        where: file.path,
        what: `it belongs to the part of its base that ${language.start} left, which no other layout says`,
        fix: 'Merge it into its base: lora merge.',
      },
    ]);
  const names = ['adapter_model.safetensors', 'adapter_config.json'];
  const files = names.map((name) => join(output, name));
  requireNew(files, force);
  const narrowings: Narrowing[] = [];
  const modules = loadedModules(file.path, file.modules);
  writePeftFolder(output, {
    modules,
    rslora: language.rslora,
    dtype: dtype ?? typeOf(file),
    tell: (found) => narrowings.push(found),
    dropout: language.dropout,
    ...(language.baseModel !== undefined && { baseModel: language.baseModel }),
    ...(language.revision !== undefined && { revision: language.revision }),
    ...(language.templateDate !== undefined && { templateDate: language.templateDate }),
  });
  const { warnings } = file;
  return { files, format: 'peft', modules: modules.length, narrowings, warnings };
}

const types: readonly FloatDType[] = ['float32', 'float16', 'bfloat16'];

const typeOf = ({ files }: AdapterFile): FloatDType => {
  const [first] = files.flatMap(({ tensors }) => [...tensors.values()]);
  return types.find((type) => type === first.dtype) ?? 'float32';
};
