// Opens any adapter: a file or a folder, for pictures or for a language model, whatever program
// wrote it.

import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readJsonFile } from '../checkpoints/model-folder.ts';
import { openSafetensors } from '../checkpoints/safetensors-file.ts';
import { CheckpointError, failCheckpoint as fail, ofAdapter, obtainAgain } from '../errors.ts';
import { isObject } from '../util/is-object.ts';
import type { AdapterFile, FileFormatName, FolderFormatName } from './adapter-file.ts';
import { fileFormats, folderFormats, type FolderFormat } from './adapter-formats.ts';
import { kindProblems } from './adapter-kinds.ts';
import { adapterBelow } from './adapter-levels.ts';
import { throwProblems } from './lora.ts';
import type { OpenPeftFolder } from './peft-folder.ts';
import { openPictureFile } from './picture-file.ts';

const CONFIG = 'adapter_config.json';

/**
 * The adapter at `path`: a file, a folder with one, PEFT's or mlx-lm's folder, or a folder with one
 * of PEFT's for each component of a model for pictures. Only headers are read; `moduleWeights`
 * reads the numbers. Throws AdapterError that names what is not a plain LoRA, what is incomplete,
 * and what is unknown of a module.
 */
export const openAdapter = (path: string): AdapterFile => ofAdapter(() => openAny(path));

const NAME = 'Name the file of an adapter (.safetensors), or its folder.';

function openAny(path: string): AdapterFile {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return fail(path, 'there is no such file or folder', NAME);
  return found.isDirectory() ? ofFolder(path) : ofFile(path);
}

/** PEFT's examples keep the adapters of a model for pictures in folders of these names. */
const components = ['unet', 'text_encoder', 'text_encoder_2'];

function ofFolder(folder: string): AdapterFile {
  const has = (name: string): boolean => existsSync(join(folder, name));
  if (has(CONFIG)) return ofFolders(folder, [folder]);
  const parts = components.filter((name) => has(join(name, CONFIG)));
  if (parts.length > 0)
    return ofFolders(
      folder,
      parts.map((name) => join(folder, name)),
    );
  const weights = 'pytorch_lora_weights.safetensors';
  if (has(weights)) return ofFile(join(folder, weights));
  const files = readdirSync(folder)
    .sort()
    .filter((name) => /\.safetensors$/i.test(name));
  if (files.length === 1) return ofFile(join(folder, files[0]));
  if (files.length === 0)
    return fail(folder, 'there is no adapter in this folder', adapterBelow(folder) ?? NAME);
  const shown = files.slice(0, 3).map((name) => join(folder, name));
  return fail(
    folder,
    `there are ${files.length} .safetensors files in this folder, and nothing says which is meant`,
    `Name one of them: ${shown.join(', or ')}.`,
  );
}

function ofFile(path: string): AdapterFile {
  const folder = dirname(path);
  const isInFolder = existsSync(join(folder, CONFIG));
  if (basename(path) === CONFIG) return ofFolder(folder);
  const file = openSafetensors(path);
  const keys = [...file.tensors.keys()];
  if (isInFolder && keys.some((key) => /^base_model\.model\.|\.lora_[ab]$/.test(key)))
    return ofFolders(path, [folder]);
  if (keys.some((key) => /^base_model\.model\.|^(language_)?model\..*\.lora_[ABab]\b/.test(key))) {
    // of what is refused with it, too, the kind says more
    throwProblems(kindProblems(keys, path));
    return fail(
      path,
      `this is an adapter without its ${CONFIG}, which has its scale`,
      `Put ${CONFIG} into the same folder.`,
    );
  }
  // Object.entries forgets what the keys are.
  const formats = Object.entries(fileFormats) as [FileFormatName, (typeof fileFormats)['kohya']][];
  const found = formats.find(([, { recognises }]) => recognises(file));
  if (found !== undefined) return openPictureFile(found[0], file, path);
  throwProblems(kindProblems(keys, path));
  return fail(path, 'no tensor in this file is named as part of a LoRA', NAME);
}

/** The format of the folder that adapter_config.json lies in. Throws CheckpointError. */
export function folderFormat(folder: string): readonly [FolderFormatName, FolderFormat] {
  const path = join(folder, CONFIG);
  const found = readJsonFile(path, obtainAgain);
  const fields = new Set(isObject(found) ? Object.keys(found) : []);
  // Object.entries forgets what the keys are.
  const formats = Object.entries(folderFormats) as [FolderFormatName, FolderFormat][];
  const format = formats.find(([, { recognises }]) => recognises(fields));
  if (format !== undefined) return format;
  throw new CheckpointError([
    {
      where: path,
      what: "it is neither PEFT's, which has a peft_type, nor mlx-lm's, which has lora_parameters",
      fix: 'Name the folder of an adapter that PEFT, mlx-lm or lora train wrote.',
    },
  ]);
}

function ofFolders(given: string, folders: readonly string[]): AdapterFile {
  const [format, { open }] = folderFormat(folders[0]);
  const opened = folders.map((folder) => open(folder));
  const modules = opened.flatMap((one) => one.modules);
  const isForPictures = modules.every(({ path }) => /^(unet|text_encoder(_2)?)\./.test(path ?? ''));
  return {
    format,
    of: isForPictures ? 'pictures' : 'language',
    path: given,
    files: opened.map(({ file }) => file),
    modules,
    metadata: Object.fromEntries(opened.flatMap(({ file }) => Object.entries(file.metadata))),
    leftovers: [],
    warnings: opened.flatMap(({ warnings }) => warnings),
    ...(!isForPictures && { language: languageOf(opened[0]) }),
  };
}

function languageOf(opened: OpenPeftFolder): NonNullable<AdapterFile['language']> {
  const { modules: _modules, file: _file, ...rest } = opened;
  return rest;
}
