// The trainable weights with the optimiser's state: everything that a training step changes.

import { z } from 'zod';
import { InternalError } from '../errors.ts';
import { clipFactor, globalNorm } from '../optim/clip.ts';
import { optimisers, type OptimiserName } from '../optim/optimisers.ts';
import type { OptimiserRule, OptimiserSettings, OptimiserState } from '../optim/rule.ts';
import {
  continuedCourse,
  courseFactor,
  courseOf,
  scheduleNames,
  type Course,
  type ScheduleOptions,
} from '../optim/schedule.ts';
import { sameShape, type Tensor } from '../tensor/tensor.ts';
import { needed } from '../util/needed.ts';
import type { Holder } from '../runs/holder.ts';

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
  /** Of a run that goes on: the rates are others than before. */
  readonly newRate?: boolean;
}

export interface Update {
  /** L2 norm of all gradients before clipping. */
  readonly gradNorm: number;
  readonly learningRates: Readonly<Record<string, number>>;
}

const course = z.strictObject({
  lr_scheduler: z.enum(scheduleNames),
  lr_warmup_steps: z.int(),
  lr_num_cycles: z.int(),
  lr_power: z.number(),
  totalSteps: z.int(),
  from: z.int(),
  start: z.number(),
  scale: z.number(),
});
const count = z.int().nonnegative();
const counts = z.strictObject({ step: count, updates: count, skipped: count, course });

/** What of the optimiser is not a tensor. */
export type OptimiserCounts = z.output<typeof counts>;

export class Optimiser implements Holder<OptimiserCounts> {
  readonly #rule: OptimiserRule;
  readonly #states: ReadonlyMap<string, OptimiserState>;
  #course: Course;
  #step = 0;
  #updates = 0;
  #skipped = 0;

  constructor(
    readonly groups: readonly ParameterGroup[],
    readonly options: OptimiserOptions,
  ) {
    const rule: OptimiserRule = optimisers[options.optimizer];
    this.#rule = rule;
    this.#course = courseOf(options.totalSteps, options);
    this.#states = new Map(
      [...this.parameters].map(([name, { data }]) => [name, zeros(rule.state, data.length)]),
    );
  }

  /** Steps done so far, those that were skipped among them. */
  get step(): number {
    return this.#step;
  }

  /** How many of the last steps in a row were skipped. */
  get skipped(): number {
    return this.#skipped;
  }

  get totalSteps(): number {
    return this.#course.totalSteps;
  }

  get course(): Course {
    return this.#course;
  }

  /** All weights by name. */
  get parameters(): Map<string, Tensor<'float32'>> {
    return new Map(this.groups.flatMap(({ parameters }) => [...parameters]));
  }

  /** The rate of each group in the next step. */
  get learningRates(): Readonly<Record<string, number>> {
    const factor = courseFactor(this.#course, this.#step);
    return Object.fromEntries(
      this.groups.map((group) => [group.name, group.learningRate * factor]),
    );
  }

  /**
   * One update of every weight; `gradients` are keyed by parameter name. A norm that is not finite
   * changes nothing at all: the step is to be skipped, or the run ended.
   */
  update(gradients: ReadonlyMap<string, Float32Array>): Update {
    const { learningRates } = this;
    const gradNorm = globalNorm(gradients.values());
    if (!Number.isFinite(gradNorm)) return { gradNorm, learningRates };
    this.#step++;
    this.#updates++;
    this.#skipped = 0;
    this.#apply(gradients, clipFactor(gradNorm, this.options.max_grad_norm), learningRates);
    return { gradNorm, learningRates };
  }

  /** Counts a step in which no weight is changed. */
  skip(): void {
    this.#step++;
    this.#skipped++;
  }

  #apply(
    gradients: ReadonlyMap<string, Float32Array>,
    scale: number,
    learningRates: Readonly<Record<string, number>>,
  ): void {
    const update = this.#rule.update(this.#updates, this.options);
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

  /** Weights and state, sharing memory with the optimiser. */
  get tensors(): Map<string, Tensor<'float32'>> {
    return new Map([...this.parameters, ...this.state()]);
  }

  save(): OptimiserCounts {
    return {
      step: this.#step,
      updates: this.#updates,
      skipped: this.#skipped,
      course: { ...this.#course },
    };
  }

  /**
   * Takes back what `save` and `tensors` gave. Throws, before anything is changed, where a tensor
   * is missing, is not ours, or has another shape or type. Goes on with the options that this one
   * was made with; the rate does not jump.
   */
  restore(saved: unknown, tensors: ReadonlyMap<string, Tensor> = new Map()): void {
    const { step, updates, skipped, course: before } = counts.parse(saved);
    restoreInto(this.tensors, tensors);
    [this.#step, this.#updates, this.#skipped] = [step, updates, skipped];
    this.#course = continuedCourse(before, step, this.options.totalSteps, this.options);
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
