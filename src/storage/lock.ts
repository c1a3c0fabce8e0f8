// One process at a time in a folder: a file that names who is at work there.

import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, uptime } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { UserError } from '../errors.ts';
import { codeOf } from '../util/caught.ts';
import { bootId } from './boot-id.ts';
import { discard } from './folders.ts';
import { writeError } from './write-error.ts';

export const LOCK_FILE = '.lock';

const holder = z.object({
  pid: z.int(),
  host: z.string(),
  since: z.number(),
  /** Of the system and of the process, where they are known: a process id is used again. */
  boot: z.string().optional(),
  began: z.string().optional(),
});
/** Who is at work; `since` in ms since 1970. */
export type Holder = z.output<typeof holder>;

/**
 * Takes a folder that exists for this process; returns what gives it back. Takes over from a
 * process that is no longer there. Throws UserError where another one is at work, SystemError where
 * the disk refuses.
 */
export function lockFolder(dir: string): () => void {
  const path = join(dir, LOCK_FILE);
  const found = holderOf(path);
  if (found !== undefined && !isGone(found)) throw taken(dir, path, found);
  if (existsSync(path)) rmSync(path);
  const who = { boot: bootId(), began: beginningOf(process.pid) };
  const mine: Holder = { pid: process.pid, host: hostname(), since: Date.now(), ...who };
  try {
    writeFileSync(path, JSON.stringify(mine), { flag: 'wx' });
  } catch (cause) {
    const faster = codeOf(cause) === 'EEXIST' ? holderOf(path) : undefined;
    if (faster !== undefined) throw taken(dir, path, faster);
    if (codeOf(cause) !== 'EEXIST') discard(path); // cut short, as on a full disk
    throw writeError(path, cause);
  }
  return () => discard(path); // one that stays is known to be of a process that is gone
}

/** The process that is at work in a folder; undefined where there is none, or it is gone. */
export function liveHolder(dir: string): Holder | undefined {
  const found = holderOf(join(dir, LOCK_FILE));
  return found === undefined || isGone(found) ? undefined : found;
}

/** Undefined where there is no lock, or one that was cut short. */
function holderOf(path: string): Holder | undefined {
  try {
    return holder.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Slack of the clock against the time since the machine started, in ms. */
const SLACK = 60_000;

function isGone({ pid, host, since, boot, began }: Holder): boolean {
  if (host !== hostname()) return false;
  const isEarlierBoot =
    boot === undefined
      ? since < Date.now() - uptime() * 1000 - SLACK // a clock that jumps deceives this one
      : boot !== bootId();
  if (isEarlierBoot || (began !== undefined && began !== beginningOf(pid))) return true;
  try {
    process.kill(pid, 0); // asks only
    return false;
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
}

/** Whether a process is at work in a folder. */
export const isTaken = (dir: string): boolean => liveHolder(dir) !== undefined;

/** When a process began, in the system's ticks; undefined where that cannot be read. */
const beginningOf = (pid: number): string | undefined =>
  contentOf(`/proc/${pid}/stat`)
    ?.replace(/^.*\)/s, '') // its name may have spaces and brackets
    .trim()
    .split(' ')[19];

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

const taken = (dir: string, path: string, { pid, host }: Holder): UserError =>
  new UserError([
    {
      where: dir,
      what: `another run is using this folder: process ${pid}${host === hostname() ? '' : ` on ${host}`}`,
      fix: `Wait until it ends, or choose another output_dir. If no such run exists, delete ${path}.`,
    },
  ]);
