// A language model as a Hugging Face folder: config.json and one or more safetensors files; the weights stay where they are.

import { existsSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { CheckpointError } from '../errors.ts';
import { languageModelParameters } from '../models/decoder.ts';
import type { LanguageModelConfig } from '../models/language-config.ts';
import { languageFamilies } from '../models/language-families.ts';
import type { ExternalTensor } from '../tensor/tensor.ts';
import { checkWeights } from './check-weights.ts';
import { folderTensors, parseFile } from './model-folder.ts';

export interface LanguageModelWeights {
  /** The folder, absolute, symbolic links resolved. */
  readonly path: string;
  readonly config: LanguageModelConfig;
  /** By the checkpoint's own keys: exactly the model's parameters, in float32, float16 or bfloat16. */
  readonly weights: ReadonlyMap<string, ExternalTensor>;
}

/**
 * Reads names, shapes and configuration of a language model.
 * `path`: the folder, or its config.json. Throws CheckpointError when the family is not one of ours, when it asks for
 * what is not implemented, or when tensors are missing, unexpected, or of the wrong shape or type.
 */
export function loadLanguageModel(path: string): LanguageModelWeights {
  const folder = languageModelFolder(path);
  const config = readConfig(join(folder, 'config.json'));
  const expected = languageModelParameters(config);
  const weights = new Map([...folderTensors(folder)].filter(([name]) => expected.has(name) || !isLeftOver(name)));
  checkWeights(expected, weights, folder);
  checkTypes(weights, folder);
  return { path: folder, config, weights };
}

/** What older files hold beside the parameters: tables that follow from the configuration, and a head that is the embedding again. */
function isLeftOver(name: string): boolean {
  return name.endsWith('.rotary_emb.inv_freq') || name === 'lm_head.weight';
}

/** The folder of a language model, symbolic links resolved. `path`: the folder, or its config.json. Throws CheckpointError when it is none. */
export function languageModelFolder(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) fail(path, 'there is no such file or folder', 'Check base_model; a relative path starts from the folder the command runs in.');
  if (!found.isDirectory() && !path.endsWith('config.json')) {
    fail(path, 'a language model is a folder with config.json, tokenizer.json and .safetensors files', 'Name the folder as base_model.');
  }
  const folder = realpathSync(found.isDirectory() ? path : join(path, '..'));
  if (existsSync(join(folder, 'config.json'))) return folder;
  return fail(folder, 'this folder is not a language model: it has no config.json', 'Name the folder that holds the model as base_model.');
}

function readConfig(path: string): LanguageModelConfig {
  const { model_type } = parseFile(path, z.object({ model_type: z.string().default('') }));
  if (Object.hasOwn(languageFamilies, model_type)) return parseFile(path, languageFamilies[model_type]);
  const what = model_type === '' ? 'it has no model_type' : `models of type ${model_type} are not implemented`;
  return fail(`${path} model_type`, what, `Implemented are ${Object.keys(languageFamilies).join(', ')}.`);
}

function checkTypes(weights: ReadonlyMap<string, ExternalTensor>, folder: string): void {
  const others = [...weights].filter(([, { dtype }]) => dtype !== 'float32' && dtype !== 'float16' && dtype !== 'bfloat16');
  if (others.length === 0) return;
  const [name, { dtype }] = others[0];
  fail(folder, `${others.length} tensors are not float32, float16 or bfloat16, the first ${name}: ${dtype}`, 'Take the unquantized version of this model.');
}

function fail(where: string, what: string, fix: string): never {
  throw new CheckpointError([{ where, what, fix }]);
}
