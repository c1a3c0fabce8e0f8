// One text while it is written: what the model reads next, and what a token makes of the text.

import type { TextStream } from '../../tokenizer/text.ts';
import { pendingText, type PendingText } from './pending-text.ts';
import { nextToken } from './sampling.ts';
import type { CompleteTextRequest } from './text-request.ts';

/** A token that ends texts; a stop string; maxNewTokens, or the end of what the model can read. */
export type EndReason = 'end' | 'stop' | 'length';

/**
 * A token with the text that it makes certain; the last with all that was still pending, and why it
 * is the last.
 */
export interface Written {
  readonly id: number;
  readonly text: string;
  readonly ended?: EndReason;
}

export class Draft {
  readonly #request: CompleteTextRequest;
  readonly #stream: TextStream;
  readonly #pending: PendingText;
  /** Prompt and answer. */
  readonly #all: number[];
  #count = 0;
  #next: readonly number[];
  #texts: string[] = [];

  constructor(request: CompleteTextRequest, stream: TextStream) {
    this.#request = request;
    this.#stream = stream;
    this.#pending = pendingText(request.stop);
    this.#all = [...request.ids];
    this.#next = request.ids;
  }

  /** What the model reads now; nothing when the text has ended. */
  get next(): readonly number[] {
    return this.#next;
  }

  /** The answer so far. */
  get text(): string {
    return this.#texts.join('');
  }

  /** The next token, out of the logits behind `next`. */
  write(logits: Float32Array): Written {
    const { sampling, seed } = this.#request;
    const id = nextToken(logits, this.#all, sampling, seed, this.#count++);
    this.#all.push(id);
    const written = this.#read(id);
    this.#next = written.ended === undefined ? [id] : [];
    this.#texts.push(written.text);
    return written;
  }

  #read(id: number): Written {
    const { endIds, maxNewTokens } = this.#request;
    const isEnd = endIds.has(id);
    const { text, stopped } = this.#pending.push(isEnd ? '' : this.#stream.push(id));
    if (stopped) return { id, text, ended: 'stop' };
    if (!isEnd && this.#count < maxNewTokens) return { id, text };
    const rest = this.#pending.push(this.#stream.end());
    return {
      id,
      text: text + rest.text + this.#pending.end(),
      ended: rest.stopped ? 'stop' : isEnd ? 'end' : 'length',
    };
  }
}
