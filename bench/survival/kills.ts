// A run that is killed again and again, at moments of every kind, beside the same run left alone.

import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readFacts } from '../../src/runs/facts.ts';
import { uniforms } from '../../src/util/philox.ts';
import { differences, remainsOf, stepsComputed, tornBytes } from './remains.ts';
import type { SmallRun } from './small-runs.ts';
import { started, type Ended, type StartOptions } from './started.ts';

/** Seconds of the run that nobody kills: to its first step, of a step, in all. */
export interface Pace {
  readonly opening: number;
  readonly step: number;
  readonly all: number;
}

/** A number below 1, the next each time. */
type Chance = () => number;

type Aim = Pick<StartOptions, 'strike' | 'killAfter'>;
type AimAt = (chance: Chance, pace: Pace, run: SmallRun) => Aim;

const modes = ['before', 'torn', 'after'] as const;

/** At a call to the disk of a path, one of the first `most`. */
const atFile =
  (path: string, most: number): AimAt =>
  (chance) => ({
    strike: {
      ...{ process: 'train-worker', path },
      nth: 1 + Math.floor(chance() * most),
      mode: modes[Math.floor(chance() * modes.length)],
    },
  });

/** Some time after the record of a step. */
const afterStep = (chance: Chance, delay: number, content?: string): Aim => ({
  strike: {
    ...{ process: 'train-worker', path: '/logs/metrics\\.jsonl$', mode: 'after' },
    nth: content === undefined ? 1 + Math.floor(chance() * 4) : 1,
    delay: Math.round(1000 * delay * chance()),
    ...(content !== undefined && { content }),
  },
});

const either =
  (...aims: readonly AimAt[]): AimAt =>
  (chance, pace, run) =>
    aims[Math.floor(chance() * aims.length)](chance, pace, run);

/** Looks take about so many steps. */
const LOOK = 8;

const aims = {
  'any time': (chance, { all }) => ({ killAfter: (1000 * all * chance()) / 6 }),
  start: (chance, { opening }) => ({ killAfter: 1000 * opening * chance() }),
  'a step': (chance, { step }) => afterStep(chance, 2 * step),
  'saving the state': atFile('/neon/state/', 5),
  'saving an adapter': atFile('/neon/([^/]*\\.safetensors$|checkpoint-\\d+/|adapter_)', 3),
  'the records': atFile('/neon/((run|account|data)\\.json|config\\.yaml|\\.lock|logs/.*)$', 40),
  'a preview, a validation': either(
    (chance, { step }, { looksAt }) =>
      afterStep(chance, LOOK * step, `"step":(${looksAt.join('|')}),"epoch"`),
    atFile('/neon/(previews|logs/metrics)', 6),
  ),
  'encoding, the cache': either(atFile('/cache-\\d+(/|$)', 8), (chance, { opening }) => ({
    strike: {
      ...{ process: 'train-worker', path: '/cache-\\d+', nth: 2, mode: 'after' },
      delay: Math.round(500 * opening * chance()),
    },
  })),
  'a copy elsewhere': atFile('/backup/', 6),
  'the end': either(
    atFile(
      '/neon/(answers\\.md|contact-sheet\\.png|previews\\.(png|html)|adapter_model|neon\\.)',
      3,
    ),
    (chance, { step }, { steps }) => afterStep(chance, LOOK * step, `"step":${steps},"epoch"`),
  ),
} satisfies Readonly<Record<string, AimAt>>;

export type Moment = keyof typeof aims;

/** Those that a run of the task comes through, the end last. */
export const momentsOf = (run: SmallRun): Moment[] =>
  (Object.keys(aims) as Moment[]) // made of these keys
    .filter((moment) => run.task === 'image' || moment !== 'encoding, the cache');

/** What came of the kills at moments of one kind. */
export interface Tally {
  kills: number;
  /** Starts that did not end with the same command. */
  failures: number;
  /** Bytes of checkpoints that were not whole after a kill. */
  torn: number;
  /** Steps that were computed again for these kills. */
  repeated: number;
}

export interface Outcome {
  readonly tallies: ReadonlyMap<Moment, Tally>;
  readonly rounds: number;
  readonly starts: number;
  readonly bytes: number;
  readonly compared: number;
  readonly differing: readonly string[];
  readonly repeated: number;
  /** What starts said that failed. */
  readonly failures: readonly string[];
}

export interface KillOptions {
  readonly run: SmallRun;
  readonly kills: number;
  readonly seed: number;
  readonly pace: Pace;
  readonly expected: ReturnType<typeof remainsOf>;
  readonly tell: (line: string) => void;
}

/** Kills of a run before it is left alone; then the next run begins. */
const PER_ROUND = 10;

export async function killedRuns(options: KillOptions): Promise<Outcome> {
  const { run, kills, seed, expected, tell } = options;
  const numbers = uniforms(seed, 0, new Float64Array(40 * kills + 1000));
  let used = 0;
  const chance = () => numbers[used++ % numbers.length];
  const tallies = new Map<Moment, Tally>();
  const totals = { rounds: 0, starts: 0, bytes: 0, compared: 0, repeated: 0 };
  const [differing, failures] = [new Set<string>(), [] as string[]];
  const done = () => [...tallies.values()].reduce((sum, tally) => sum + tally.kills, 0);
  while (done() < kills && failures.length < 5) {
    const name = `killed-${totals.rounds++}`;
    const round = new Round(options, { name, chance, tallies });
    const left = kills - done();
    const failure = await round.go(Math.min(PER_ROUND, left));
    if (failure !== undefined) failures.push(failure);
    const { bytes, files, compared } = differences(expected, remainsOf(run.at(name)));
    totals.starts += round.starts;
    totals.bytes += bytes;
    totals.compared += compared;
    totals.repeated += round.repeated;
    for (const file of files) differing.add(file);
    tell(`${done()} of ${kills} kills, ${totals.rounds} runs, ${bytes} bytes differ`);
    if (bytes === 0) rmSync(join(run.root, name), { recursive: true });
  }
  return { ...totals, tallies, differing: [...differing], failures };
}

const isDone = (dir: string): boolean => existsSync(dir) && readFacts(dir)?.finished !== undefined;

/** One run, killed at moments of every kind. */
class Round {
  starts = 0;
  repeated = 0;
  /** How many steps had been computed at each kill. */
  readonly #killedAt: (readonly [Moment, number])[] = [];

  constructor(
    readonly options: KillOptions,
    readonly of: {
      readonly name: string;
      readonly chance: Chance;
      readonly tallies: Map<Moment, Tally>;
    },
  ) {}

  /** What the last start said, where it failed. */
  async go(kills: number): Promise<string | undefined> {
    const { run } = this.options;
    for (const moment of [...this.#order(kills), undefined]) {
      if (isDone(run.at(this.of.name))) break;
      const ended = await this.#start(moment);
      if (moment !== undefined && ended.isKilled && ended.code !== 0) this.#count(moment);
      else if (ended.code !== 0) return this.#failed(moment ?? 'any time', ended);
    }
    this.#attribute();
    return undefined;
  }

  /** Moments of every kind in an order of chance, the end last. */
  #order(kills: number): Moment[] {
    const moments = momentsOf(this.options.run);
    const shuffled = moments
      .filter((moment) => moment !== 'the end')
      .map((moment) => [moment, this.of.chance()] as const)
      .sort(([, a], [, b]) => a - b)
      .map(([moment]) => moment);
    const all = [...shuffled, ...shuffled].slice(0, kills - 1);
    return [...all, 'the end'];
  }

  #start(moment: Moment | undefined): Promise<Ended> {
    const { run, pace } = this.options;
    const { name, chance } = this.of;
    const cache = moment === 'encoding, the cache' ? `cache-${this.starts}` : 'cache';
    this.starts++;
    return started(run.root, {
      args: run.args(name),
      env: {
        LORA_SCRIPTS_CACHE: join(run.root, moment === 'encoding, the cache' ? name : '', cache),
      },
      ...(moment !== undefined && aims[moment](chance, pace, run)),
    });
  }

  #count(moment: Moment): void {
    const dir = this.options.run.at(this.of.name);
    const tally = this.#tally(moment);
    tally.kills++;
    tally.torn += tornBytes(dir);
    this.#killedAt.push([moment, stepsComputed(dir).length]);
  }

  #tally(moment: Moment): Tally {
    const { tallies } = this.of;
    const found = tallies.get(moment) ?? { kills: 0, failures: 0, torn: 0, repeated: 0 };
    tallies.set(moment, found);
    return found;
  }

  #failed(moment: Moment, { said, code }: Ended): string {
    this.#tally(moment).failures++;
    return `${this.of.name}, exit ${code}: ${said.slice(-600)}`;
  }

  /** Each step that was computed again is put down to the kill before it. */
  #attribute(): void {
    const steps = stepsComputed(this.options.run.at(this.of.name));
    this.repeated = steps.length - new Set(steps).size;
    this.#killedAt.forEach(([moment, at], i) => {
      if (i > 0 && this.#killedAt[i - 1][1] === at) return;
      const [reached, next] = [steps[at - 1] ?? 0, steps[at] ?? Infinity];
      this.#tally(moment).repeated += Math.max(0, reached - next + 1);
    });
  }
}
