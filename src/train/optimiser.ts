// The trainable weights with the optimiser's state: everything that a training step changes.

import {
  adamWState,
  adamWUpdate,
  biasCorrections,
  type AdamWOptions,
  type AdamWState,
} from '../optim/adamw.ts';
import { clipFactor, globalNorm } from '../optim/clip.ts';
import { learningRateFactor, type ScheduleOptions } from '../optim/schedule.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Weights that share a learning rate. */
export interface ParameterGroup {
  readonly name: string;
  readonly learningRate: number;
  /** Changed in place. Keyed by parameter name. */
  readonly parameters: ReadonlyMap<string, Tensor<'float32'>>;
}

export interface OptimiserOptions extends AdamWOptions, ScheduleOptions {
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
  readonly #states: ReadonlyMap<string, AdamWState>;
  #step = 0;

  constructor(
    readonly groups: readonly ParameterGroup[],
    readonly options: OptimiserOptions,
  ) {
    this.#states = new Map(
      groups.flatMap(({ parameters }) =>
        [...parameters].map(([name, { data }]) => [name, adamWState(data.length)] as const),
      ),
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
    const corrections = biasCorrections(this.options.betas, this.#step);
    for (const group of this.groups) {
      const settings = { learningRate: learningRates[group.name], corrections, scale };
      for (const [name, { data }] of group.parameters) {
        const gradient = gradients.get(name);
        const state = this.#states.get(name);
        if (gradient !== undefined && state !== undefined)
          adamWUpdate(data, gradient, state, this.options, settings);
      }
    }
  }

  /**
   * The moments as tensors named `m:<parameter>` and `v:<parameter>`, sharing memory with the
   * optimiser.
   */
  state(): Map<string, Tensor<'float32'>> {
    const shapes = this.parameters;
    const shape = (name: string) => shapes.get(name)?.shape ?? [];
    return new Map(
      [...this.#states].flatMap(([name, { m, v }]) => [
        [`m:${name}`, { dtype: 'float32', shape: shape(name), data: m }] as const,
        [`v:${name}`, { dtype: 'float32', shape: shape(name), data: v }] as const,
      ]),
    );
  }

  /** Takes weights and moments back from tensors named as in `parameters` and `state()`. */
  restore(step: number, tensors: ReadonlyMap<string, Tensor>): void {
    this.#step = step;
    for (const [name, target] of [...this.parameters, ...this.state()]) {
      const source = tensors.get(name);
      // written by us as float32
      if (source !== undefined) target.data.set(source.data as Float32Array);
    }
  }
}
