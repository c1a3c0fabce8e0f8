// How much memory this process holds, and how much it may have.

import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';

export interface ProcessMemory {
  readonly bytes: number;
  /**
   * `pss`: proportional set size, where a page shared by several mappings counts once (Linux).
   * `rss`: resident set size, which counts a file once for every mapping.
   */
  readonly measure: 'pss' | 'rss';
}

export function processMemory(): ProcessMemory {
  const pss = proportionalSetSize();
  return pss === undefined
    ? { bytes: process.memoryUsage.rss(), measure: 'rss' }
    : { bytes: pss, measure: 'pss' };
}

/**
 * Bytes that a container allows of the machine's `total`; undefined where that is all.
 * `constrained`: as Node tells it; 0 or beyond all memory means that there is no limit.
 */
export const memoryLimit = (
  constrained: number = process.constrainedMemory(),
  total: number = totalmem(),
): number | undefined => (constrained > 0 && constrained < total ? constrained : undefined);

/** Bytes that this process may have: the machine's, or what its container allows. */
export const machineMemory = (): number => memoryLimit() ?? totalmem();

function proportionalSetSize(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const line = /^Pss:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'));
    return line === null ? undefined : Number(line[1]) * 1024;
  } catch {
    return undefined; // kernels before 4.14, and sandboxes that hide /proc
  }
}

/** Bytes of files that this process holds in several mappings, beyond one; 0 where unknown. */
export function mappedTwice(smaps: string | undefined = ownMappings()): number {
  const ranges = new Map<string, FileRange[]>();
  for (const [, begin, end, offset, file, rss] of (smaps ?? '').matchAll(FILE_MAPPING)) {
    const from = parseInt(offset, 16);
    const length = parseInt(end, 16) - parseInt(begin, 16);
    const range = { from, to: from + length, resident: Number(rss) * 1024 };
    ranges.set(file, [...(ranges.get(file) ?? []), range]);
  }
  return [...ranges.values()].reduce((sum, ofFile) => sum + heldTwice(ofFile), 0);
}

/** Bounds in memory, offset in the file, device with inode (0: no file), resident kB. */
const FILE_MAPPING =
  /^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) (\S+ [1-9]\d*)\b.*\n(?:(?![0-9a-f]+-).*\n)*?Rss: +(\d+) kB/gm;

interface FileRange {
  readonly from: number;
  readonly to: number;
  readonly resident: number;
}

/** What is resident of a file, less the bytes of it that are mapped at all. */
function heldTwice(ranges: readonly FileRange[]): number {
  let [covered, end] = [0, 0];
  for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
    covered += Math.max(0, to - Math.max(from, end));
    end = Math.max(end, to);
  }
  const resident = ranges.reduce((sum, range) => sum + range.resident, 0);
  return Math.max(0, resident - covered);
}

function ownMappings(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    return readFileSync('/proc/self/smaps', 'utf8');
  } catch {
    return undefined; // sandboxes that hide /proc
  }
}
