// A short calibration: a few real steps of each shape on scratch copies, and the work around the
// steps in small. Nothing of the run is changed by it.

import type { Graph } from '../graph/graph.ts';
import { float32, sizeOf, zeros, type Tensor } from '../tensor/tensor.ts';
import { phase, type PhaseEvent } from '../events.ts';
import { timesLeft, wholeSeconds } from './forecast.ts';
import type { BatchInputs } from './loop.ts';
import { Optimiser, type OptimiserOptions, type ParameterGroup } from './optimiser.ts';
import type { LossPrograms } from './programs.ts';
import type { OpenTask, Rehearsals, TaskEvent, Trial } from './task.ts';

export interface RehearsalOptions {
  readonly task: OpenTask;
  readonly totalSteps: number;
  readonly programs: LossPrograms;
  readonly optimiser: OptimiserOptions;
  readonly signal: AbortSignal;
  /** Milliseconds that never go back. */
  readonly clock?: () => number;
}

const NAME = 'trying a few steps';

/** Steps whose shapes are looked at, spread over the run in stretches. */
const LOOKED_AT = { stretches: 8, steps: 32 };
/** Shapes that are tried, those of most runs first. */
const MOST_SHAPES = 4;
/** Runs of each shape: the first opens its program. */
const RUNS = 3;

/** Seconds of the steps of the whole run. */
async function* rehearsedSteps(options: RehearsalOptions): AsyncGenerator<PhaseEvent, number> {
  const { task, totalSteps, programs, signal } = options;
  const clock = options.clock ?? (() => performance.now());
  const work = shapesOfRun(task, totalSteps, programs.options.alive ?? 2);
  const tried = [...work.runs].sort(([, a], [, b]) => b - a).slice(0, MOST_SHAPES);
  const parameters = scratchParameters(task.groups);
  const times = new Map<string, { readonly opening: number; readonly run: number }>();
  yield phase(NAME, 0, tried.length);
  for (const [key] of tried) {
    if (signal.aborted) break;
    const inputs = plausibleInputs(task.lossGraph(key));
    const seconds: number[] = [];
    for (let i = 0; i < RUNS; i++) {
      const began = clock();
      await programs.run({ shapeKey: key, inputs }, parameters);
      seconds.push((clock() - began) / 1000);
    }
    const run = Math.min(...seconds.slice(1));
    times.set(key, { opening: Math.max(0, seconds[0] - run), run });
    yield phase(NAME, times.size, tried.length);
  }
  const update = updateSeconds(task.groups, options.optimiser, clock);
  const [opening, run] = meansOf(tried, times);
  const runs = [...work.runs.values()].reduce((sum, count) => sum + count, 0);
  return work.openings * opening + runs * run + totalSteps * update;
}

interface RunShapes {
  /** How often each shape is run. */
  readonly runs: ReadonlyMap<string, number>;
  /** How often a program is opened, with so few of them kept. */
  readonly openings: number;
}

/** Counted over stretches of the run, as steps come after one another. */
function shapesOfRun(task: OpenTask, totalSteps: number, alive: number): RunShapes {
  const runs = new Map<string, number>();
  const pinned = task.programs?.main?.shapeKey;
  let [openings, first, looked] = [0, 0, 0];
  const kept: string[] = [];
  for (const step of lookedAt(totalSteps)) {
    looked++;
    for (const key of task.shapesAt(step)) {
      const isNew = !runs.has(key);
      runs.set(key, (runs.get(key) ?? 0) + 1);
      if (key !== pinned && !kept.includes(key)) {
        if (isNew) first++;
        else openings++;
        kept.push(key);
        if (kept.length > alive) kept.shift();
      }
    }
  }
  const scale = totalSteps / looked;
  return {
    runs: new Map([...runs].map(([key, count]) => [key, count * scale])),
    openings: first + (pinned === undefined ? 0 : 1) + openings * scale,
  };
}

function lookedAt(totalSteps: number): number[] {
  const { stretches, steps } = LOOKED_AT;
  if (totalSteps <= stretches * steps) return Array.from({ length: totalSteps }, (_, i) => i);
  return Array.from({ length: stretches * steps }, (_, i) => {
    const begin = Math.floor((Math.floor(i / steps) * (totalSteps - steps)) / (stretches - 1));
    return begin + (i % steps);
  });
}

/** Seconds of opening a program and of running it, by how often each shape comes. */
function meansOf(
  tried: readonly (readonly [string, number])[],
  times: ReadonlyMap<string, { readonly opening: number; readonly run: number }>,
): [opening: number, run: number] {
  let [count, opening, run] = [0, 0, 0];
  for (const [key, runs] of tried) {
    const one = times.get(key);
    if (one === undefined) continue;
    count += runs;
    opening += runs * one.opening;
    run += runs * one.run;
  }
  return count === 0 ? [0, 0] : [opening / count, run / count];
}

const scratchParameters = (groups: readonly ParameterGroup[]): ReadonlyMap<string, Tensor> =>
  new Map(groups.flatMap(({ parameters }) => [...parameters]));

const PLAUSIBLE = 0.1;

/** Numbers of no meaning, but none that would be computed at another speed. */
const plausibleInputs = ({ inputs }: Graph): BatchInputs =>
  Object.fromEntries(
    inputs.map(({ name, dtype, shape }) => {
      const size = sizeOf(shape);
      const isFloat = dtype === 'float32';
      return [
        name,
        isFloat ? float32(shape, Array<number>(size).fill(PLAUSIBLE)) : zeros(dtype, shape),
      ];
    }),
  );

/** Of scratch copies of the weights and of their moments. */
function updateSeconds(
  groups: readonly ParameterGroup[],
  settings: OptimiserOptions,
  clock: () => number,
): number {
  const copies = groups.map((group) => ({
    ...group,
    parameters: new Map(
      [...group.parameters].map(([name, weight]) => [
        name,
        { ...weight, data: Float32Array.from(weight.data) },
      ]),
    ),
  }));
  const optimiser = new Optimiser(copies, settings);
  const gradients = () =>
    new Map(
      [...optimiser.parameters].map(([name, { data }]) => [
        name,
        new Float32Array(data.length).fill(1e-3),
      ]),
    );
  const seconds = [0, 1].map(() => {
    const given = gradients();
    const began = clock();
    optimiser.update(given);
    return (clock() - began) / 1000;
  });
  return Math.min(...seconds);
}

/** Steps of a run that is long enough to look at its end before it begins. */
const LONG = 100;

/** Seconds of the work after the last step; undefined where the run is too short to ask. */
export async function* endingSeconds(
  { rehearsals }: OpenTask,
  stepsLeft: number,
): AsyncGenerator<TaskEvent, number | undefined> {
  if (stepsLeft < LONG) return undefined;
  const ending = rehearsals?.ending && (yield* rehearsals.ending());
  return ending === undefined ? 0 : ending.opening + ending.seconds;
}

/** Seconds of the whole run, its programs opened and everything around the steps done. */
export async function* rehearsedRun(
  rehearsals: Rehearsals,
  options: RehearsalOptions & { readonly passed: () => number; readonly previewEvery: number },
): AsyncGenerator<TaskEvent, number> {
  const { totalSteps, passed } = options;
  const before = passed();
  const preparing = rehearsals.preparing && (yield* rehearsals.preparing());
  const stepSeconds = yield* rehearsedSteps(options);
  const validation = rehearsals.validation && (yield* rehearsals.validation());
  const ending = rehearsals.ending && (yield* rehearsals.ending());
  const once = (trial: Trial | undefined) => (trial ? trial.opening + trial.seconds : 0);
  const { validationEvery = totalSteps } = options.task.plan;
  const { validationShare = 0 } = rehearsals;
  return wholeSeconds({
    passed: before + once(preparing),
    stepsLeft: 1,
    secondsPerStep: stepSeconds * (1 + validationShare),
    asides: [
      { times: 1 + Math.floor(totalSteps / validationEvery), seconds: once(validation) },
      {
        times: timesLeft(options.previewEvery, 0, totalSteps),
        seconds: ending?.preview ?? 0,
      },
    ],
    ending: once(ending),
  });
}
