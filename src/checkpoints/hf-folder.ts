// A language model as a Hugging Face folder: config.json and one or more safetensors files; the
// weights stay where they are.

import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { CheckpointError, failCheckpoint as fail, type Problem } from '../errors.ts';
import { languageModelParameters } from '../models/decoder.ts';
import { ignoredKeys } from '../models/ignored-keys.ts';
import type { LanguageModelConfig } from '../models/language-config.ts';
import { familyOf, languageFamilies } from '../models/language-families.ts';
import { isObject } from '../util/is-object.ts';
import { jsonObject } from '../util/own.ts';
import type { ExternalTensor, Shape } from '../tensor/tensor.ts';
import { checkWeights } from './check-weights.ts';
import type { Described } from './contents.ts';
import { languageProblem } from './language-kinds.ts';
import { leftoverWarnings, refuseLayerExtras } from './leftovers.ts';
import { folderTensors, parseFile } from './model-folder.ts';
import { failMisplaced } from './model-levels.ts';
import { kindOfFile, openAnySafetensors, readTensor } from './safetensors-file.ts';
import { parametersOf } from './weights.ts';

export interface LanguageModelWeights {
  /** The folder, absolute, symbolic links resolved. */
  readonly path: string;
  readonly config: LanguageModelConfig;
  /**
   * By the checkpoint's own keys: exactly the model's parameters, in float32, float16 or bfloat16.
   */
  readonly weights: ReadonlyMap<string, ExternalTensor>;
  /**
   * What config.json says and the model's family does not read, as in transformers; tensors of the
   * files that are not part of the model.
   */
  readonly warnings: readonly Problem[];
  /** Of these, those on tensors that are not part of the model. */
  readonly leftovers: readonly Problem[];
}

/**
 * Reads names, shapes and configuration of a language model. `path`: the folder, or its
 * config.json. Throws CheckpointError when the family is not one of ours, when it asks for what is
 * not implemented, or when tensors are missing, of the wrong shape or type, or
 * such that the model would compute otherwise with them.
 */
export function loadLanguageModel(path: string): LanguageModelWeights {
  const folder = languageModelFolder(path);
  const config = readLanguageConfig(folder);
  const expected = languageModelParameters(config);
  const tensors = folderTensors(folder);
  if (config.tie_word_embeddings) requireSharedHead(tensors, folder);
  const found = new Map([...tensors].filter(([name]) => expected.has(name) || !isKnown(name)));
  const names = leftoversOf(expected, found, folder);
  refuseLayerExtras(names, expected, folder);
  refuseOtherLayers(names, folder, config);
  const leftovers = leftoverWarnings(names, folder);
  const warnings = [...ignoredWarnings(folder, config), ...leftovers];
  return { path: folder, config, weights: parametersOf(expected, found), warnings, leftovers };
}

/**
 * Tensors of a model's numbered layers that its family does not compute with, adapters and the
 * scales of quantized caches apart: config.json belongs to another model.
 */
function refuseOtherLayers(
  leftovers: readonly string[],
  folder: string,
  { model_type }: LanguageModelConfig,
): void {
  const others = leftovers.filter(
    (name) =>
      /^model\.layers\.\d+\./.test(name) && !/lora_|\.[kv]_(scale|zero_point)$|_amax$/.test(name),
  );
  if (others.length === 0) return;
  fail(
    folder,
    `a ${model_type} as config.json describes it has no ${others[0]}${others.length > 1 ? `, nor ${others.length - 1} more tensors of the layers that the files hold` : ''}`,
    'config.json (model_type, num_hidden_layers …) does not belong to these weights: download the folder again.',
  );
}

/**
 * The names that the model does not expect. Throws CheckpointError where the weights are not those
 * of the model, with what they are where that is known.
 */
function leftoversOf(
  expected: ReadonlyMap<string, Shape>,
  found: ReadonlyMap<string, Described>,
  folder: string,
): string[] {
  try {
    return checkWeights(expected, found, folder);
  } catch (error) {
    const problem = languageProblem(found, folder);
    throw error instanceof CheckpointError && problem !== undefined
      ? new CheckpointError([problem], { cause: error })
      : error;
  }
}

/**
 * Where config.json says that the output layer shares the weights of the input embeddings, a file
 * may hold them twice. Throws CheckpointError where the two differ: some programs take one, some
 * both.
 */
function requireSharedHead(tensors: ReadonlyMap<string, Described>, folder: string): void {
  const [head, embeddings] = ['lm_head.weight', 'model.embed_tokens.weight'].map((name) =>
    tensors.get(name),
  );
  if (head === undefined || embeddings === undefined) return;
  if (isReadable(head) && isReadable(embeddings) && sameBytes(head, embeddings)) return;
  fail(
    `${folder} lm_head.weight`,
    'differs from the input embeddings, but tie_word_embeddings in config.json says that they are the same weights',
    'If this model has an output layer of its own, set tie_word_embeddings to false there; otherwise remove lm_head.weight.',
  );
}

const isReadable = (tensor: Described): tensor is ExternalTensor => 'path' in tensor;

/** Bytes that are compared at once. */
const PIECE = 1 << 24;

function sameBytes(a: ExternalTensor, b: ExternalTensor): boolean {
  if (a.dtype !== b.dtype || a.length !== b.length) return false;
  const piece = ({ path, offset }: ExternalTensor, from: number, length: number) =>
    Buffer.from(
      readTensor({ dtype: 'uint8', shape: [length], path, offset: offset + from, length }).data
        .buffer,
    );
  for (let from = 0; from < a.length; from += PIECE) {
    const length = Math.min(PIECE, a.length - from);
    if (!piece(a, from, length).equals(piece(b, from, length))) return false;
  }
  return true;
}

/**
 * What older files hold beside the parameters: tables that follow from the configuration, and a
 * head that is the embedding again.
 */
function isKnown(name: string): boolean {
  return name.endsWith('.rotary_emb.inv_freq') || name === 'lm_head.weight';
}

/**
 * The folder of a language model, symbolic links resolved. `path`: the folder, or its config.json.
 * Throws CheckpointError when it is none.
 */
export function languageModelFolder(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined)
    fail(
      path,
      'there is no such file or folder',
      'Check base_model; a relative path starts from the folder the command runs in.',
    );
  if (!found.isDirectory() && basename(path) !== 'config.json') refuseFile(path);
  const folder = realpathSync(found.isDirectory() ? path : dirname(path));
  const isModel = existsSync(join(folder, 'config.json'));
  if (isModel && !isPart(folder)) return folder;
  return failMisplaced(found.isDirectory() ? path : dirname(path), 'language model');
}

/** A file in place of a folder: what it is by its content, or by its place. */
function refuseFile(path: string): never {
  if (kindOfFile(path) === 'safetensors') {
    const { tensors, unsupported } = openAnySafetensors(path);
    const problem = languageProblem(new Map([...tensors, ...unsupported]), path);
    if (problem !== undefined) throw new CheckpointError([problem]);
  }
  return failMisplaced(path, 'language model');
}

/** A folder of a diffusers model has a config.json too. */
const isPart = (folder: string): boolean => existsSync(join(dirname(folder), 'model_index.json'));

/**
 * The configuration of a folder's model, read by its family. Throws CheckpointError with every
 * fault, each at its key.
 */
export function readLanguageConfig(folder: string): LanguageModelConfig {
  const path = join(folder, 'config.json');
  const { model_type } = parseFile(path, z.object({ model_type: z.string().default('') }));
  if (Object.hasOwn(languageFamilies, model_type))
    return parseFile(path, languageFamilies[model_type].config);
  return refuseFamily(path, model_type, parseFile(path, jsonObject));
}

const families = `Supported types: ${Object.keys(languageFamilies).join(', ')}.`;

function refuseFamily(path: string, type: string, file: Readonly<Record<string, unknown>>): never {
  const where = `${path} model_type`;
  if (type === '') return fail(where, 'it has no model_type', families);
  const text = textPart(file);
  if (text === undefined) return fail(where, `models of type ${type} are not supported`, families);
  return fail(
    where,
    `models of type ${type} also take pictures or sounds, and are not supported`,
    `${text} ${families}`,
  );
}

/** What to do about a model that takes more than texts; undefined for one that does not. */
function textPart(file: Readonly<Record<string, unknown>>): string | undefined {
  const text = [file.text_config, file.llm_config, file.language_config].find(isObject);
  const isMore = MORE_THAN_TEXT.some((key) => isObject(file[key]));
  if (text === undefined && !isMore) return undefined;
  const type = text?.model_type;
  return typeof type === 'string' && Object.hasOwn(languageFamilies, type)
    ? `Its text part is of type ${type}, which is supported: save that as a model of its own (the …ForCausalLM class of transformers), or use a text-only model of this type.`
    : 'Use a text-only model.';
}

const MORE_THAN_TEXT = ['vision_config', 'visual', 'audio_config', 'thinker_config'] as const;

function ignoredWarnings(folder: string, config: LanguageModelConfig): Problem[] {
  const path = join(folder, 'config.json');
  const file = parseFile(path, jsonObject);
  const keys = ignoredKeys(file, familyOf(config));
  return keys.length === 0
    ? []
    : [
        {
          where: path,
          what: `${keys.join(', ')}: models of type ${config.model_type} do not use ${keys.length === 1 ? 'this key' : 'these keys'}, here as in transformers`,
          fix: 'If the model was trained with it, model_type is wrong; otherwise remove it.',
        },
      ];
}
