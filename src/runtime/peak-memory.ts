// The most memory that this process has held.

import { mappedTwice } from './memory.ts';

/**
 * The system's own record of the resident set, which no look from outside can miss, less what it
 * counts twice: a model file for each program that maps it. What other processes hold too, such as
 * Node's own file, counts in full: how many there are is nothing of this run.
 */
export class PeakMemory {
  #resident = 0;
  #bytes = 0;

  /** The most up to the last look, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** To be called every second or so, while the programs are alive that memory was needed for. */
  look(): void {
    const resident = process.resourceUsage().maxRSS * 1024;
    if (resident <= this.#resident) return;
    this.#resident = resident;
    this.#bytes = Math.max(this.#bytes, resident - mappedTwice());
  }
}
