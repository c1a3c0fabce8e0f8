// Weights outside their files, each once for all programs that read it.

import { isExternal, type ExternalTensor, type Tensor } from '../tensor/tensor.ts';
import { inTurn } from '../util/in-turn.ts';
import { needed } from '../util/needed.ts';
import type { Backend } from './backend.ts';
import type { Held, WeightToHold } from './weight-plan.ts';

interface Entry {
  readonly held: Promise<Held>;
  users: number;
}

/** What one program uses of a store. */
export interface Hold {
  /** In the order in which they were asked for. */
  readonly weights: readonly Held[];
  release(): Promise<void>;
}

export class WeightStore {
  readonly #backend: Pick<Backend, 'hold'>;
  readonly #entries = new Map<string, Entry>();

  constructor(backend: Pick<Backend, 'hold'>) {
    this.#backend = backend;
  }

  /** Holds weights, those that are not held yet in one go. */
  async hold(wanted: readonly WeightToHold[]): Promise<Hold> {
    this.#open(wanted);
    const entries = wanted.map((weight) => needed(this.#entries, keyOf(weight), 'weight'));
    for (const entry of entries) entry.users++;
    let isHeld = true;
    const release = async () => {
      if (isHeld) for (const entry of entries) entry.users--;
      isHeld = false;
    };
    try {
      return { weights: await Promise.all(entries.map(({ held }) => held)), release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  /** Releases the weights that no program uses. */
  async trim(): Promise<void> {
    const idle = [...this.#entries].filter(([, { users }]) => users === 0);
    for (const [key] of idle) this.#entries.delete(key);
    await inTurn(
      idle.map(
        ([, { held }]) =>
          async () =>
            (await held).release(),
      ),
    );
  }

  /** `trim`; what programs still use is theirs no longer. */
  async release(): Promise<void> {
    await this.trim();
    this.#entries.clear();
  }

  #open(wanted: readonly WeightToHold[]): void {
    const missing = new Map(
      wanted
        .map((weight) => [keyOf(weight), weight] as const)
        .filter(([key]) => !this.#entries.has(key)),
    );
    if (missing.size === 0) return;
    const keys = [...missing.keys()];
    const opening = this.#backend.hold([...missing.values()]);
    for (const [i, key] of keys.entries())
      this.#entries.set(key, { held: opening.then((all) => all[i]), users: 0 });
    opening.catch(() => keys.forEach((key) => this.#entries.delete(key))); // they are not there
  }
}

const ids = new WeakMap<object, number>();
let count = 0;

function idOf(buffer: object): number {
  const id = ids.get(buffer) ?? ++count;
  ids.set(buffer, id);
  return id;
}

/** The same for the same numbers in the same place, kept in the same way. */
function keyOf({ tensor, kept }: WeightToHold): string {
  return [placeOf(tensor), tensor.dtype, tensor.shape.join('x'), kept.how, kept.dtype].join(' ');
}

const placeOf = (tensor: Tensor | ExternalTensor): string =>
  isExternal(tensor)
    ? `${tensor.path}:${tensor.offset}`
    : `#${idOf(tensor.data.buffer)}:${tensor.data.byteOffset}`;
