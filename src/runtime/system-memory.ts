// What the system says of its memory: how much a process may still take, and how many processes
// it has ended because there was none left.

import { readFileSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import { join, posix } from 'node:path';

/** The content of a file of the system; undefined where there is none. */
export type ReadSystem = (path: string) => string | undefined;

export const readSystem: ReadSystem = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

export interface AvailableMemory {
  /** What a process may take before the system must end one. */
  readonly bytes: number;
  /** `group`: a container, a service or a batch system allows no more. */
  readonly of: 'machine' | 'group';
}

/** macOS calls little of its memory free, and gives up most of the rest. */
const freeMemory = process.platform === 'darwin' ? totalmem : freemem;

/**
 * The least of what the machine has left (Linux: MemAvailable, which counts what the system can
 * give up, and what it can still swap out) and of what the limits on control groups leave, of
 * versions 1 and 2.
 */
export function availableMemory(
  read: ReadSystem = readSystem,
  free: () => number = freeMemory,
): AvailableMemory {
  const meminfo = read('/proc/meminfo');
  const available = kibibytes(meminfo, 'MemAvailable');
  const machine =
    available === undefined ? free() : available + (kibibytes(meminfo, 'SwapFree') ?? 0);
  const group = Math.min(...groupFolders(read).map((folder) => leftIn(folder, read)));
  return group < machine ? { bytes: group, of: 'group' } : { bytes: machine, of: 'machine' };
}

/**
 * How many processes the system has ended for lack of memory since it was started, this group's and
 * others'; undefined where it does not count them.
 */
export function memoryKills(read: ReadSystem = readSystem): number | undefined {
  const everywhere = fieldOf(read('/proc/vmstat'), 'oom_kill'); // Linux 4.13
  if (everywhere !== undefined) return everywhere;
  const counts = groupFolders(read).flatMap((folder) =>
    ['memory.events', 'memory.oom_control'].flatMap((name) => {
      const count = fieldOf(read(join(folder, name)), 'oom_kill');
      return count === undefined ? [] : [count];
    }),
  );
  return counts.length === 0 ? undefined : Math.max(...counts);
}

/** `MemAvailable:   123 kB` in bytes. */
function kibibytes(text: string | undefined, name: string): number | undefined {
  const [, number] = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text ?? '') ?? [];
  return number === undefined ? undefined : Number(number) * 1024;
}

/** `oom_kill 2` */
function fieldOf(text: string | undefined, name: string): number | undefined {
  const [, number] = new RegExp(`^${name} (\\d+)$`, 'm').exec(text ?? '') ?? [];
  return number === undefined ? undefined : Number(number);
}

/**
 * The folders of the control groups that this process is in, from its own to the outermost. In a
 * container the outermost that is seen is its own, whatever /proc/self/cgroup says.
 */
function groupFolders(read: ReadSystem): string[] {
  const lines = (read('/proc/self/cgroup') ?? '').split('\n');
  return lines.flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) return [];
    if (controllers === '') return above('/sys/fs/cgroup', path);
    return controllers.split(',').includes('memory') ? above('/sys/fs/cgroup/memory', path) : [];
  });
}

const above = (root: string, path: string): string[] =>
  path === '/' || path.startsWith('/..')
    ? [root]
    : [posix.join(root, path), ...above(root, posix.dirname(path))];

/** What a group may still take; Infinity where it has no limit. */
function leftIn(folder: string, read: ReadSystem): number {
  const versions = [
    { limit: 'memory.max', used: 'memory.current', reclaimable: 'inactive_file' },
    {
      limit: 'memory.limit_in_bytes',
      used: 'memory.usage_in_bytes',
      reclaimable: 'total_inactive_file',
    },
  ];
  const left = versions.map(({ limit, used, reclaimable }) => {
    const most = Number(read(join(folder, limit)) ?? NaN); // `max` is no number either
    const now = Number(read(join(folder, used)) ?? NaN);
    const files = fieldOf(read(join(folder, 'memory.stat')), reclaimable) ?? 0;
    return Number.isNaN(most) || Number.isNaN(now) ? Infinity : Math.max(0, most - (now - files));
  });
  return Math.min(...left);
}
