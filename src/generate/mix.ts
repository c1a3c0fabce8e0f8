// Adapters at strengths: what pictures and texts are made with besides their base model.

import { InternalError, type Problem } from '../errors.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** An adapter of some of a model's layers, as the readers of LoRA files and training have it. */
export interface Adapter {
  /** For messages. */
  readonly name: string;
  readonly modules: readonly AdaptedLayer[];
}

/** W + alpha / rank · B A for the layer with the weight `<path>.weight`. */
export interface AdaptedLayer {
  readonly path: string;
  /** A: [rank, in, (kh, kw)]. */
  readonly down: Tensor;
  /** B: [out, rank, (1, 1)]. */
  readonly up: Tensor;
  readonly alpha: number;
}

/** One for all layers, or one by component, the first part of their paths: `unet`. */
export type Strength = number | Readonly<Partial<Record<string, number>>>;

/** Σ strength · adapter. */
export type Mix = readonly MixPart[];

export interface MixPart {
  readonly adapter: Adapter;
  /** 0 is without it. A component that is not named has 0. */
  readonly strength: Strength;
}

/** What a layer's part of an adapter is multiplied by. */
export const strengthAt = (strength: Strength, path: string): number =>
  typeof strength === 'number' ? strength : (strength[path.slice(0, path.indexOf('.'))] ?? 0);

/** Whether a part changes anything. */
export const isOn = ({ strength }: MixPart): boolean =>
  typeof strength === 'number'
    ? strength !== 0
    : Object.values(strength).some((value) => value !== 0);

/** Whether two mixes are the same adapters at the same strengths. */
export const sameMix = (a: Mix, b: Mix): boolean =>
  a === b ||
  (a.length === b.length &&
    a.every(({ adapter, strength }, i) => {
      const other = b[i];
      return adapter === other.adapter && sameStrength(strength, other.strength);
    }));

function sameStrength(a: Strength, b: Strength): boolean {
  if (typeof a === 'number' || typeof b === 'number') return a === b;
  return [...Object.keys(a), ...Object.keys(b)].every((key) => a[key] === b[key]);
}

/** Throws InternalError where an adapter is for layers that the model does not have. */
export function requireLayers(paths: ReadonlySet<string>, mix: Mix): void {
  const unknown = mix.flatMap(({ adapter: { modules } }) =>
    modules.filter(({ path }) => !paths.has(path)).map(({ path }) => path),
  );
  if (unknown.length > 0) throw new InternalError(`the model has no layers ${unknown.join(', ')}`);
}

/** Strengths that are no numbers. */
export const mixProblems = (mix: Mix = []): Problem[] =>
  mix.flatMap(({ adapter: { name }, strength }) =>
    (typeof strength === 'number' ? [strength] : Object.values(strength))
      .filter((value) => value !== undefined && !Number.isFinite(value))
      .map((value) => ({
        where: 'mix',
        what: `the strength of ${name} is ${value}, not a number`,
        fix: 'Give a number, such as 0.8; 0 is without the adapter.',
      })),
  );
