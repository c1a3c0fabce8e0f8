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
