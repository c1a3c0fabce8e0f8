// How much of what a run could use of the processor other programs take: what makes a forecast
// wrong by the clock, however right it was.

import { cpus } from 'node:os';
import { readSystem, type ReadSystem } from '../runtime/system-memory.ts';

/** What has been used up to now. */
export interface ProcessorUse {
  /** Seconds by the clock. */
  readonly clock: number;
  /** Seconds of the processor that this process has used. */
  readonly own: number;
  /** Seconds of all processors that all programs have used. */
  readonly all: number;
  readonly processors: number;
}

/** Linux counts in hundredths of a second. */
const TICKS = 100;

/** Of this machine; undefined where the system does not tell. */
export function processorUse(read: ReadSystem = readSystem): ProcessorUse | undefined {
  const all = busySeconds(read);
  if (all === undefined) return undefined;
  const { user, system } = process.cpuUsage();
  const [clock, own] = [performance.now() / 1000, (user + system) / 1e6];
  return { clock, own, all, processors: cpus().length };
}

/** With what the host of a virtual machine takes (`steal`), which Node leaves out. */
function busySeconds(read: ReadSystem): number | undefined {
  const [, line] = /^cpu +([\d ]+)$/m.exec(read('/proc/stat') ?? '') ?? [];
  if (line === undefined) {
    const busy = cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys, 0);
    return busy === 0 ? undefined : busy / 1000;
  }
  const [user, nice, system, , , irq, softirq, steal = 0] = line.split(' ').map(Number);
  return (user + nice + system + irq + softirq + steal) / TICKS;
}

/**
 * The share, 0 to 1, of the processors that `threads` threads could use that others had meanwhile.
 * Where there are more processors than all of them need, that is none.
 */
export function competition(begin: ProcessorUse, end: ProcessorUse, threads: number): number {
  const seconds = end.clock - begin.clock;
  if (seconds <= 0) return 0;
  const others = (end.all - begin.all - (end.own - begin.own)) / seconds;
  const wanted = Math.min(threads, end.processors);
  const missing = others + wanted - end.processors;
  return Math.min(1, Math.max(0, missing / wanted));
}

/** Counts from when it is made, or from `again`. */
export class MachineLoad {
  #begin: ProcessorUse | undefined;

  constructor(
    readonly threads: () => number,
    readonly use: () => ProcessorUse | undefined = processorUse,
  ) {
    this.#begin = use();
  }

  /** As `competition` has it; undefined where the system does not tell. */
  get share(): number | undefined {
    const now = this.use();
    if (this.#begin === undefined || now === undefined) return undefined;
    return competition(this.#begin, now, this.threads());
  }
}
