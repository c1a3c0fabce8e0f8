// Checkpoints that the disk refused: kept in memory, and tried again as the run goes on.

import { SystemError } from '../errors.ts';
import type { SavedEvent } from '../events.ts';

/** So many wait at a time; where another comes, the oldest is given up. */
const MOST = 3;

export class Postponed {
  #waiting: { readonly step: number; readonly write: () => readonly string[] }[] = [];

  /** Writes a checkpoint, and returns its files. Throws what hinders it; then it waits. */
  write(step: number, write: () => readonly string[]): readonly string[] {
    try {
      return write();
    } catch (error) {
      const others = this.#waiting.filter((one) => one.step !== step);
      if (error instanceof SystemError) this.#waiting = [...others, { step, write }].slice(-MOST);
      throw error;
    }
  }

  /** Writes those that wait, as far as the disk takes them. */
  *retry(): Generator<SavedEvent> {
    while (this.#waiting.length > 0) {
      const [{ step, write }] = this.#waiting;
      try {
        yield { type: 'saved', step, files: write(), notes: ['the disk takes it now'] };
      } catch (error) {
        if (error instanceof SystemError) return;
        throw error;
      }
      this.#waiting.shift();
    }
  }
}
