// The memory of the first card, as nvidia-smi tells it.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';

const EVERY_MS = 250;
/** nvidia-smi may take seconds until it says its first number. */
const WAITS = 40;
const query = (what: string) => ['-i', '0', `--query-gpu=${what}`, '--format=csv,noheader,nounits'];

/** Name and driver; undefined where there is no nvidia-smi. */
export function cardName(): string | undefined {
  try {
    const options = { encoding: 'utf8', stdio: 'pipe' } as const;
    return execFileSync('nvidia-smi', query('name,driver_version,memory.total'), options).trim();
  } catch {
    return undefined;
  }
}

export class CardMemory {
  readonly #process: ChildProcess;
  #alive = true;
  #before: number | undefined;
  #most: number | undefined;
  #last: number | undefined;

  constructor() {
    this.#process = spawn('nvidia-smi', [...query('memory.used'), '-lms', String(EVERY_MS)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    // where there is none, nothing is measured
    this.#process.on('error', () => (this.#alive = false));
    this.#process.on('close', () => (this.#alive = false));
    // 'pipe' above: there is a stdout
    createInterface({ input: this.#process.stdout! }).on('line', (line) => this.#see(Number(line)));
  }

  #see(mebibytes: number): void {
    if (!Number.isFinite(mebibytes)) return;
    this.#last = mebibytes;
    this.#most = Math.max(this.#most ?? 0, mebibytes);
  }

  /**
   * What is used from now on counts beside what is used now: by a sample that is taken after this,
   * so that a process that has just ended is gone from it.
   */
  async begin(): Promise<void> {
    this.#last = undefined;
    for (let i = 0; i < WAITS && this.#last === undefined && this.#alive; i++)
      await setTimeout(EVERY_MS);
    this.#before = this.#last;
    this.restart();
  }

  /** Forgets the most until now. */
  restart(): void {
    this.#most = this.#last;
  }

  /** MiB at most since, beside those at `begin`. */
  get most(): number | undefined {
    return this.#most === undefined || this.#before === undefined
      ? undefined
      : this.#most - this.#before;
  }

  close(): void {
    this.#process.kill();
  }
}
