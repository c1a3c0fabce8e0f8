// LoRA files with the PEFT keys that diffusers' load_lora_weights reads; and back.

import { lora } from '../adapters/lora.ts';
import { openSafetensors } from '../checkpoints/safetensors-file.ts';
import type { FloatDType } from '../tensor/half.ts';
import { serialize } from '../tensor/safetensors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { loadedModules } from './adapter-file.ts';
import { assertShapes, type LoraWeights } from './lora.ts';
import { multiplied, narrowed, type TellNarrowing } from './narrowing.ts';
import { openPictureFile } from './picture-file.ts';

/**
 * The bytes of a `pytorch_lora_weights.safetensors`: `<path>.lora_A.weight` and
 * `<path>.lora_B.weight`. The format has no alpha (readers take the rank for it), so alpha / rank
 * is multiplied into B.
 */
export function writeDiffusersLora({
  modules,
  dtype,
  tell,
}: {
  readonly modules: readonly LoraWeights[];
  /** A tensor that this type cannot hold is written in float32. */
  readonly dtype: FloatDType;
  /** Called for such tensors, and for numbers that are lost. */
  readonly tell?: TellNarrowing;
}): Uint8Array {
  const tensors = new Map(
    modules.flatMap((module): [string, Tensor][] => {
      assertShapes(module);
      const { down, up } = lora.keys.diffusers;
      const scale = module.alpha / module.down.shape[0];
      const factor = (name: string, tensor: Tensor, by: number): [string, Tensor] => [
        name,
        narrowed(name, multiplied(tensor, by), dtype, tell),
      ];
      return [
        factor(`${module.path}.${down}`, module.down, 1),
        factor(`${module.path}.${up}`, module.up, scale),
      ];
    }),
  );
  return serialize(tensors, { format: 'pt' });
}

/**
 * Reads such a file. Throws CheckpointError that lists modules with a part missing, and what is no
 * plain LoRA.
 */
export function readDiffusersLora(path: string): LoraWeights[] {
  const { modules } = openPictureFile('diffusers', openSafetensors(path), path);
  return loadedModules(path, modules);
}
