// PEFT's folder of a LoRA, written: adapter_model.safetensors and adapter_config.json, so that old
// and new PEFT read it. Format: huggingface/peft, tried with 0.21.2.

import { lora } from '../adapters/lora.ts';
import { join } from 'node:path';
import { requireOutputPath } from '../config/output-path.ts';
import { writeFilesTogether, type FileContent } from '../storage/write-file.ts';
import type { FloatDType } from '../tensor/half.ts';
import { serialize } from '../tensor/safetensors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { mostCommon, type LanguageLora } from './language-lora.ts';
import { assertShapes } from './lora.ts';
import { multiplied, narrowed, type TellNarrowing } from './narrowing.ts';

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
    const name = `${PEFT_PREFIX}${module.path}`;
    return lora.roles.map((role) => factor(`${name}.${lora.keys.peft[role]}`, module[role]));
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

/** What PEFT puts before the paths of the base. */
export const PEFT_PREFIX = 'base_model.model.';

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
