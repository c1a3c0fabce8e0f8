// What became of the process that worked on a run last, where it could not say so itself.

import type { Problem } from '../errors.ts';
import { byteSize } from '../util/byte-size.ts';
import type { Start } from './facts.ts';

/** The system that asks. */
export interface PresentSystem {
  readonly host: string;
  /** See `bootId`. */
  readonly boot?: string;
  /** See `memoryKills`. */
  readonly memoryKills?: number;
}

/** What the records say of the last start. */
export interface LastSeen {
  /** The run's folder. */
  readonly dir: string;
  /** The last step that was recorded; 0 where none was. */
  readonly step: number;
  /** The most memory that the process was seen to hold, in bytes. */
  readonly mostMemory?: number;
  /** What to do where memory ran out, as sentences. */
  readonly remedy?: () => string;
}

/**
 * What to tell of a start that did not end by itself; undefined where it was done, was asked to
 * stop, or told its error when it failed. `start`: the last one of run.json.
 */
export function howItEnded(start: Start, now: PresentSystem, seen: LastSeen): Problem | undefined {
  if (start.ended !== undefined) return undefined;
  const where = seen.dir;
  const after = seen.step > 0 ? `after step ${seen.step}` : 'before its first step';
  if (start.host !== now.host) {
    const what = `the last start of this run was on another machine, ${start.host}; it was cut short ${after}, and only that machine knows why`;
    return { where, what };
  }
  if (start.boot !== undefined && now.boot !== undefined && start.boot !== now.boot) {
    const what = `the machine was restarted, or lost its power, while the run was at work: it was cut short ${after}`;
    return { where, what };
  }
  const kills = (now.memoryKills ?? 0) - (start.memoryKills ?? now.memoryKills ?? 0);
  return kills > 0 ? ranOut(seen, after, kills) : unexplained(start, seen, after);
}

function ranOut({ dir, mostMemory, remedy }: LastSeen, after: string, kills: number): Problem {
  const others = kills === 1 ? 'a process' : `${kills} processes`;
  const held = mostMemory === undefined ? '' : `; it held ${byteSize(mostMemory)} then`;
  const what = `memory ran out: the system ended ${others} for lack of it while this run was at work, which was cut short ${after}${held}`;
  return { where: dir, what, fix: remedy?.() };
}

function unexplained({ memoryKills }: Start, seen: LastSeen, after: string): Problem {
  const memory =
    memoryKills === undefined
      ? ', by somebody, by the system (as it does when memory runs out), or by a crash'
      : ', by somebody or by a crash; it was not for lack of memory';
  const held =
    memoryKills === undefined && seen.mostMemory !== undefined
      ? `. It held ${byteSize(seen.mostMemory)} then`
      : '';
  const what = `the last start was ended from outside ${after}${memory}${held}`;
  return { where: seen.dir, what, ...(memoryKills === undefined && { fix: seen.remedy?.() }) };
}
