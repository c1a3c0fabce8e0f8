// A trained LoRA in memory: what the writers of each format take and their readers give back.

import { existsSync } from 'node:fs';
import { isBrokenLink, missingFile } from '../checkpoints/missing-file.ts';
import { AdapterError, InternalError, type Problem } from '../errors.ts';
import { faultsByKind } from '../util/problems-by-kind.ts';
import { toFloat32 } from '../tensor/half.ts';
import type { Tensor } from '../tensor/tensor.ts';

export interface LoraWeights {
  /**
   * The path of the module: its weight is the parameter `<path>.weight`, `unet.` or `text_encoder.`
   * first.
   */
  readonly path: string;
  /** A: [rank, in] of a linear layer, [rank, in, kh, kw] of a convolution. */
  readonly down: Tensor;
  /** B: [out, rank], or [out, rank, 1, 1]. */
  readonly up: Tensor;
  /** The layer's weight becomes W + alpha / rank · B A. */
  readonly alpha: number;
}

/** Refuses shapes that no reader could use: a fault of ours, found before it is in a file. */
export function assertShapes({ path, down, up }: LoraWeights): void {
  const problem = shapeProblem(down, up);
  if (problem !== undefined) throw new InternalError(`${path}: ${problem}`);
}

type Shaped = Pick<Tensor, 'shape'>;

/** What is wrong with a pair of factors, if anything. */
export function shapeProblem(down: Shaped, up: Shaped): string | undefined {
  const isPair =
    (down.shape.length === 2 && up.shape.length === 2) ||
    (down.shape.length === 4 && up.shape.length === 4 && up.shape[2] * up.shape[3] === 1);
  if (isPair && down.shape[0] === up.shape[1]) return undefined;
  return `down [${down.shape.join(', ')}] and up [${up.shape.join(', ')}] do not fit together`;
}

/** What is wrong with the numbers of an adapter that was read, if anything. */
export function numberProblem({ down, up, alpha }: LoraWeights): string | undefined {
  if (!Number.isFinite(alpha)) return `its alpha is ${alpha}, not a finite number`;
  const isBroken = [down, up].some((tensor) =>
    toFloat32(tensor).data.some((value) => !Number.isFinite(value)),
  );
  return isBroken ? 'it has values that are not finite (NaN or infinity)' : undefined;
}

/** What to do about an adapter's file that is not whole. */
export const COPY =
  'Copy the adapter again from where it was trained; if it is the same there, train it again.';

/** Throws AdapterError where the weights that a folder's configuration belongs to are not in it. */
export function requireWeights(path: string): void {
  if (existsSync(path)) return;
  const what = isBrokenLink(path)
    ? missingFile(path)
    : 'the weights are missing: this folder has the configuration of an adapter alone';
  throwProblems([{ where: path, what, fix: COPY }]);
}

/** Throws the problems found in a LoRA file, if there are any, each kind once. */
export function throwProblems(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new AdapterError(faultsByKind(problems));
}
