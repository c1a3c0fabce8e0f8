// What a path is that is given as a base model and is none, and where the model lies: in Hugging
// Face's cache, a level lower or higher, beside an adapter.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import {
  currentSnapshot,
  hubRemedy,
  isHubName,
  nameOfCached,
  setting,
} from '../config/hub-names.ts';
import { CheckpointError } from '../errors.ts';
import { unicodeText } from '../util/encoding/decode-text.ts';
import { isObject } from '../util/is-object.ts';
import { isBrokenLink, isUnfinished, missingFile, unfinishedIn } from './missing-file.ts';
import { loadSingleFile } from './single-file.ts';

export type ModelKind = 'language model' | 'Stable Diffusion model';

export interface Misplaced {
  readonly what: string;
  readonly fix: string;
}

type Naming = (path: string) => string;

interface Look {
  /** As the user wrote it. */
  readonly path: string;
  /** What lies in it; none where it is a file. */
  readonly names: readonly string[];
  readonly kind: ModelKind;
  /** What is to name the model: base_model, --base. */
  readonly key: string;
  readonly name: Naming;
}

/** Throws CheckpointError with what `path` is, where the model of this kind lies, or what to do. */
export function failMisplaced(path: string, kind: ModelKind): never {
  throw new CheckpointError([{ where: path, ...misplaced(path, kind) }]);
}

/** What a file or folder is that is not a model of this kind. */
export function misplaced(path: string, kind: ModelKind, key = 'base_model'): Misplaced {
  const isFolder = isFolderAt(path);
  const look = lookAt(path, kind, key);
  return (
    firstOf(isFolder ? ofFolders : ofFiles, look) ?? {
      what: `this ${isFolder ? 'folder' : 'file'} is not a ${kind}${lacks(isFolder, kind)}`,
      fix: `Name the ${kind === 'language model' ? 'folder that holds the' : '.safetensors file or the folder of the'} model as base_model.`,
    }
  );
}

/** As `misplaced`; undefined where nothing is known but that it is no such model. */
export const knownMisplaced = (path: string, kind: ModelKind): Misplaced | undefined =>
  firstOf(isFolderAt(path) ? ofFolders : ofFiles, lookAt(path, kind, 'base_model'));

const lookAt = (path: string, kind: ModelKind, key: string): Look => ({
  path,
  names: namesIn(path),
  kind,
  key,
  name: (found) => setting(key, found),
});

function firstOf(explanations: readonly Explanation[], look: Look): Misplaced | undefined {
  for (const explain of explanations) {
    const found = explain(look);
    if (found !== undefined) return found;
  }
  return undefined;
}

const lacks = (isFolder: boolean, kind: ModelKind): string =>
  !isFolder
    ? ''
    : kind === 'language model'
      ? ': it has no config.json'
      : ': it has no unet/, vae/, text_encoder/';

type Explanation = (look: Look) => Misplaced | undefined;

// ---- folders

const adapter: Explanation = (look) => {
  const config = jsonIn(look.path, 'adapter_config.json');
  if (config === undefined) return undefined;
  if (look.kind !== 'language model' && config.task_type === 'CAUSAL_LM')
    return {
      what: 'this folder is the adapter of a language model (PEFT), not a Stable Diffusion model',
      fix: 'Name a Stable Diffusion model; or write task_type: text-generation, and the base of that adapter.',
    };
  const what = 'this folder is an adapter (PEFT), not a model';
  const { base_model_name_or_path: named, model } = config;
  const base = [named, model].find((one) => typeof one === 'string' && one !== '');
  return typeof base === 'string'
    ? { what, fix: `It was trained on ${base}. ${whereIs(base, look)}` }
    : { what, fix: 'Name the folder of the model that it was trained on.' };
};

function whereIs(base: string, { key, name }: Look): string {
  if (existsSync(base)) return `Name that: ${name(base)}`;
  if (!isHubName(base)) return 'Name the folder of that model.';
  const remedy = hubRemedy(base, 'models', key);
  return `${remedy.slice(0, 1).toUpperCase()}${remedy.slice(1)}`;
}

/** `hub`, `models--owner--name`, `snapshots` or `blobs` of the cache. */
const hubCache: Explanation = ({ path, names, kind, name }) => {
  const repositories = names.filter((one) => one.startsWith('models--'));
  if (repositories.length > 0) {
    const models = repositories.flatMap((one) => snapshotOf(join(path, one), kind));
    return {
      what: "this is Hugging Face's cache, not one model",
      fix: listed(models, name, `There is no ${kind} in it.`),
    };
  }
  const inside = ['snapshots', 'blobs', 'refs'].includes(basename(resolve(path)));
  const repository = inside ? dirname(resolve(path)) : path;
  const owner = nameOfCached(resolve(repository));
  if (owner === undefined || !existsSync(join(repository, 'snapshots'))) return undefined;
  const snapshot = currentSnapshot(repository);
  return {
    what: `this is a folder of Hugging Face's cache; the files of ${owner} are in a folder below snapshots`,
    fix:
      snapshot === undefined
        ? 'There is none: its download is not finished. Download the model again.'
        : `Name it: ${name(snapshot)}`,
  };
};

function snapshotOf(repository: string, kind: ModelKind): string[] {
  const snapshot = currentSnapshot(repository);
  return snapshot !== undefined && isModel(snapshot, kind) ? [snapshot] : [];
}

const otherModel: Explanation = ({ path, kind }) => {
  const other = kind === 'language model' ? 'Stable Diffusion model' : 'language model';
  if (!isModel(path, other)) return undefined;
  return kind === 'language model'
    ? {
        what: 'this is a model for pictures (diffusers), not a language model',
        fix: 'For adapters of pictures, leave out task_type; for texts, name a language model as base_model.',
      }
    : {
        what: `this is a language model${ofType(path)}, not Stable Diffusion`,
        fix: 'For its adapters set task_type: text-generation; for pictures, name a Stable Diffusion 1.x model as base_model.',
      };
};

const ofType = (path: string): string => {
  const type = jsonIn(path, 'config.json')?.model_type;
  return typeof type === 'string' ? ` (${type})` : '';
};

/** `unet/`, `text_encoder/`, `tokenizer/` … of a diffusers folder. */
const component: Explanation = ({ path, name }) => {
  const above = above1(path);
  if (!isDiffusers(above)) return undefined;
  return {
    what: `this is one part (${basename(resolve(path))}) of a model for pictures, not the whole`,
    fix: `Name the folder above it: ${name(above)}`,
  };
};

const transformer: Explanation = ({ names, kind }) =>
  kind === 'Stable Diffusion model' && names.includes('transformer')
    ? {
        what: 'this is a diffusion transformer (Stable Diffusion 3, FLUX or a relative), not Stable Diffusion 1.x',
        fix: 'Name a Stable Diffusion 1.x model as base_model.',
      }
    : undefined;

const inside: Explanation = ({ path, kind, name }) => {
  const found = modelsBelow(path, kind);
  if (found.length === 0) return undefined;
  return {
    what: `this folder is not a ${kind}; ${found.length === 1 ? 'one lies' : `${found.length} lie`} below it`,
    fix: listed(found, name, ''),
  };
};

const around: Explanation = ({ path, kind, name }) => {
  const found = [above1(path), above1(above1(path))].find((one) => isModel(one, kind));
  return found === undefined
    ? undefined
    : { what: `this is a folder within a ${kind}`, fix: `Name the model: ${name(found)}` };
};

const unfinished: Explanation = ({ path }) => {
  const [first] = unfinishedIn(path);
  return first === undefined
    ? undefined
    : {
        what: `the download of this folder is not finished: there is ${first}`,
        fix: 'Let the download finish, or download the missing files again.',
      };
};

const brokenLink: Explanation = ({ path, names }) => {
  const broken = names.find((name) => isBrokenLink(join(path, name)));
  return broken === undefined
    ? undefined
    : {
        what: `${broken} cannot be read: ${missingFile(join(path, broken))}`,
        fix: 'Copy the folder again, or download the model again.',
      };
};

const OTHER_FORMS = 'Use the .safetensors files of the same model.';
const withoutConfig: Explanation = ({ path, names, kind, name }) => {
  if (names.length === 0)
    return { what: 'this folder is empty', fix: 'Name the model as base_model.' };
  const [gguf] = names.filter((name) => /\.gguf$/i.test(name));
  if (gguf !== undefined)
    return {
      what: `this folder has a GGUF file, ${gguf}, which is not supported`,
      fix: OTHER_FORMS,
    };
  const [weights] = names.filter((name) => /\.safetensors$/i.test(name));
  if (weights !== undefined && kind === 'language model')
    return {
      what: `this folder is not a language model: it has ${weights}, but no config.json`,
      fix: 'Download config.json, tokenizer.json and tokenizer_config.json of the same model into it.',
    };
  if (weights !== undefined && weights !== 'pytorch_lora_weights.safetensors')
    return {
      what: 'this folder is not a diffusers model: it has no unet/, vae/, text_encoder/',
      fix: `Name the file in it, if that is a whole model: ${name(join(path, weights))}`,
    };
  const [pickle] = names.filter((name) => /\.(ckpt|pt|pth|bin)$/i.test(name));
  if (pickle !== undefined)
    return {
      what: `this folder has a Python pickle, ${pickle}, which is never opened`,
      fix: OTHER_FORMS,
    };
  const data = names.filter((name) => /\.(png|jpe?g|webp|jsonl|csv|txt|parquet)$/i.test(name));
  return data.length > names.length / 2
    ? {
        what: `this is a folder of data (${data[0]} …), not a model`,
        fix: 'It may be train_data_dir; name a model as base_model.',
      }
    : undefined;
};

const ofFolders: readonly Explanation[] = [
  adapter,
  hubCache,
  otherModel,
  component,
  transformer,
  inside,
  around,
  brokenLink,
  unfinished,
  withoutConfig,
];

// ---- files

const half: Explanation = ({ path }) =>
  isUnfinished(path)
    ? {
        what: 'the download of this file is not finished',
        fix: 'Let the download finish, or download the file again.',
      }
    : undefined;

const ofFolderAbove: Explanation = ({ path, kind, name }) => {
  const found = [dirname(path), above1(dirname(path))].find((one) => isModel(one, kind));
  if (found === undefined) return undefined;
  return {
    what: `this is one file of a ${kind}, which is a folder`,
    fix: `Name the folder: ${name(found)}`,
  };
};

/** Of files for pictures, the content decides. */
const byEnding: Explanation = ({ path, kind }) => {
  if (kind !== 'language model') return undefined;
  const fix =
    'Name the folder of the original model, with config.json, tokenizer.json and .safetensors files.';
  if (/\.gguf$/i.test(path))
    return {
      what: 'this is a GGUF file, as llama.cpp and Ollama use it, which cannot be trained',
      fix,
    };
  return /\.(ckpt|pt|pth|bin)$/i.test(path)
    ? { what: 'this is a Python pickle (.ckpt, .pt, .bin), which is never opened', fix }
    : undefined;
};

const noLanguageModel: Explanation = ({ kind }) =>
  kind === 'language model'
    ? {
        what: 'a language model is a folder with config.json, tokenizer.json and .safetensors files',
        fix: 'Name the folder as base_model.',
      }
    : undefined;

const ofFiles: readonly Explanation[] = [half, ofFolderAbove, byEnding, noLanguageModel];

// ---- what is a model

function isModel(path: string, kind: ModelKind): boolean {
  return kind === 'language model'
    ? isLanguageModel(path)
    : isDiffusers(path) || isStableDiffusion1(path);
}

function isLanguageModel(folder: string): boolean {
  const type = jsonIn(folder, 'config.json')?.model_type;
  if (typeof type !== 'string' || isDiffusers(above1(folder))) return false;
  return namesIn(folder).some((name) => /^tokenizer|\.(safetensors|bin|gguf)$/.test(name));
}

const isDiffusers = (folder: string): boolean =>
  existsSync(join(folder, 'model_index.json')) ||
  ['unet', 'vae', 'text_encoder'].every((part) => existsSync(join(folder, part)));

function isStableDiffusion1(path: string): boolean {
  if (!/\.safetensors$/i.test(path) || isFolderAt(path)) return false;
  try {
    loadSingleFile(path, false); // its header
    return true;
  } catch {
    return false; // another model, or damaged
  }
}

const DEPTH = 3;
const MOST_FOLDERS = 300;

/** Models of a kind below a folder, nearest first; within a model no other is looked for. */
function modelsBelow(root: string, kind: ModelKind): string[] {
  return foundBelow(root, (path) => isModel(path, kind));
}

/** Files and folders below `root` that are `wanted`, nearest first; hidden ones left out. */
export function foundBelow(root: string, wanted: (path: string) => boolean): string[] {
  const found: string[] = [];
  let level = [root];
  for (let depth = 0; depth < DEPTH; depth++) {
    const paths = level.flatMap((folder) => namesIn(folder).map((name) => join(folder, name)));
    const matching = new Set(paths.filter(wanted));
    found.push(...matching);
    level = paths.filter((path) => !matching.has(path) && isFolderAt(path)).slice(0, MOST_FOLDERS);
  }
  return found;
}

const SHOWN = 3;

function listed(paths: readonly string[], name: Naming, none: string): string {
  if (paths.length === 0) return none;
  if (paths.length === 1) return `Name it: ${name(paths[0])}`;
  const more = paths.length > SHOWN ? ` (and ${paths.length - SHOWN} more)` : '';
  return `Name one of them: ${paths.slice(0, SHOWN).map(name).join(', or ')}${more}`;
}

/** The folder above, written as the user wrote the path. */
const above1 = (path: string): string =>
  /^[./\\]*$/.test(path) || basename(path) === '..'
    ? relative('.', resolve(path, '..')) || '.'
    : dirname(path);

const isFolderAt = (path: string): boolean => {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch {
    return false; // a link in a circle
  }
};

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith('.'))
      .sort();
  } catch {
    return []; // not to be read
  }
}

function jsonIn(folder: string, name: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(unicodeText(readFileSync(join(folder, name))));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined; // not there, or not JSON: not known by it
  }
}
