// A language model's LoRA in memory, and its scale: what the PEFT and GGUF writers and the merge
// share.

import type { Problem } from '../errors.ts';
import type { LoraWeights } from './lora.ts';

export interface LanguageLora {
  /** Paths as in the checkpoint: `model.layers.0.self_attn.q_proj`. Linear layers only. */
  readonly modules: readonly LoraWeights[];
  /** Scale alpha / √rank instead of alpha / rank (rsLoRA, arXiv 2312.03732). */
  readonly rslora: boolean;
  /** The layers that its file says it is on, where that is known. */
  readonly targets?: AdapterTargets;
  /** It belongs to the whole base; see `StoredLora`. */
  readonly start?: undefined;
}

/** An adapter as its file has it: `fitted` gives the plain LoRA. */
export interface StoredLora extends Omit<LanguageLora, 'start'> {
  /** What it begins with and takes out of its base, where it does. */
  readonly start?: Start;
}

/** What lies in the folder of an adapter, PEFT's or mlx-lm's. */
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

/** PEFT's init_lora_weights that changes the base in a way that can be computed again. */
export type Start = 'pissa' | 'olora';

/** PEFT's target_modules, exclude_modules and layers_to_transform; mlx-lm's keys. */
export interface AdapterTargets {
  /** The file that says so, for messages. */
  readonly where: string;
  /** Its field that names the layers. */
  readonly key: string;
  readonly program: 'PEFT' | 'mlx-lm';
  readonly target: string | readonly string[];
  readonly exclude?: string | readonly string[];
  readonly layers?: readonly number[];
}

/** s of W + s · B A. */
export function loraScale({ alpha, down }: LoraWeights, rslora: boolean): number {
  const rank = down.shape[0];
  return rslora ? alpha / Math.sqrt(rank) : alpha / rank;
}

/** The value that occurs most; of several, the one that comes first. */
export function mostCommon(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best), [0, 0])[0];
}
