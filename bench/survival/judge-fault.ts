// One fault: what the program said, what was lost, and whether the same command ends as without it.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readFacts } from '../../src/runs/facts.ts';
import type { Fault, Scene } from './faults.ts';
import { differences, remainsOf, stepsComputed } from './remains.ts';
import type { SmallRun } from './small-runs.ts';
import { started, type Ended } from './started.ts';

export interface FaultRow {
  readonly name: string;
  readonly exit: number | null;
  /** The first line of what each start complained of, where it did. */
  readonly said: readonly string[];
  /** Bytes that are not as in a run without the fault. */
  readonly bytes: number;
  readonly files: readonly string[];
  readonly repeated: number;
  /** Starts until it was done. */
  readonly starts: number;
  /** What must not be: a stack, another exit code, nothing said. */
  readonly faults: readonly string[];
}

/** Starts after which a run that is not done will never be. */
const MOST_STARTS = 4;

export async function judgeFault(
  run: SmallRun,
  fault: Fault,
  index: number,
  expected: ReturnType<typeof remainsOf>,
): Promise<FaultRow> {
  const name = `fault-${index}`;
  const scene: Scene = { run, name, dir: run.at(name), around: dirname(run.at(name)) };
  const args = run.args(name, { backup_dir: undefined, ...fault.settings?.(scene) });
  if (fault.isCut === true) cpSync(run.at('cut'), scene.dir, { recursive: true });
  else mkdirSync(scene.around, { recursive: true });
  fault.prepare?.(scene);
  const before = untouched(scene.dir);
  const cache = { LORA_SCRIPTS_CACHE: join(run.root, 'cache') };
  const begin = { args, env: cache };
  const first = await started(run.root, { ...begin, ...fault.start?.(scene) });
  const lostNow = first.code === 1 ? missing(before, scene.dir) : [];
  fault.undo?.(scene);
  const ends: Ended[] = [first];
  while (!isDone(scene.dir) && ends.length < MOST_STARTS) ends.push(await started(run.root, begin));
  const { bytes, files } = differences(expected, remainsOf(scene.dir), fault.taken);
  const steps = stepsComputed(scene.dir);
  return {
    name: fault.name,
    exit: first.code,
    said: ends.flatMap(({ said }) => complaintOf(said) ?? []),
    ...{ bytes, files },
    repeated: steps.length - new Set(steps).size,
    starts: ends.length,
    faults: [...faultsOf(ends), ...lostNow.map((file) => `${file} is gone after the refusal`)],
  };
}

const isDone = (dir: string): boolean => {
  try {
    return existsSync(dir) && readFacts(dir)?.finished !== undefined;
  } catch {
    return false;
  }
};

/** Files of a run by name and size; those that every start adds to are left out. */
function untouched(dir: string): ReadonlyMap<string, string> {
  if (!existsSync(dir)) return new Map();
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter(
    (name) => statSync(join(dir, name)).isFile() && !/^(logs|\.lock|run\.json|account)/.test(name),
  );
  return new Map(names.map((name) => [name, readFileSync(join(dir, name), 'latin1')]));
}

function missing(before: ReadonlyMap<string, string>, dir: string): string[] {
  const now = untouched(dir);
  return [...before].flatMap(([name, bytes]) => (now.get(name) === bytes ? [] : [name]));
}

/** The first warning or error. */
function complaintOf(said: string): string | undefined {
  const lines = said.split('\n').map((line) => line.trim());
  const at = lines.findIndex((line) =>
    /^(warning|!|⚠)|cannot|refused|error|kept|gone|damaged/i.test(line),
  );
  return at < 0 ? undefined : lines.slice(at, at + 2).join(' ');
}

function faultsOf(ends: readonly Ended[]): string[] {
  const stack = ends.some(
    ({ said }) => /^\s+at .*[(:]\d+/m.test(said) || said.includes('internal:'),
  );
  const odd = ends.map(({ code }) => code).filter((code) => ![0, 1, 130, null].includes(code));
  const endless = ends.length === MOST_STARTS ? ['it was never done'] : [];
  const silent = ends.some(({ code, said }) => code === 1 && said.trim() === '');
  return [
    ...endless,
    ...(stack
      ? [`it printed a stack: ${ends.map(({ said }) => said.slice(-800)).join('\n')}`]
      : []),
    ...odd.map((code) => `exit code ${code}`),
    ...(silent ? ['it said nothing'] : []),
  ];
}
