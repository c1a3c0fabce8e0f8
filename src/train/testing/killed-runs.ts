// A run in a process that is killed again and again, and what is left of it: for the tests and the
// bench of what a run survives.

import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { dataOffset } from '../../tensor/safetensors.ts';
import { uniforms } from '../../util/philox.ts';

/** Values of the configuration; paths are absolute. */
export type Settings = Readonly<Record<string, unknown>>;

export interface KillOptions {
  readonly settings: Settings;
  /** Starts that are killed before the run is left alone. */
  readonly kills: number;
  /** A process is killed after so many milliseconds at the most, counted from its first event. */
  readonly within: number;
  readonly seed: number;
  /** The first start is killed after this step, and the run left so. */
  readonly leaveAt?: number;
  /** Environment of the processes. */
  readonly env?: NodeJS.ProcessEnv;
}

export interface Survival {
  /** Starts that were killed before they were done. */
  readonly killed: number;
  /** Steps that were computed in all starts together. */
  readonly computed: number;
  /** What the last start threw; undefined where it was done. */
  readonly failure?: string;
  /** Seconds of all starts together. */
  readonly seconds: number;
}

const entry = new URL('./training-process.ts', import.meta.url);

/** Starts the run until it is done, killing the first starts at moments that chance chooses. */
export async function killedRun(options: KillOptions): Promise<Survival> {
  const { kills, within, seed } = options;
  const moments = uniforms(seed, 0, new Float64Array(kills));
  const began = performance.now();
  let [computed, killed] = [0, 0];
  for (let start = 0; ; start++) {
    const after = start < kills ? moments[start] * within : undefined;
    const outcome = await oneStart(options, after);
    if (options.leaveAt !== undefined)
      return { killed: 1, computed: outcome.steps, seconds: (performance.now() - began) / 1000 };
    computed += outcome.steps;
    if (outcome.how === 'killed') killed++;
    else {
      const failure = outcome.how === 'done' ? undefined : outcome.how;
      return { killed, computed, failure, seconds: (performance.now() - began) / 1000 };
    }
  }
}

interface StartOutcome {
  /** `killed`, `done`, or what went wrong. */
  readonly how: string;
  readonly steps: number;
}

function oneStart(
  { settings, env, leaveAt }: KillOptions,
  after: number | undefined,
): Promise<StartOutcome> {
  return new Promise((resolve) => {
    const child = fork(entry, {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, ...env },
    });
    let [steps, how, timer] = [
      0,
      'it ended without a word',
      undefined as NodeJS.Timeout | undefined,
    ];
    child.on('message', (message: Message) => {
      if (message.type === 'step') steps++;
      if (steps === leaveAt) child.kill('SIGKILL');
      else if (message.type === 'end') how = message.failure ?? 'done';
      if (after !== undefined && timer === undefined)
        timer = setTimeout(() => child.kill('SIGKILL'), after);
    });
    child.on('close', (_code, signal) => {
      clearTimeout(timer);
      resolve({ how: signal === 'SIGKILL' ? 'killed' : how, steps });
    });
    child.send(settings);
  });
}

/** What the process says: an event of the run by its type, or its end. */
export interface Message {
  readonly type: string;
  readonly failure?: string;
}

/**
 * What must be the same of two runs with the same settings: by file, its bytes or their hash. Times
 * are no part of it: those in a picture adapter's metadata, in run.json and in the log.
 */
export function remains(dir: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort()) {
    if (/^runs(\/|$)/.test(name)) continue;
    if (name.endsWith('.safetensors'))
      found[name] = hashOf(numbersOf(readFileSync(join(dir, name))));
    else if (name.endsWith('metrics.jsonl')) found[name] = readFileSync(join(dir, name), 'utf8');
    else if (/\.(png|md)$/.test(name)) found[name] = hashOf(readFileSync(join(dir, name)));
    else if (/\.part-/.test(name)) found[name] = 'left behind';
  }
  return found;
}

/** The tensors of a file, without its header. */
const numbersOf = (bytes: Uint8Array): Uint8Array => bytes.subarray(dataOffset(bytes));

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
