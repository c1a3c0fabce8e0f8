// How much memory this process holds.

import { readFileSync } from 'node:fs';

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

function proportionalSetSize(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const line = /^Pss:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'));
    return line === null ? undefined : Number(line[1]) * 1024;
  } catch {
    return undefined; // kernels before 4.14, and sandboxes that hide /proc
  }
}
