// A LoRA as its file has it, whatever program wrote it: the one value that training, merging,
// conversion and inspection read.

import { readTensor, type SafetensorsFile } from '../checkpoints/safetensors-file.ts';
import type { Problem } from '../errors.ts';
import { isExternal, type ExternalTensor, type Tensor } from '../tensor/tensor.ts';
import { COPY, numberProblem, throwProblems, type LoraWeights } from './lora.ts';
import type { PeftFolder } from './language-lora.ts';

/** How adapters are laid out; `adapter-formats.ts` has a record for each. */
export type AdapterFormatName = FileFormatName | FolderFormatName;
export type FileFormatName = 'lycoris' | 'kohya' | 'diffusers';
export type FolderFormatName = 'peft' | 'mlx';

export interface AdapterModule {
  /** As the file spells it: `lora_unet_mid_block_attentions_0_proj_in`. */
  readonly name: string;
  /**
   * In our models' naming: `unet.mid_block.attentions.0.proj_in`, `model.layers.0.mlp.up_proj`.
   * Undefined for a name that no rule knows.
   */
  readonly path: string | undefined;
  /** A: [rank, in], [rank, in, kh, kw]. */
  readonly down: Tensor | ExternalTensor;
  /** B: [out, rank], [out, rank, 1, 1]. */
  readonly up: Tensor | ExternalTensor;
  readonly rank: number;
  readonly alpha: number;
  /** Where alpha stands; `rank`: nowhere, so that every loader takes the rank. */
  readonly alphaFrom: 'tensor' | 'metadata' | 'config' | 'rank';
  /** s of W + s · B A: alpha / rank, or alpha / √rank with rsLoRA. */
  readonly scale: number;
  /**
   * The alpha whose share of the rank is multiplied into B, where the file notes it: to be taken
   * out again exactly.
   */
  readonly folded?: Folded;
}

export interface Folded {
  readonly alpha: number;
  /** The type that B had. */
  readonly dtype: Tensor['dtype'];
}

export interface AdapterFile {
  readonly format: AdapterFormatName;
  readonly of: 'pictures' | 'language';
  /** As it was given. */
  readonly path: string;
  readonly files: readonly SafetensorsFile[];
  readonly modules: readonly AdapterModule[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Names of tensors that belong to no module, such as a trainer's. */
  readonly leftovers: readonly string[];
  readonly warnings: readonly Problem[];
  /** What an adapter of a language model has besides. */
  readonly language?: Omit<PeftFolder, 'modules'>;
}

/** A tensor, read if it lies in its file. */
export const tensorOf = (tensor: Tensor | ExternalTensor): Tensor =>
  isExternal(tensor) ? readTensor(tensor) : tensor;

/**
 * The numbers of modules of the file at `where`; alpha as the file has it. Throws AdapterError for
 * numbers that are not finite.
 */
export function loadedModules(where: string, modules: readonly AdapterModule[]): LoraWeights[] {
  const problems: Problem[] = [];
  const loaded = modules.map((module) => {
    const { name, path = name, alpha } = module;
    const weights = { path, down: tensorOf(module.down), up: tensorOf(module.up), alpha };
    const what = numberProblem(weights);
    if (what !== undefined) problems.push({ where: `${where} ${name}`, what, fix: COPY });
    return weights;
  });
  throwProblems(problems);
  return loaded;
}

/** As `loadedModules`, as plain LoRA: alpha / rank is the scale, with rsLoRA, too. */
export const plainModules = (where: string, modules: readonly AdapterModule[]): LoraWeights[] =>
  loadedModules(where, modules).map((loaded, i) => {
    const { rank, alpha, scale } = modules[i];
    return { ...loaded, alpha: scale === alpha / rank ? alpha : scale * rank };
  });

/** One of them. */
export const plainModule = (where: string, module: AdapterModule): LoraWeights =>
  plainModules(where, [module])[0];
