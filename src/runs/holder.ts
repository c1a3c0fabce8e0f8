// What changes with the steps of a run, and is kept with it.

/**
 * Holds something that a step changes. What it saves is plain data; restoring is strict both ways:
 * an entry that is missing, unknown or of another kind throws before anything is changed.
 */
export interface Holder<Saved = unknown> {
  save(): Saved;
  restore(saved: unknown): void;
}
