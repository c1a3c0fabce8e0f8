// PEFT's folder of a LoRA, read: adapter_model.safetensors and adapter_config.json. Format:
// huggingface/peft, tried with 0.21.2.

import { lora } from '../adapters/lora.ts';
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { plainIssue, readJsonFile } from '../checkpoints/model-folder.ts';
import { openSafetensors, type SafetensorsFile } from '../checkpoints/safetensors-file.ts';
import { CheckpointError, obtainAgain, type Problem } from '../errors.ts';
import type { ExternalTensor } from '../tensor/tensor.ts';
import { readChatTemplate } from '../tokenizer/text.ts';
import { isObject } from '../util/is-object.ts';
import { fullMatch } from '../util/python-regexp.ts';
import { loadedModules, type AdapterModule } from './adapter-file.ts';
import { kindProblems } from './adapter-kinds.ts';
import type { PeftFolder } from './language-lora.ts';
import { configProblems, startOf, typeProblems } from './peft-config.ts';
import { COPY, requireWeights, shapeProblem, throwProblems } from './lora.ts';
import { patternValue } from './peft-patterns.ts';
import { PEFT_PREFIX } from './peft.ts';
import { picturePath } from './picture-names.ts';

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
  // of no effect but for models for pictures, whose class it names
  auto_mapping: z.looseObject({ base_model_class: z.unknown().optional() }).nullish().catch(null),
});

type PeftConfig = z.infer<typeof configSchema>;

/**
 * Reads a LoRA folder that PEFT (or this program) wrote; tensors keep the file's dtype. Throws
 * CheckpointError that names what is not plain LoRA (DoRA, biases, whole modules …) and incomplete
 * pairs.
 */
export function readPeftFolder(folder: string): PeftFolder {
  const { modules, file, ...rest } = openPeftFolder(folder);
  return { ...rest, modules: loadedModules(file.path, modules) };
}

/** As `readPeftFolder`; the numbers stay in their file. */
export interface OpenPeftFolder extends Omit<PeftFolder, 'modules'> {
  readonly modules: readonly AdapterModule[];
  readonly file: SafetensorsFile;
}

/** Opens such a folder: of its weights the header alone is read. Throws as `readPeftFolder`. */
export function openPeftFolder(folder: string): OpenPeftFolder {
  const configPath = join(folder, 'adapter_config.json');
  const config = readConfig(configPath);
  throwProblems(configProblems(config, configPath));
  const {
    base_model_name_or_path: baseModel,
    revision,
    lora_dropout: dropout,
    use_rslora: rslora,
  } = config;
  const opened = openModules(folder, config);
  return {
    ...opened,
    rslora: rslora ?? false,
    baseModel: baseModel ?? undefined,
    revision: revision ?? undefined,
    dropout: dropout ?? 0,
    chatTemplate: readChatTemplate(folder),
    templateDate: opened.file.metadata['template_date'],
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

function openModules(folder: string, config: PeftConfig): Pick<OpenPeftFolder, 'file' | 'modules'> {
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
  const file = openSafetensors(path);
  const { tensors } = file;
  throwProblems(kindProblems(tensors.keys(), path));
  const problems: Problem[] = [];
  const modules: AdapterModule[] = [];
  const keys = [...tensors.keys()].filter(
    (key) => !isBaseWeight(key, tensors) && !isOfTraining(key),
  );
  const pathOf = pathsOf(config, folder);
  for (const name of new Set(keys.map((key) => key.replace(factor, '')))) {
    const found = openModule(tensors, name, config, pathOf);
    if ('what' in found) problems.push({ where: `${path} ${name}`, fix: COPY, ...found });
    else modules.push(found);
  }
  if (modules.length + problems.length === 0)
    problems.push({ where: path, what: 'it contains no layers', fix: COPY });
  throwProblems(problems);
  return { file, modules };
}

/** Some writers leave the adapter's name, `default`, in the key. */
const factor = /\.lora_[AB](\.default)?\.weight$/;

/** What VeLoRA keeps for its gradients. */
const isOfTraining = (key: string): boolean => key.endsWith('.lora_velora_embed');

/** PEFT saves the base's own weight beside an adapter of the output layer. */
function isBaseWeight(key: string, tensors: ReadonlyMap<string, ExternalTensor>): boolean {
  const [name, rest] = key.split('.base_layer.');
  return rest === 'weight' && tensors.has(`${name}.${lora.keys.peft.down}`);
}

/** A module of the file, or what is wrong with it. */
function openModule(
  tensors: ReadonlyMap<string, ExternalTensor>,
  name: string,
  config: PeftConfig,
  pathOf: (name: string) => string,
): AdapterModule | Omit<Problem, 'where'> {
  if (!name.startsWith(PEFT_PREFIX)) return { what: `its name does not begin with ${PEFT_PREFIX}` };
  const keys = lora.keys.peft;
  const [down, up] = [keys.down, keys.up].map(
    (key) =>
      tensors.get(`${name}.${key}`) ??
      tensors.get(`${name}.${key.replace(/weight$/, 'default.weight')}`),
  );
  if (down === undefined && up === undefined)
    return { what: 'this tensor is not part of a plain LoRA of linear layers' };
  if (down === undefined || up === undefined)
    return {
      what: `incomplete: its ${down === undefined ? keys.down : keys.up} is missing from the file`,
    };
  const inside = name.slice(PEFT_PREFIX.length);
  const [rank] = down.shape;
  const alpha = patternValue(numbersOf(config.alpha_pattern), inside) ?? config.lora_alpha;
  const what = shapeProblem(down, up);
  if (what !== undefined) return { what };
  const scale = alpha / (config.use_rslora === true ? Math.sqrt(rank) : rank);
  const module = { name, path: pathOf(inside), down, up, rank, alpha, scale };
  return rankProblem(inside, rank, config) ?? { ...module, alphaFrom: 'config' };
}

/** What PEFT notes as the model's class, or what the folder is called in a set of several. */
const components: ReadonlyMap<string, string> = new Map([
  ['UNet2DConditionModel', 'unet'],
  ['unet', 'unet'],
  ['CLIPTextModel', 'text_encoder'],
  ['text_encoder', 'text_encoder'],
  ['CLIPTextModelWithProjection', 'text_encoder_2'],
  ['text_encoder_2', 'text_encoder_2'],
]);

/** From paths in the model to ours, which have the component of a model for pictures in front. */
function pathsOf({ auto_mapping: model }: PeftConfig, folder: string): (name: string) => string {
  const component =
    components.get(String(model?.base_model_class)) ?? components.get(basename(resolve(folder)));
  return (name) =>
    (component === undefined ? picturePath(name) : picturePath(`${component}.${name}`)) ?? name;
}

function rankProblem(
  path: string,
  rank: number,
  { r, rank_pattern: ranks }: PeftConfig,
): Omit<Problem, 'where'> | undefined {
  const told = patternValue(numbersOf(ranks), path) ?? r;
  if (told === rank) return undefined;
  return {
    what: `it has rank ${rank}, but rank ${told} according to adapter_config.json, which decides its scale`,
    fix: `If the two files are of different adapters, copy the adapter again; otherwise correct ${told === r ? 'r' : 'rank_pattern'} in adapter_config.json.`,
  };
}

const numbersOf = (given: Readonly<Record<string, number>> | null | undefined) =>
  new Map(Object.entries(given ?? {}));
