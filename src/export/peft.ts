// PEFT's folder of a LoRA: adapter_model.safetensors and adapter_config.json; written so that old
// and new PEFT read it, and read. Format: huggingface/peft, tried with 0.21.2.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readJsonFile } from '../checkpoints/model-folder.ts';
import { openSafetensors, readTensor } from '../checkpoints/safetensors-file.ts';
import { requireOutputPath } from '../config/output-path.ts';
import { writeFilesTogether, type FileContent } from '../storage/write-file.ts';
import { obtainAgain, CheckpointError, type Problem } from '../errors.ts';
import type { FloatDType } from '../tensor/half.ts';
import { serialize } from '../tensor/safetensors.ts';
import { parseCivilTime } from '../util/strftime.ts';
import type { ExternalTensor, Tensor } from '../tensor/tensor.ts';
import { readChatTemplate } from '../tokenizer/text.ts';
import { mostCommon, type LanguageLora } from './language-lora.ts';
import { multiplied, narrowed, type TellNarrowing } from './narrowing.ts';
import {
  assertShapes,
  numberProblem,
  shapeProblem,
  throwProblems,
  type LoraWeights,
} from './lora.ts';

export interface PeftLora extends LanguageLora {
  /** A tensor that this type cannot hold is written in float32. */
  readonly dtype: FloatDType;
  /** Called for such tensors, and for numbers that are lost. */
  readonly tell?: TellNarrowing;
  /** A name on the Hub or a path: where PEFT looks for the base model. */
  readonly baseModel?: string;
  readonly revision?: string;
  /** What a chat template with today's date in it wrote in training; noted in the weights' file. */
  readonly templateDate?: string;
  /** Only noted; it has no effect outside training. */
  readonly dropout?: number;
  /**
   * Every layer of the base that could carry an adapter: where all of one name do, target_modules
   * has the short name.
   */
  readonly adaptable?: Iterable<string>;
}

/** Writes both files into `folder`, or neither. Throws SystemError when the disk refuses. */
export function writePeftFolder(folder: string, lora: PeftLora): void {
  requireOutputPath(folder);
  writeFilesTogether(
    new Map<string, FileContent>([
      [join(folder, 'adapter_model.safetensors'), writePeftWeights(lora)],
      [join(folder, 'adapter_config.json'), `${JSON.stringify(peftConfig(lora), null, 2)}\n`],
    ]),
  );
}

/**
 * The bytes of adapter_model.safetensors: `base_model.model.<path>.lora_A.weight` [rank, in] and
 * `.lora_B.weight` [out, rank].
 */
export function writePeftWeights({ modules, dtype, templateDate, tell }: PeftLora): Uint8Array {
  const factor = (name: string, tensor: Tensor): [string, Tensor] => [
    name,
    narrowed(name, multiplied(tensor, 1), dtype, tell),
  ];
  const tensors = modules.flatMap((module): [string, Tensor][] => {
    assertShapes(module);
    return [
      factor(`${prefix}${module.path}.lora_A.weight`, module.down),
      factor(`${prefix}${module.path}.lora_B.weight`, module.up),
    ];
  });
  const noted = templateDate !== undefined && { template_date: templateDate };
  return serialize(new Map(tensors), { format: 'pt', ...noted });
}

/**
 * The keys of adapter_config.json, sorted: only those that every PEFT knows, as old ones refuse
 * unknown keys.
 */
export function peftConfig(lora: PeftLora): Readonly<Record<string, unknown>> {
  const { modules, rslora, baseModel, revision, dropout } = lora;
  const rank = mostCommon(modules.map(({ down }) => down.shape[0]));
  const alpha = mostCommon(modules.map((module) => module.alpha));
  const config: Record<string, unknown> = {
    base_model_name_or_path: baseModel ?? null,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: alpha,
    lora_dropout: dropout ?? 0,
    modules_to_save: null,
    peft_type: 'LORA',
    r: rank,
    revision: revision ?? null,
    target_modules: targetModules(lora),
    task_type: 'CAUSAL_LM',
  };
  const ranks = modules
    .filter(({ down }) => down.shape[0] !== rank)
    .map(({ path, down }) => [path, down.shape[0]]);
  const alphas = modules
    .filter((module) => module.alpha !== alpha)
    .map((module) => [module.path, module.alpha]);
  if (ranks.length > 0) config.rank_pattern = Object.fromEntries(ranks);
  if (alphas.length > 0) config.alpha_pattern = Object.fromEntries(alphas);
  if (rslora) config.use_rslora = true;
  return Object.fromEntries(Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1)));
}

const prefix = 'base_model.model.';

const lastName = (path: string) => path.slice(path.lastIndexOf('.') + 1);

/** Short names (`q_proj`) where they say the same as the paths, else the paths. */
function targetModules({ modules, adaptable }: PeftLora): string[] {
  const paths = new Set(modules.map(({ path }) => path));
  const names = new Set([...paths].map(lastName));
  const alsoMeant =
    adaptable === undefined
      ? ['']
      : [...adaptable].filter((path) => names.has(lastName(path)) && !paths.has(path));
  return [...(alsoMeant.length === 0 ? names : paths)].sort();
}

const pattern = z.record(z.string(), z.number()).nullish();

const names = z.union([z.string(), z.array(z.string())]).nullish();

const configSchema = z.looseObject({
  peft_type: z.string(),
  r: z.int().optional(),
  lora_alpha: z.number(),
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

export interface PeftFolder extends LanguageLora {
  readonly baseModel: string | undefined;
  readonly revision: string | undefined;
  readonly dropout: number;
  /** The chat template that lies beside it: of the training, where that was not the base's. */
  readonly chatTemplate: string | undefined;
  /** The date that this template wrote in training, where it writes one. */
  readonly templateDate: string | undefined;
}

/**
 * Reads a LoRA folder that PEFT (or this program) wrote; tensors keep the file's dtype. Throws
 * CheckpointError that names what is not plain LoRA (DoRA, biases, whole modules …) and incomplete
 * pairs.
 */
export function readPeftFolder(folder: string): PeftFolder {
  const configPath = join(folder, 'adapter_config.json');
  const result = configSchema.safeParse(readJsonFile(configPath, obtainAgain));
  if (!result.success)
    throw new CheckpointError(
      result.error.issues.map(({ path, message }) => ({
        where: `${configPath} ${path.join('.')}`,
        what: message.replace(/^Invalid input: /, ''),
        fix: "It was not written by PEFT, or it is damaged: copy the adapter's folder again.",
      })),
    );
  const config = result.data;
  throwProblems(notPlain(config, configPath), configPath);
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
    templateDate: dateOf(folder),
    ...targetsOf(config, configPath),
  };
}

function targetsOf(config: PeftConfig, where: string): Pick<PeftFolder, 'targets'> {
  const { target_modules: target, exclude_modules: exclude, layers_to_transform: layers } = config;
  if (target === undefined || target === null) return {};
  return {
    targets: {
      where,
      target,
      ...(exclude !== undefined && exclude !== null && { exclude }),
      ...(layers !== undefined && layers !== null && { layers: [layers].flat() }),
    },
  };
}

function dateOf(folder: string): string | undefined {
  const { template_date: date } = openSafetensors(
    join(folder, 'adapter_model.safetensors'),
  ).metadata;
  return date !== undefined && parseCivilTime(date) !== undefined ? date : undefined;
}

/** Keys of adapter_config.json that, when set, mean more than W + s B A. */
const beyondLora = {
  use_dora: 'DoRA',
  lora_bias: 'a bias in B',
  modules_to_save: 'whole modules beside the LoRA',
  layer_replication: 'repeated layers',
  trainable_token_indices: 'trained tokens',
  alora_invocation_tokens: 'an activated LoRA (aLoRA)',
  use_qalora: 'QALoRA',
  use_bdlora: 'BD-LoRA',
  kasa_config: 'KaSA',
  arrow_config: 'Arrow',
  monteclora_config: 'MonteCLoRA',
  target_parameters: 'parameters that are not layers',
} as const;

function notPlain(config: PeftConfig, path: string): Problem[] {
  const fix = 'Choose a plain LoRA, or merge this adapter into its model with PEFT.';
  const { peft_type: type, bias } = config;
  if (type !== 'LORA')
    return [
      {
        where: `${path} peft_type`,
        what: `this adapter is of type ${type}, not LORA`,
        fix: 'Choose a LoRA adapter.',
      },
    ];
  const isSet = (value: unknown) =>
    value !== undefined &&
    value !== null &&
    value !== false &&
    !(Array.isArray(value) && value.length === 0);
  const found = Object.entries(beyondLora).filter(([key]) => isSet(config[key]));
  const problems: Problem[] = found.map(([key, name]) => ({
    where: `${path} ${key}`,
    what: `the adapter has ${name}, which is not supported`,
    fix,
  }));
  return isSet(bias) && bias !== 'none'
    ? [
        ...problems,
        {
          where: `${path} bias`,
          what: `the adapter has trained biases (${bias}), which are not supported`,
          fix,
        },
      ]
    : problems;
}

function readModules(folder: string, config: PeftConfig): LoraWeights[] {
  const path = join(folder, 'adapter_model.safetensors');
  if (!existsSync(path) && existsSync(join(folder, 'adapter_model.bin'))) {
    throw new CheckpointError([
      {
        where: folder,
        what: 'its weights are in adapter_model.bin, a PyTorch file, which is not supported',
        fix: 'Save it again with PEFT 0.5 or later, which writes adapter_model.safetensors.',
      },
    ]);
  }
  const { tensors } = openSafetensors(path);
  const problems: Problem[] = [];
  const modules: LoraWeights[] = [];
  const keys = [...tensors.keys()].filter((key) => !isBaseWeight(key, tensors));
  for (const name of new Set(keys.map((key) => key.replace(factor, '')))) {
    const found = readModule(tensors, name, config);
    if (typeof found === 'string') problems.push({ where: `${path} ${name}`, what: found });
    else modules.push(found);
  }
  if (modules.length + problems.length === 0)
    problems.push({ where: path, what: 'it contains no layers' });
  throwProblems(problems, path);
  return modules;
}

/** Some writers leave the adapter's name, `default`, in the key. */
const factor = /\.lora_[AB](\.default)?\.weight$/;

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
): LoraWeights | string {
  if (!name.startsWith(prefix)) return `its name does not begin with ${prefix}`;
  const [a, b] = ['lora_A', 'lora_B'].map(
    (part) =>
      tensors.get(`${name}.${part}.weight`) ?? tensors.get(`${name}.${part}.default.weight`),
  );
  if (a === undefined && b === undefined)
    return 'this tensor is not part of a plain LoRA of linear layers';
  if (a === undefined || b === undefined)
    return `incomplete: its ${a === undefined ? 'lora_A' : 'lora_B'}.weight is missing from the file`;
  const path = name.slice(prefix.length);
  const module = {
    path,
    down: readTensor(a),
    up: readTensor(b),
    alpha: patternValue(config.alpha_pattern ?? {}, path) ?? config.lora_alpha,
  };
  return (
    shapeProblem(module.down, module.up) ??
    rankProblem(module, config) ??
    numberProblem(module) ??
    module
  );
}

function rankProblem(
  { path, down }: LoraWeights,
  { r, rank_pattern: ranks }: PeftConfig,
): string | undefined {
  const told = patternValue(ranks ?? {}, path) ?? r;
  return told === undefined || told === down.shape[0]
    ? undefined
    : `it has rank ${down.shape[0]}, but rank ${told} according to adapter_config.json, which decides its scale`;
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
  try {
    return new RegExp(`^(?:.*\\.)?(?:${key})$`);
  } catch (cause) {
    throw new CheckpointError(
      [
        {
          where: 'adapter_config.json',
          what: `the pattern ${JSON.stringify(key)} is not a regular expression: ${cause instanceof Error ? cause.message : String(cause)}`,
        },
      ],
      { cause },
    );
  }
}
