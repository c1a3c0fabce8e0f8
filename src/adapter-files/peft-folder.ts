// PEFT's folder of a LoRA, read: adapter_model.safetensors and adapter_config.json. Format:
// huggingface/peft, tried with 0.21.2.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { plainIssue, readJsonFile } from '../checkpoints/model-folder.ts';
import { openSafetensors, readTensor } from '../checkpoints/safetensors-file.ts';
import { CheckpointError, obtainAgain, type Problem } from '../errors.ts';
import type { ExternalTensor } from '../tensor/tensor.ts';
import { readChatTemplate } from '../tokenizer/text.ts';
import { isObject } from '../util/is-object.ts';
import { fullMatch } from '../util/python-regexp.ts';
import { kindProblems } from './adapter-kinds.ts';
import type { StoredLora } from './language-lora.ts';
import { configProblems, startOf, typeProblems } from './peft-config.ts';
import {
  COPY,
  numberProblem,
  requireWeights,
  shapeProblem,
  throwProblems,
  type LoraWeights,
} from './lora.ts';
import { PEFT_PREFIX } from './peft.ts';

const WEIGHTS = 'adapter_model.safetensors';

// eslint-disable-next-line house/no-object-as-map -- no layer is called __proto__
const pattern = z.record(z.string(), z.number()).nullish();

const names = z.union([z.string(), z.array(z.string())]).nullish();

const configSchema = z.looseObject({
  peft_type: z.string(),
  // as PEFT where they are absent
  r: z.int().default(8),
  lora_alpha: z.number().default(8),
  lora_dropout: z.number().nullish(),
  use_rslora: z.boolean().nullish(),
  alpha_pattern: pattern,
  rank_pattern: pattern,
  bias: z.string().nullish(),
  base_model_name_or_path: z.string().nullish(),
  target_modules: names,
  exclude_modules: names,
  layers_to_transform: z.union([z.int(), z.array(z.int())]).nullish(),
  revision: z.string().nullish(),
});

type PeftConfig = z.infer<typeof configSchema>;

export interface PeftFolder extends StoredLora {
  readonly baseModel: string | undefined;
  readonly revision: string | undefined;
  readonly dropout: number;
  /** The chat template that lies beside it: of the training, where that was not the base's. */
  readonly chatTemplate: string | undefined;
  /** The date that this template wrote in training, where it writes one; as the file says it. */
  readonly templateDate: string | undefined;
  /** What could not be checked. */
  readonly warnings: readonly Problem[];
}

/**
 * Reads a LoRA folder that PEFT (or this program) wrote; tensors keep the file's dtype. Throws
 * CheckpointError that names what is not plain LoRA (DoRA, biases, whole modules …) and incomplete
 * pairs.
 */
export function readPeftFolder(folder: string): PeftFolder {
  const configPath = join(folder, 'adapter_config.json');
  const config = readConfig(configPath);
  throwProblems(configProblems(config, configPath));
  const {
    base_model_name_or_path: baseModel,
    revision,
    lora_dropout: dropout,
    use_rslora: rslora,
  } = config;
  return {
    modules: readModules(folder, config),
    rslora: rslora ?? false,
    baseModel: baseModel ?? undefined,
    revision: revision ?? undefined,
    dropout: dropout ?? 0,
    chatTemplate: readChatTemplate(folder),
    templateDate: openSafetensors(join(folder, WEIGHTS)).metadata['template_date'],
    start: startOf(config),
    ...targetsOf(config, configPath),
    warnings: targetWarnings(config, configPath),
  };
}

function readConfig(path: string): PeftConfig {
  const file = readJsonFile(path, obtainAgain);
  const result = configSchema.safeParse(file, { error: plainIssue });
  if (result.success) return result.data;
  // other kinds have fields of the same names
  if (isObject(file)) throwProblems(typeProblems(file, path));
  throw new CheckpointError(
    result.error.issues.map(({ path: keys, message }) => ({
      where: `${path} ${keys.join('.')}`,
      what: message.replace(/^Invalid input: /, ''),
      fix: "It was not written by PEFT, or it is damaged: copy the adapter's folder again.",
    })),
  );
}

function targetsOf(config: PeftConfig, where: string): Pick<PeftFolder, 'targets'> {
  const { target_modules: target, exclude_modules: exclude, layers_to_transform: layers } = config;
  if (target === undefined || target === null) return {};
  return {
    targets: {
      where,
      key: 'target_modules',
      program: 'PEFT',
      target,
      ...(exclude !== undefined && exclude !== null && { exclude }),
      ...(layers !== undefined && layers !== null && { layers: [layers].flat() }),
    },
  };
}

/** An expression of Python's that JavaScript does not have leaves the layers unchecked. */
function targetWarnings(config: PeftConfig, path: string): Problem[] {
  return (['target_modules', 'exclude_modules'] as const).flatMap((key) => {
    const names = config[key];
    if (typeof names !== 'string' || fullMatch(names) !== undefined) return [];
    return [
      {
        where: `${path} ${key}`,
        what: `${JSON.stringify(names)} is a regular expression that cannot be evaluated here, so nothing checks whether all the layers that it means are in the file`,
        fix: 'To have that checked, write a list of the names of the layers in its place.',
      },
    ];
  });
}

function readModules(folder: string, config: PeftConfig): LoraWeights[] {
  const path = join(folder, WEIGHTS);
  if (!existsSync(path) && existsSync(join(folder, 'adapter_model.bin'))) {
    throw new CheckpointError([
      {
        where: folder,
        what: 'its weights are in adapter_model.bin, a PyTorch file, which is not supported',
        fix: 'Save it again with PEFT 0.5 or later, which writes adapter_model.safetensors.',
      },
    ]);
  }
  requireWeights(path);
  const { tensors } = openSafetensors(path);
  throwProblems(kindProblems(tensors.keys(), path));
  const problems: Problem[] = [];
  const modules: LoraWeights[] = [];
  const keys = [...tensors.keys()].filter(
    (key) => !isBaseWeight(key, tensors) && !isOfTraining(key),
  );
  for (const name of new Set(keys.map((key) => key.replace(factor, '')))) {
    const found = readModule(tensors, name, config);
    if ('what' in found) problems.push({ where: `${path} ${name}`, fix: COPY, ...found });
    else modules.push(found);
  }
  if (modules.length + problems.length === 0)
    problems.push({ where: path, what: 'it contains no layers', fix: COPY });
  throwProblems(problems);
  return modules;
}

/** Some writers leave the adapter's name, `default`, in the key. */
const factor = /\.lora_[AB](\.default)?\.weight$/;

/** What VeLoRA keeps for its gradients. */
const isOfTraining = (key: string): boolean => key.endsWith('.lora_velora_embed');

/** PEFT saves the base's own weight beside an adapter of the output layer. */
function isBaseWeight(key: string, tensors: ReadonlyMap<string, ExternalTensor>): boolean {
  const [name, rest] = key.split('.base_layer.');
  return rest === 'weight' && tensors.has(`${name}.lora_A.weight`);
}

/** A module of the file, or what is wrong with it. */
function readModule(
  tensors: ReadonlyMap<string, ExternalTensor>,
  name: string,
  config: PeftConfig,
): LoraWeights | Omit<Problem, 'where'> {
  if (!name.startsWith(PEFT_PREFIX)) return { what: `its name does not begin with ${PEFT_PREFIX}` };
  const [a, b] = ['lora_A', 'lora_B'].map(
    (part) =>
      tensors.get(`${name}.${part}.weight`) ?? tensors.get(`${name}.${part}.default.weight`),
  );
  if (a === undefined && b === undefined)
    return { what: 'this tensor is not part of a plain LoRA of linear layers' };
  if (a === undefined || b === undefined)
    return {
      what: `incomplete: its ${a === undefined ? 'lora_A' : 'lora_B'}.weight is missing from the file`,
    };
  const path = name.slice(PEFT_PREFIX.length);
  const module = {
    path,
    down: readTensor(a),
    up: readTensor(b),
    alpha: patternValue(config.alpha_pattern ?? {}, path) ?? config.lora_alpha,
  };
  const what = shapeProblem(module.down, module.up);
  if (what !== undefined) return { what };
  const number = numberProblem(module);
  return rankProblem(module, config) ?? (number === undefined ? module : { what: number });
}

function rankProblem(
  { path, down }: LoraWeights,
  { r, rank_pattern: ranks }: PeftConfig,
): Omit<Problem, 'where'> | undefined {
  const told = patternValue(ranks ?? {}, path) ?? r;
  if (told === down.shape[0]) return undefined;
  return {
    what: `it has rank ${down.shape[0]}, but rank ${told} according to adapter_config.json, which decides its scale`,
    fix: `If the two files are of different adapters, copy the adapter again; otherwise correct ${told === r ? 'r' : 'rank_pattern'} in adapter_config.json.`,
  };
}

/**
 * The first pattern that matches the path's end, as PEFT matches them: each is a regular
 * expression.
 */
function patternValue(
  patterns: Readonly<Record<string, number>>,
  path: string,
): number | undefined {
  const matches = (key: string) => key === path || patternOf(key).test(path);
  return Object.entries(patterns).find(([key]) => matches(key))?.[1];
}

function patternOf(key: string): RegExp {
  const found = fullMatch(`(?:.*\\.)?(?:${key})`);
  if (found !== undefined) return found;
  throw new CheckpointError([
    {
      where: 'adapter_config.json',
      what: `the pattern ${JSON.stringify(key)} is not a regular expression that can be read here`,
      fix: 'Write the names of the layers in its place.',
    },
  ]);
}
