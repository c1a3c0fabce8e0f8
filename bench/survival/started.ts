// The command line as a user starts it, in processes that are killed, limited or signalled.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const product = fileURLToPath(new URL('../../scripts/launch.cjs', import.meta.url));
const preload = fileURLToPath(new URL('./strike.cjs', import.meta.url));

/** One call to the disk at which a process dies. */
export interface Strike {
  /** Part of the path of the program: the training's process, or the command line's. */
  readonly process: 'train-worker' | 'launch';
  /** Matches the path that is called. */
  readonly path: string;
  /** Matches what is written. */
  readonly content?: string;
  /** From 1. */
  readonly nth: number;
  readonly mode: 'before' | 'torn' | 'after';
  /** Milliseconds after the call; without it, at once. */
  readonly delay?: number;
}

export interface StartOptions {
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Loaded into every process before its program. */
  readonly preloads?: readonly string[];
  /** A command around it: `prlimit --nofile=64`. */
  readonly within?: readonly string[];
  readonly strike?: Strike;
  /** Milliseconds after which all its processes are killed. */
  readonly killAfter?: number;
  /** Told of the process when it has begun. */
  readonly during?: (process: { readonly pid: number }) => Promise<void>;
}

export interface Ended {
  readonly code: number | null;
  /** Killed as it was meant to be. */
  readonly isKilled: boolean;
  /** All that it said. */
  readonly said: string;
  readonly seconds: number;
}

/** Runs it to its end. `scratch`: a folder for notes. */
export async function started(scratch: string, options: StartOptions): Promise<Ended> {
  const { args, env, within = [], strike, killAfter, during, preloads = [] } = options;
  const told = join(scratch, 'struck');
  writeFileSync(told, '');
  const loaded = [...(strike === undefined ? [] : [preload]), ...preloads];
  const [command, ...rest] = [...within, process.execPath, product, ...args];
  const began = performance.now();
  const child = spawn(command, rest, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...env,
      NODE_OPTIONS: loaded.map((file) => `--require ${file}`).join(' '),
      ...(strike !== undefined && { SURVIVAL_STRIKE: JSON.stringify({ ...strike, told }) }),
    },
  });
  const pieces: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => pieces.push(text));
  let isKilled = false;
  const killing =
    killAfter === undefined
      ? undefined
      : setTimeout(() => {
          isKilled = true;
          signalAll(child.pid, 'SIGKILL');
        }, killAfter);
  const [code] = await Promise.all([
    new Promise<number | null>((resolve) => child.on('close', (exit) => resolve(exit))),
    child.pid === undefined ? undefined : during?.({ pid: child.pid }),
  ]);
  clearTimeout(killing);
  return {
    code,
    isKilled: isKilled || readFileSync(told, 'utf8') !== '',
    said: pieces.join(''),
    seconds: (performance.now() - began) / 1000,
  };
}

/** To the process and all that it started, as a closed terminal does; it may be gone. */
export function signalAll(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // gone already
  }
}

/** Waits until a run has recorded so many steps; gives up after a while. */
export async function untilStep(dir: string, step: number): Promise<void> {
  const path = join(dir, 'logs/metrics.jsonl');
  const end = performance.now() + 120_000;
  while (performance.now() < end) {
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    if (text.includes(`"step":${step},`)) return;
    await pause(10);
  }
}

export const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));
