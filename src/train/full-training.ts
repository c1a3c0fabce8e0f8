// Training of every weight of a model, from nothing or from where an earlier process stopped.

import { existsSync, readFileSync } from 'node:fs';
import { writeFileAtomically } from '../storage/write-file.ts';
import { UserError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { initialWeights } from '../models/init.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { decodeState, encodeState } from '../runs/run-state.ts';
import { needed } from '../util/needed.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { trainingSteps, type BatchInputs, type StepResult, type UnsoundStep } from './loop.ts';
import { compileLoss } from './loss-program.ts';
import { Optimiser, restoreInto, type OptimiserOptions } from './optimiser.ts';

export interface FullTrainingOptions {
  /** Its output `loss` has one element. Every parameter is trained. */
  readonly graph: Graph;
  readonly seed: number;
  readonly learningRate: number;
  readonly optimiser: OptimiserOptions;
  readonly batchAt: (step: number) => BatchInputs | Promise<BatchInputs>;
  /**
   * Decay of the moving average of the weights; it warms up as min(decay, (1 + step) / (10 +
   * step)).
   */
  readonly emaDecay: number;
  /** Where weights, moments and average are kept between processes. */
  readonly stateFile: string;
  readonly saveEvery: number;
  /**
   * Weights to begin from instead of random ones, by name; those that are absent are drawn. One
   * that the graph does not have, or of another shape, is an InternalError.
   */
  readonly initial?: ReadonlyMap<string, Tensor>;
  readonly runtime: Runtime;
}

export interface FullTraining {
  /**
   * The steps from where the state file stands; saves it every `saveEvery` steps and at the end.
   */
  steps(): AsyncGenerator<StepResult>;
  readonly weights: ReadonlyMap<string, Tensor<'float32'>>;
  /** The moving average of the weights. */
  readonly average: ReadonlyMap<string, Tensor<'float32'>>;
}

export async function fullTraining(options: FullTrainingOptions): Promise<FullTraining> {
  const weights = firstWeights(options);
  const average = copyOf(weights);
  const optimiser = new Optimiser(
    [{ name: 'all', learningRate: options.learningRate, parameters: weights }],
    options.optimiser,
  );
  if (existsSync(options.stateFile)) restore(options.stateFile, optimiser, average);
  return { weights, average, steps: () => run(options, optimiser, average) };
}

async function* run(
  options: FullTrainingOptions,
  optimiser: Optimiser,
  average: ReadonlyMap<string, Tensor<'float32'>>,
): AsyncGenerator<StepResult> {
  const weights = optimiser.parameters;
  const program = await compileLoss(options.runtime, options.graph, weights.keys(), {
    weights: new Map(),
    keepsMemory: true,
  });
  try {
    const batchesAt = async (step: number) => [await options.batchAt(step)];
    const lossOf = program.run;
    for await (const result of trainingSteps({ optimiser, batchesAt, lossOf, unsound })) {
      moveAverage(
        average,
        weights,
        Math.min(options.emaDecay, (1 + result.step) / (10 + result.step)),
      );
      if (result.step % options.saveEvery === 0) save(options.stateFile, optimiser, average);
      yield result;
    }
    save(options.stateFile, optimiser, average);
  } finally {
    await program.release();
  }
}

const unsound = ({ step, loss, gradNorm = NaN }: UnsoundStep<unknown>): UserError =>
  new UserError([
    {
      where: 'learningRate',
      what: `training stopped at step ${step}: the loss became ${loss} and the gradient ${gradNorm}`,
      fix: 'Lower it, or start from other weights.',
    },
  ]);

function firstWeights({
  graph,
  seed,
  initial,
}: FullTrainingOptions): Map<string, Tensor<'float32'>> {
  const drawn = initialWeights(graph.parameters, seed);
  const weights = new Map(
    graph.parameters.map(({ name, shape }) => {
      const data = needed(drawn, name, 'first weight');
      return [name, { dtype: 'float32', shape, data }] as const;
    }),
  );
  const given = [...(initial ?? [])];
  restoreInto(
    new Map(given.map(([name]) => [name, needed(weights, name, 'weight')])),
    new Map(given),
  );
  return weights;
}

function copyOf(weights: ReadonlyMap<string, Tensor<'float32'>>): Map<string, Tensor<'float32'>> {
  return new Map(
    [...weights].map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }] as const),
  );
}

// a ← d a + (1 − d) w
function moveAverage(
  average: ReadonlyMap<string, Tensor<'float32'>>,
  weights: ReadonlyMap<string, Tensor<'float32'>>,
  decay: number,
): void {
  for (const [name, { data: a }] of average) {
    const { data: w } = needed(weights, name, 'weight');
    for (let i = 0; i < a.length; i++) a[i] += (1 - decay) * (w[i] - a[i]);
  }
}

const AVERAGE = 'average:';

function save(
  file: string,
  optimiser: Optimiser,
  average: ReadonlyMap<string, Tensor<'float32'>>,
): void {
  const averaged = [...average].map(([name, tensor]) => [AVERAGE + name, tensor] as const);
  const tensors = new Map<string, Tensor>([...optimiser.tensors, ...averaged]);
  const { step } = optimiser;
  const holders = { optimiser: optimiser.save() };
  writeFileAtomically(file, encodeState({ step, tensors, holders, settings: {}, records: {} }));
}

function restore(
  file: string,
  optimiser: Optimiser,
  average: ReadonlyMap<string, Tensor<'float32'>>,
): void {
  const { tensors: read, holders } = decodeState(readFileSync(file), file);
  const isAverage = ([name]: readonly [string, Tensor]) => name.startsWith(AVERAGE);
  const [averaged, rest] = [
    [...read].filter(isAverage),
    [...read].filter((entry) => !isAverage(entry)),
  ];
  optimiser.restore(holders['optimiser'], new Map(rest));
  restoreInto(
    average,
    new Map(averaged.map(([name, tensor]) => [name.slice(AVERAGE.length), tensor] as const)),
  );
}
