import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_TIME, type Duration } from '../account/duration.ts';
import type { Graph } from '../graph/graph.ts';
import type { PhaseEvent } from '../events.ts';
import { float32 } from '../tensor/tensor.ts';
import type { OptimiserOptions, ParameterGroup } from './optimiser.ts';
import type { LossPrograms } from './programs.ts';
import { rehearsedRun, triedEnding, type RehearsalOptions } from './rehearsal.ts';
import type { OpenTask, Rehearsals, Trial } from './task.ts';

/** Seconds by the clock, and of one and a half processors. */
const took = (clock: number): Duration => ({ clock, processor: 1.5 * clock });
const trial = (opening: number, whole: number, preview?: number): Trial => ({
  opening: took(opening),
  whole: took(whole),
  ...(preview !== undefined && { preview: took(preview) }),
});

interface Machine {
  /** The shapes of each step. */
  readonly shapesAt: (step: number) => readonly string[];
  /** Seconds of a run of each shape. */
  readonly runs: Readonly<Record<string, number>>;
  readonly opening: number;
  /** Programs that stay open. */
  readonly alive?: number;
  readonly main?: string;
}

const optimiser: OptimiserOptions = {
  optimizer: 'adamw',
  betas: [0.9, 0.99],
  eps: 1e-8,
  weight_decay: 0,
  momentum: 0,
  max_grad_norm: 1,
  lr_scheduler: 'constant',
  lr_warmup_steps: 0,
  lr_num_cycles: 1,
  lr_power: 1,
  totalSteps: 1,
};

const lossGraph: Graph = {
  name: 'loss',
  inputs: [
    { name: 'x', dtype: 'float32', shape: [2, 3] },
    { name: 'ids', dtype: 'int32', shape: [2] },
  ],
  parameters: [],
  constants: new Map(),
  nodes: [],
  outputs: new Map(),
};

/** A task and its programs, on a machine whose time is made up. */
function made({ shapesAt, runs, opening, alive, main }: Machine) {
  let now = 0;
  const ran: string[] = [];
  const weights = new Map([['w', float32([2], [1, 2])]]);
  const groups: ParameterGroup[] = [{ name: 'all', learningRate: 1, parameters: weights }];
  const task = {
    shapesAt,
    groups,
    lossGraph: () => lossGraph,
    ...(main !== undefined && { programs: { main: { shapeKey: main } } }),
  };
  const programs = {
    options: { alive },
    run: ({ shapeKey }: { readonly shapeKey: string }) => {
      now += runs[shapeKey] + (ran.includes(shapeKey) ? 0 : opening);
      ran.push(shapeKey);
      return Promise.resolve();
    },
  };
  return {
    // the rehearsal looks at nothing else of them
    options: {
      task: task as unknown as OpenTask,
      programs: programs as unknown as LossPrograms,
      watch: () => took(now),
      passed: () => took(0),
      signal: new AbortController().signal,
      optimiser,
    },
    ran,
    weights,
  };
}

type Options = Parameters<typeof rehearsedRun>[1];

async function rehearsed(
  machine: Machine,
  totalSteps: number,
  { rehearsals = {}, ...more }: { readonly rehearsals?: Rehearsals } & Partial<Options> = {},
) {
  const { options, ...rest } = made(machine);
  const all = { dues: { saveSteps: 0 }, ...options, totalSteps, ...more };
  const events = rehearsedRun(rehearsals, all satisfies RehearsalOptions);
  for (;;) {
    const next = await events.next();
    if (next.done === true) return { whole: next.value, ...rest };
  }
}

const near = (found: number, expected: number, most = 0.02) =>
  assert.ok(Math.abs(found / expected - 1) <= most, `${found} for ${expected}`);

test('a run of one shape takes one opening and all its steps', async () => {
  const machine = { shapesAt: () => ['a'], runs: { a: 2 }, opening: 30 };
  const { whole } = await rehearsed(machine, 100);
  near(whole.clock, 230);
  near(whole.processor, 345);
});

test('shapes count as often as they come, also those that come too seldom to be tried', async () => {
  const shapes = ['a', 'a', 'a', 'b'];
  const machine = { shapesAt: (i: number) => [shapes[i % 4]], runs: { a: 2, b: 6 }, opening: 10 };
  const { whole } = await rehearsed(machine, 80);
  near(whole.clock, 2 * 10 + 60 * 2 + 20 * 6);
  const many = Array.from({ length: 8 }, (_, i) => `s${i}`);
  const runs = Object.fromEntries(many.map((key) => [key, 3]));
  const all = await rehearsed({ shapesAt: (i) => [many[i % 8]], runs, opening: 0 }, 80);
  assert.equal(new Set(all.ran).size, 4);
  near(all.whole.clock, 240);
});

test('a step of several micro-batches runs each of them', async () => {
  const machine = { shapesAt: () => ['a', 'a', 'b'], runs: { a: 2, b: 1 }, opening: 0 };
  near((await rehearsed(machine, 50)).whole.clock, 250);
});

test('programs that push one another out are opened again and again; the pinned one is not', async () => {
  const shapes = ['a', 'b', 'c'];
  const machine = {
    shapesAt: (i: number) => [shapes[i % 3]],
    runs: { a: 1, b: 1, c: 1 },
    opening: 5,
    alive: 2,
  };
  near((await rehearsed(machine, 60)).whole.clock, 60 + 60 * 5);
  near((await rehearsed({ ...machine, alive: 3 }, 60)).whole.clock, 60 + 3 * 5);
  near((await rehearsed({ ...machine, main: 'a' }, 60)).whole.clock, 60 + 3 * 5);
});

test('of a long run some stretches stand for all steps', async () => {
  let asked = 0;
  const shapesAt = (i: number) => (asked++, [i < 50_000 ? 'a' : 'b']);
  const { whole } = await rehearsed({ shapesAt, runs: { a: 1, b: 3 }, opening: 0 }, 100_000);
  assert.ok(asked < 1000, String(asked));
  near(whole.clock, 200_000, 0.15);
});

test('what is done besides the steps counts as often as it comes', async () => {
  const machine = { shapesAt: () => ['a'], runs: { a: 1 }, opening: 0 };
  let now = 0;
  /** A trial that takes a second. */
  const yielding = (found: Trial) =>
    async function* (): AsyncGenerator<PhaseEvent, Trial> {
      yield await Promise.resolve({ type: 'phase', name: 'trying', done: 0, total: 0 });
      now++;
      return found;
    };
  const rehearsals = {
    preparing: yielding(trial(3, 40)),
    validation: yielding(trial(1, 9)),
    ending: yielding(trial(5, 100, 7)),
  };
  const looks = {
    validates: (step: number, final: boolean) => step % 20 === 0 || final,
    previews: (step: number) => step === 30,
  };
  const dues = { looks, saveSteps: 0 };
  const { options } = made(machine);
  const whole = async (totalSteps: number) => {
    const { run } = options.programs;
    const programs = {
      ...options.programs,
      run: (...given: Parameters<typeof run>) => (now++, run(...given)),
    };
    const all = {
      ...options,
      programs,
      totalSteps,
      dues,
      watch: () => took(now),
      passed: () => took(11),
    };
    // the rehearsal looks at nothing else of the programs
    const events = rehearsedRun(rehearsals, all as unknown as Options);
    for (;;) {
      const next = await events.next();
      if (next.done === true) return next.value;
    }
  };
  // before, encoding, steps, four looks, one preview, the end
  const work = (steps: number) => 11 + 43 + steps + 4 * 10 + 7 + 105;
  near((await whole(50)).clock, work(50) + 1, 0.001); // the run tries its end, too
  near((await whole(31)).clock, work(31) - 10, 0.001); // a short one does not; a look less
});

test('nothing of the run is changed, and a stop ends it', async () => {
  const machine = { shapesAt: () => ['a'], runs: { a: 1 }, opening: 0 };
  const { weights } = await rehearsed(machine, 50);
  assert.deepEqual(weights.get('w')?.data, Float32Array.of(1, 2));
  const stopped = new AbortController();
  stopped.abort();
  assert.deepEqual((await rehearsed(machine, 50, { signal: stopped.signal })).ran, []);
});

test('the end is tried where a forecast comes, and not for the sake of a few steps', async () => {
  const asked: number[] = [];
  const ending = async function* (): AsyncGenerator<PhaseEvent, Trial> {
    yield await Promise.resolve({ type: 'phase', name: 'trying', done: 0, total: 0 });
    asked.push(1);
    return trial(1, 2);
  };
  const tried = async (rehearsals: Rehearsals | undefined, stepsLeft: number) => {
    const events = triedEnding({ rehearsals } as unknown as OpenTask, stepsLeft); // nothing else
    for (;;) {
      const next = await events.next();
      if (next.done === true) return next.value;
    }
  };
  assert.equal(await tried({ ending }, 33), undefined);
  assert.deepEqual(asked, []);
  assert.deepEqual(await tried({ ending }, 34), trial(1, 2));
  assert.deepEqual(await tried({}, 34), { opening: NO_TIME, whole: NO_TIME });
});
