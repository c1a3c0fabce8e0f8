// LoRA files with the PEFT keys that diffusers' load_lora_weights reads; and back.

import { openSafetensors, readTensor } from '../checkpoints/safetensors-file.ts';
import type { Problem } from '../errors.ts';
import type { FloatDType } from '../tensor/half.ts';
import { serialize } from '../tensor/safetensors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { kindProblems, pictureStartProblems } from './adapter-kinds.ts';
import {
  assertShapes,
  numberProblem,
  shapeProblem,
  throwProblems,
  type LoraWeights,
} from './lora.ts';
import { multiplied, narrowed, type TellNarrowing } from './narrowing.ts';

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
      const scale = module.alpha / module.down.shape[0];
      const factor = (name: string, tensor: Tensor, by: number): [string, Tensor] => [
        name,
        narrowed(name, multiplied(tensor, by), dtype, tell),
      ];
      return [
        factor(`${module.path}.lora_A.weight`, module.down, 1),
        factor(`${module.path}.lora_B.weight`, module.up, scale),
      ];
    }),
  );
  return serialize(tensors, { format: 'pt' });
}

/**
 * Reads such a file; alpha is the rank. Throws CheckpointError that lists modules with a part
 * missing.
 */
export function readDiffusersLora(path: string): LoraWeights[] {
  const { tensors, metadata } = openSafetensors(path);
  throwProblems(kindProblems(tensors.keys(), path));
  throwProblems(pictureStartProblems(metadata, path));
  const problems: Problem[] = [];
  const modules: LoraWeights[] = [];
  for (const name of new Set(
    Array.from(tensors.keys(), (key) => key.replace(/\.lora_[AB]\.weight$/, '')),
  )) {
    const down = tensors.get(`${name}.lora_A.weight`);
    const up = tensors.get(`${name}.lora_B.weight`);
    if (down === undefined || up === undefined) {
      problems.push({
        where: `${path} ${name}`,
        what: 'not a pair of lora_A.weight and lora_B.weight',
      });
      continue;
    }
    const module = { path: name, down: readTensor(down), up: readTensor(up), alpha: down.shape[0] };
    const problem = shapeProblem(module.down, module.up) ?? numberProblem(module);
    if (problem === undefined) modules.push(module);
    else problems.push({ where: `${path} ${name}`, what: problem });
  }
  throwProblems(problems);
  return modules;
}
