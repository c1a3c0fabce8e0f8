// Folders on disks that are full, read-only or limited: real ones, which takes Linux and root.

import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** What is mounted, to be taken away at the end. */
const mounted = new Set<string>();

/** A disk of its own in memory. Throws where the system does not permit it. */
export function mountSmall(dir: string, size: string): void {
  mkdirSync(dir, { recursive: true });
  run('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir);
  mounted.add(dir);
}

/** Makes a mounted disk read-only, or writable again. */
export const remount = (dir: string, how: 'ro' | 'rw'): string =>
  run('mount', '-o', `remount,${how}`, dir);

export function unmount(dir: string): void {
  run('umount', '-l', dir);
  mounted.delete(dir);
}

export function unmountAll(): void {
  for (const dir of mounted) unmount(dir);
}

/** Fills a disk to its last byte; returns what frees it. */
export function fill(dir: string): () => void {
  const path = join(dir, 'filler');
  const fd = openSync(path, 'w');
  try {
    for (let size = 1 << 16; size > 0; size >>= 1)
      while (writeSync(fd, new Uint8Array(size)) === size);
  } catch {
    // it is full
  } finally {
    closeSync(fd);
  }
  return () => rmSync(path, { force: true });
}

/** A limit on the processes of a group, as a container has one. */
export function memoryGroup(
  name: string,
  bytes?: number,
): { readonly join: readonly string[]; remove(): void } {
  const dir = `/sys/fs/cgroup/memory/${name}`;
  mkdirSync(dir, { recursive: true });
  if (bytes !== undefined) run('sh', '-c', `echo ${bytes} > ${dir}/memory.limit_in_bytes`);
  return {
    join: ['sh', '-c', `echo $$ > ${dir}/cgroup.procs; exec "$@"`, 'sh'],
    remove: () => run('rmdir', dir),
  };
}

/** Changes a limit of a running process. */
export const limit = (pid: number, what: string): string =>
  run('prlimit', '--pid', String(pid), what);

/** The processes that a process has started. */
export const childrenOf = (pid: number): number[] =>
  run('sh', '-c', `pgrep -P ${pid} || true`)
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
