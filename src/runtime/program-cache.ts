// Programs by key, few of them alive: each holds a session, and what it computes with.

import { inTurn } from '../util/in-turn.ts';

export interface Releasable {
  release(): Promise<void>;
}

interface Entry<T extends Releasable = Releasable> {
  readonly opening: Promise<T>;
  /** Stays until its owner releases it. */
  readonly isPinned: boolean;
  readonly forget: () => void;
  readonly release: () => Promise<void>;
}

/** All programs of a process, whoever uses them. */
export class ProgramCache {
  /** Least recently used first. */
  readonly #entries = new Set<Entry>();

  /** `most`: programs alive at a time. */
  constructor(readonly most: number) {}

  /** The programs of one user, of which at most so many stay. */
  programs<T extends Releasable>(most: number): Programs<T> {
    return new Programs(this, most);
  }

  /** Notes that it was used last. */
  touch(entry: Entry): void {
    this.#entries.delete(entry);
    this.#entries.add(entry);
  }

  forget(entry: Entry): void {
    this.#entries.delete(entry);
  }

  /** Those that must go before one more fits. */
  inTheWay(): Entry[] {
    return surplus([...this.#entries], this.most);
  }

  async release(): Promise<void> {
    await dropAll([...this.#entries]);
  }
}

/** One user's programs. */
export class Programs<T extends Releasable = Releasable> {
  readonly #cache: ProgramCache;
  readonly #most: number;
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry<T>>();

  constructor(cache: ProgramCache, most: number) {
    this.#cache = cache;
    this.#most = most;
  }

  /**
   * The program of that key; `open` makes it where it is not alive, after another has made room. A
   * program that is `pinned` stays until all are released.
   */
  get(key: string, open: () => Promise<T>, { pinned = false } = {}): Promise<T> {
    const entry = this.#entries.get(key) ?? this.#open(key, open, pinned);
    this.#touch(key, entry);
    return entry.opening;
  }

  async release(): Promise<void> {
    await dropAll([...this.#entries.values()]);
  }

  #open(key: string, open: () => Promise<T>, isPinned: boolean): Entry<T> {
    const old = [...surplus([...this.#entries.values()], this.#most), ...this.#cache.inTheWay()];
    const opening = dropAll(old).then(open);
    const entry: Entry<T> = {
      opening,
      isPinned,
      forget: () => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
        this.#cache.forget(entry);
      },
      release: async () => (await opening.catch(() => undefined))?.release(),
    };
    opening.catch(entry.forget); // there is none to be released
    return entry;
  }

  #touch(key: string, entry: Entry<T>): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    this.#cache.touch(entry);
  }
}

/** The oldest of `entries` that go where only `most` may be, with one more. */
function surplus<E extends Entry>(entries: readonly E[], most: number): E[] {
  const loose = entries.filter(({ isPinned }) => !isPinned);
  return loose.slice(0, Math.max(0, entries.length + 1 - most));
}

/** Nobody finds them any more, then one after the other is released. */
async function dropAll(entries: readonly Entry[]): Promise<void> {
  for (const { forget } of entries) forget();
  await inTurn([...new Set(entries)].map(({ release }) => release));
}
