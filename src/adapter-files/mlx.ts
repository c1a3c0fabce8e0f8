// mlx-lm's folder of a LoRA: adapters.safetensors and adapter_config.json, read. A layer gives
// W x + scale · (x A) B, with A [in, rank] and B [rank, out] (mlx_lm/tuner/lora.py, 2025).

import { lora } from '../adapters/lora.ts';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { parseFile } from '../checkpoints/model-folder.ts';
import { openSafetensors, readTensor } from '../checkpoints/safetensors-file.ts';
import { CheckpointError, type Problem } from '../errors.ts';
import { toFloat32 } from '../tensor/half.ts';
import type { ExternalTensor, Tensor } from '../tensor/tensor.ts';
import { readChatTemplate } from '../tokenizer/text.ts';
import { kindProblems } from './adapter-kinds.ts';
import type { AdapterTargets } from './language-lora.ts';
import type { AdapterModule } from './adapter-file.ts';
import { requireWeights, shapeProblem, throwProblems } from './lora.ts';
import type { OpenPeftFolder } from './peft-folder.ts';

const configSchema = z.looseObject({
  fine_tune_type: z.string().default('lora'),
  lora_parameters: z.looseObject({
    scale: z.number(),
    dropout: z.number().nullish(),
    keys: z.array(z.string()).nullish(),
  }),
  model: z.string().nullish(),
});

const COPY = "It was not written by mlx-lm, or it is damaged: copy the adapter's folder again.";
const fix = 'Train a plain LoRA (fine_tune_type: lora), or merge it with mlx_lm.fuse.';

/**
 * Opens a folder that mlx_lm.lora wrote; the factors are in memory, as they are transposed. Throws
 * CheckpointError that names what is not plain LoRA and what is incomplete.
 */
export function openMlxFolder(folder: string): OpenPeftFolder {
  const configPath = join(folder, 'adapter_config.json');
  const config = parseFile(configPath, configSchema, COPY);
  if (config.fine_tune_type !== 'lora')
    throw new CheckpointError([
      {
        where: `${configPath} fine_tune_type`,
        what: `this is mlx-lm's adapter of type ${config.fine_tune_type}, not lora`,
        fix,
      },
    ]);
  const { scale, dropout, keys } = config.lora_parameters;
  const opened = openModules(weightsIn(folder), scale);
  return {
    ...opened,
    ...(keys && { targets: targetsOf(keys, opened.modules, configPath) }),
    rslora: false,
    baseModel: config.model ?? undefined,
    revision: undefined,
    dropout: dropout ?? 0,
    chatTemplate: readChatTemplate(folder),
    templateDate: undefined,
    warnings: [],
  };
}

/** Saved on the way they are 0000100_adapters.safetensors; mlx-lm reads those of the end alone. */
function weightsIn(folder: string): string {
  const path = join(folder, 'adapters.safetensors');
  const [saved] = readdirSync(folder)
    .filter((name) => /^\d+_adapters\.safetensors$/.test(name))
    .sort()
    .reverse();
  if (existsSync(path) || saved === undefined) return path;
  throw new CheckpointError([
    {
      where: folder,
      what: `has no adapters.safetensors, but weights that were saved during training: ${saved}`,
      fix: `Copy the one that you want to adapters.safetensors, for example ${saved}.`,
    },
  ]);
}

/** `keys` are on each layer that the adapter is on: the last of the model, however many. */
function targetsOf(
  keys: readonly string[],
  modules: readonly AdapterModule[],
  where: string,
): AdapterTargets {
  const layers = modules.flatMap(({ path }) => /\.layers\.(\d+)\./.exec(path ?? '')?.[1] ?? []);
  return {
    where,
    key: 'lora_parameters.keys',
    program: 'mlx-lm',
    target: keys,
    layers: [...new Set(layers.map(Number))],
  };
}

function openModules(path: string, scale: number): Pick<OpenPeftFolder, 'file' | 'modules'> {
  requireWeights(path);
  const file = openSafetensors(path);
  const { tensors } = file;
  throwProblems(kindProblems(tensors.keys(), path));
  const problems: Problem[] = [];
  const modules: AdapterModule[] = [];
  for (const name of new Set([...tensors.keys()].map((key) => key.replace(/\.lora_[ab]$/, '')))) {
    const found = openModule(tensors, name, scale);
    if ('what' in found) problems.push({ where: `${path} ${name}`, ...found });
    else modules.push(found);
  }
  if (modules.length + problems.length === 0)
    problems.push({ where: path, what: 'it contains no layers', fix: COPY });
  throwProblems(problems);
  return { file, modules };
}

/** A module of the file, or what is wrong with it. */
function openModule(
  tensors: ReadonlyMap<string, ExternalTensor>,
  path: string,
  scale: number,
): AdapterModule | Omit<Problem, 'where'> {
  const keys = lora.keys.mlx;
  const [a, b] = [keys.down, keys.up].map((key) => tensors.get(`${path}.${key}`));
  if (a === undefined && b === undefined)
    return { what: 'this tensor is not part of a plain LoRA of linear layers', fix };
  if (a === undefined || b === undefined)
    return { what: `incomplete: ${a === undefined ? keys.down : keys.up} is missing`, fix: COPY };
  if (/(^|\.)(embed_tokens|wte)$/.test(path))
    return { what: 'this is a LoRA of the embeddings, not of a linear layer', fix };
  if (a.shape.length !== 2 || b.shape.length !== 2)
    return { what: 'this is not a pair of matrices of a linear layer', fix };
  const [down, up] = [transposed(readTensor(a)), transposed(readTensor(b))];
  const what = shapeProblem(down, up);
  if (what !== undefined) return { what, fix: COPY };
  const [rank] = down.shape;
  return { name: path, path, down, up, rank, alpha: scale * rank, alphaFrom: 'config', scale };
}

/** [rows, columns] -> [columns, rows], as float32. */
function transposed(tensor: Tensor): Tensor<'float32'> {
  const [rows, columns] = tensor.shape;
  const { data } = toFloat32(tensor);
  const out = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++)
    out[(i % columns) * rows + Math.floor(i / columns)] = data[i];
  return { dtype: 'float32', shape: [columns, rows], data: out };
}
