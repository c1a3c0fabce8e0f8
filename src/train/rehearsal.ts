// A short calibration: a few real steps of each shape on scratch copies, and the work around the
// steps in small. Nothing of the run is changed by it.

import type { Tensor } from '../tensor/tensor.ts';
import { phase, type PhaseEvent } from '../events.ts';
import {
  between,
  leastOf,
  NO_TIME,
  scaled,
  stopwatch,
  sumOf,
  type Duration,
  type Stopwatch,
} from '../account/duration.ts';
import { timesAfter, wholeDuration, type Dues } from './forecast.ts';
import { Optimiser, type OptimiserOptions, type ParameterGroup } from './optimiser.ts';
import type { LossPrograms } from './programs.ts';
import type { OpenTask, Rehearsals, TaskEvent, Trial } from './task.ts';
import { plausibleInputs, triedProgram, type TriedProgram } from './tried-program.ts';

export interface RehearsalOptions {
  readonly task: OpenTask;
  readonly totalSteps: number;
  readonly programs: LossPrograms;
  readonly optimiser: OptimiserOptions;
  readonly signal: AbortSignal;
  readonly watch?: Stopwatch;
}

const NAME = 'trying a few steps';

/** Steps whose shapes are looked at, spread over the run in stretches. */
const LOOKED_AT = { stretches: 8, steps: 32 };
/** Shapes that are tried, those of most runs first. */
const MOST_SHAPES = 4;
/** Of the steps of the whole run. */
async function* rehearsedSteps(options: RehearsalOptions): AsyncGenerator<PhaseEvent, Duration> {
  const { task, totalSteps, programs, signal, watch = stopwatch } = options;
  const work = shapesOfRun(task, totalSteps, programs.options.alive ?? 2);
  const tried = [...work.runs].sort(([, a], [, b]) => b - a).slice(0, MOST_SHAPES);
  const parameters = scratchParameters(task.groups);
  const times = new Map<string, TriedProgram>();
  yield phase(NAME, 0, tried.length);
  for (const [key] of tried) {
    if (signal.aborted) break;
    const inputs = plausibleInputs(task.lossGraph(key));
    const run = () => programs.run({ shapeKey: key, inputs }, parameters);
    times.set(key, await triedProgram(run, watch));
    yield phase(NAME, times.size, tried.length);
  }
  const update = updateDuration(task.groups, options.optimiser, watch);
  const { opening, run } = meanShape(tried, times);
  const runs = [...work.runs.values()].reduce((sum, count) => sum + count, 0);
  return sumOf([scaled(opening, work.openings), scaled(run, runs), scaled(update, totalSteps)]);
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

/** By how often each shape comes. */
function meanShape(
  tried: readonly (readonly [string, number])[],
  times: ReadonlyMap<string, TriedProgram>,
): TriedProgram {
  const found = tried.flatMap(([key, runs]) => {
    const one = times.get(key);
    return one === undefined ? [] : [{ runs, one }];
  });
  const all = found.reduce((sum, { runs }) => sum + runs, 0);
  const weighted = (of: (one: TriedProgram) => Duration) =>
    sumOf(found.map(({ runs, one }) => scaled(of(one), runs / all)));
  return { opening: weighted(({ opening }) => opening), run: weighted(({ run }) => run) };
}

const scratchParameters = (groups: readonly ParameterGroup[]): ReadonlyMap<string, Tensor> =>
  new Map(groups.flatMap(({ parameters }) => [...parameters]));

/** Of scratch copies of the weights and of their moments. */
function updateDuration(
  groups: readonly ParameterGroup[],
  settings: OptimiserOptions,
  watch: Stopwatch,
): Duration {
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
  const update = () => {
    const given = gradients();
    const began = watch();
    optimiser.update(given);
    return between(began, watch());
  };
  return leastOf([update(), update()]);
}

/** Steps of a run that is long enough for a forecast, which needs 17 of them. */
const LONG = 34;

/** The work after the last step; undefined where the run is too short to ask. */
export async function* triedEnding(
  { rehearsals }: OpenTask,
  stepsLeft: number,
): AsyncGenerator<TaskEvent, Trial | undefined> {
  if (stepsLeft < LONG) return undefined;
  const ending = rehearsals?.ending && (yield* rehearsals.ending());
  return ending ?? { opening: NO_TIME, whole: NO_TIME };
}

/** Of the whole run, its programs opened and everything around the steps done. */
export async function* rehearsedRun(
  rehearsals: Rehearsals,
  options: RehearsalOptions & { readonly passed: () => Duration; readonly dues: Dues },
): AsyncGenerator<TaskEvent, Duration> {
  const { totalSteps, passed } = options;
  const before = passed();
  const preparing = rehearsals.preparing && (yield* rehearsals.preparing());
  const steps = yield* rehearsedSteps(options);
  const validation = rehearsals.validation && (yield* rehearsals.validation());
  const { watch = stopwatch } = options;
  const tryingEnding = watch();
  const ending = rehearsals.ending && (yield* rehearsals.ending());
  // the run itself tries its end, too, unless it is short
  const trying = totalSteps < LONG ? NO_TIME : between(tryingEnding, watch());
  const once = (trial: Trial | undefined) =>
    trial === undefined ? NO_TIME : sumOf([trial.opening, trial.whole]);
  const times = timesAfter(options.dues, 0, totalSteps);
  return wholeDuration({
    passed: sumOf([before, once(preparing), trying]),
    stepsLeft: 1,
    step: steps,
    asides: [
      { times: times.validation, each: once(validation) },
      { times: times.sample, each: ending?.preview ?? NO_TIME },
    ],
    ending: once(ending),
  });
}
