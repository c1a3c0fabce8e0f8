// The trainable weights with the optimiser's state: everything that a training step changes.

import { InternalError } from '../errors.ts';
import { clipFactor, globalNorm } from '../optim/clip.ts';
import { optimisers, type OptimiserName } from '../optim/optimisers.ts';
import type { OptimiserRule, OptimiserSettings, OptimiserState } from '../optim/rule.ts';
import { learningRateFactor, type ScheduleOptions } from '../optim/schedule.ts';
import { sameShape, type Tensor } from '../tensor/tensor.ts';
import { needed } from '../util/needed.ts';

/** Weights that share a learning rate. */
export interface ParameterGroup {
  readonly name: string;
  readonly learningRate: number;
  /** Changed in place. Keyed by parameter name. */
  readonly parameters: ReadonlyMap<string, Tensor<'float32'>>;
}

export interface OptimiserOptions extends OptimiserSettings, ScheduleOptions {
  readonly optimizer: OptimiserName;
  /** 0: no clipping. */
  readonly max_grad_norm: number;
  readonly totalSteps: number;
}

export interface Update {
  /** L2 norm of all gradients before clipping. */
  readonly gradNorm: number;
  readonly learningRates: Readonly<Record<string, number>>;
}

export class Optimiser {
  readonly #rule: OptimiserRule;
  readonly #states: ReadonlyMap<string, OptimiserState>;
  #step = 0;

  constructor(
    readonly groups: readonly ParameterGroup[],
    readonly options: OptimiserOptions,
  ) {
    const rule: OptimiserRule = optimisers[options.optimizer];
    this.#rule = rule;
    this.#states = new Map(
      [...this.parameters].map(([name, { data }]) => [name, zeros(rule.state, data.length)]),
    );
  }

  /** Updates done so far. */
  get step(): number {
    return this.#step;
  }

  /** All weights by name. */
  get parameters(): Map<string, Tensor<'float32'>> {
    return new Map(this.groups.flatMap(({ parameters }) => [...parameters]));
  }

  /**
   * One update of every weight; `gradients` are keyed by parameter name. A non-finite norm changes
   * nothing but the step count.
   */
  update(gradients: ReadonlyMap<string, Float32Array>): Update {
    const factor = learningRateFactor(this.#step, this.options.totalSteps, this.options);
    const gradNorm = globalNorm(gradients.values());
    const learningRates = Object.fromEntries(
      this.groups.map((group) => [group.name, group.learningRate * factor]),
    );
    this.#step++;
    if (Number.isFinite(gradNorm))
      this.#apply(gradients, clipFactor(gradNorm, this.options.max_grad_norm), learningRates);
    return { gradNorm, learningRates };
  }

  #apply(
    gradients: ReadonlyMap<string, Float32Array>,
    scale: number,
    learningRates: Readonly<Record<string, number>>,
  ): void {
    const update = this.#rule.update(this.#step, this.options);
    for (const group of this.groups) {
      const options = { learningRate: learningRates[group.name], scale };
      for (const [name, { data }] of group.parameters)
        update(
          data,
          needed(gradients, name, 'gradient of the weight'),
          this.#stateOf(name),
          options,
        );
    }
  }

  #stateOf(name: string): OptimiserState {
    return needed(this.#states, name, 'state of the weight');
  }

  /**
   * The optimiser's state as tensors named `<part>:<parameter>`, such as `m:` and `v:`, sharing
   * memory with the optimiser.
   */
  state(): Map<string, Tensor<'float32'>> {
    return new Map(
      [...this.parameters].flatMap(([name, { shape }]) =>
        Object.entries(this.#stateOf(name)).map(
          ([part, data]) => [`${part}:${name}`, { dtype: 'float32', shape, data }] as const,
        ),
      ),
    );
  }

  /**
   * Takes weights and state back from tensors named as in `parameters` and `state()`. Throws,
   * before anything is changed, where one is missing, is not ours, or has another shape or type.
   */
  restore(step: number, tensors: ReadonlyMap<string, Tensor>): void {
    restoreInto(new Map([...this.parameters, ...this.state()]), tensors);
    if (!Number.isSafeInteger(step) || step < 0)
      throw new InternalError(`restored at step ${step}`);
    this.#step = step;
  }
}

const zeros = (names: readonly string[], size: number): OptimiserState =>
  Object.fromEntries(names.map((name) => [name, new Float32Array(size)]));

/**
 * Copies each tensor of `source` into that of the same name; the two must have the same names,
 * shapes and types.
 */
export function restoreInto(
  targets: ReadonlyMap<string, Tensor<'float32'>>,
  source: ReadonlyMap<string, Tensor>,
): void {
  const missing = [...targets.keys()].filter((name) => !source.has(name));
  const unexpected = [...source.keys()].filter((name) => !targets.has(name));
  const unlike = [...targets].flatMap(([name, { shape }]) => {
    const given = source.get(name);
    if (given === undefined || (given.dtype === 'float32' && sameShape(given.shape, shape)))
      return [];
    return [`${name} is ${given.dtype} [${given.shape}], not float32 [${shape}]`];
  });
  const problems = [
    ...missing.map((name) => `${name} is missing`),
    ...unexpected.map((name) => `${name} is not part of this run`),
    ...unlike,
  ];
  if (problems.length > 0) throw new InternalError(`cannot restore: ${firstOf(problems)}`);
  for (const [name, { data }] of targets) data.set(float32Data(needed(source, name, 'tensor')));
}

/** The type was checked by `restoreInto`. */
const float32Data = ({ data }: Tensor): Float32Array => data as Float32Array;

/** Problems that are named at most. */
const NAMED = 4;

const firstOf = (problems: readonly string[]): string =>
  problems.slice(0, NAMED).join('; ') +
  (problems.length > NAMED ? `; and ${problems.length - NAMED} more` : '');
