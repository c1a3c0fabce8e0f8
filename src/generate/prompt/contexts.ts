// The text states that the UNet is given at each call, for all pictures that go through it
// together.

import { ConfigError, InternalError } from '../../errors.ts';
import { countUnsound } from '../../tensor/finite.ts';
import { float32, type Tensor } from '../../tensor/tensor.ts';
import { needed } from '../../util/needed.ts';
import { joined } from '../../util/joined.ts';
import { leastCommonMultiple } from '../../util/least-common-multiple.ts';
import { emphasize, type Emphasis } from './emphasis.ts';
import { longest, promptName, type PicturePrompts } from './picture-prompts.ts';
import { chunkCount, textFor, type PlannedPart } from './prompt-plan.ts';

/** Ids of one chunk -> its states [tokens, width]; `where` is what messages call the text. */
export type EncodeChunk = (ids: readonly number[], where: string) => Promise<Float32Array>;

export interface Contexts {
  /** Negative prompts, if any, one for each picture; then the parts of each picture. */
  readonly rows: number;
  /** Of all rows. */
  readonly tokens: number;
  /** Text states [rows, tokens, width] for a call of the model, counted from 0. */
  at(call: number): Tensor;
}

/** A part of a prompt with the states of each of its texts. */
interface Row {
  readonly part: PlannedPart;
  readonly states: readonly Float32Array[];
  /** Chunks that its picture gives it, by repeating its last vector, as WebUI does. */
  readonly chunks: number;
}

/**
 * Rows of different length get one by repetition: attention to the same states twice is attention
 * to them once. Throws ConfigError where weights give states that are not finite.
 */
export async function contextsOf(
  pictures: readonly PicturePrompts[],
  encode: EncodeChunk,
): Promise<Contexts> {
  const known = new Map<string, Float32Array>();
  const rows: Row[] = [];
  const add = async (part: PlannedPart, emphasis: Emphasis, chunks: number) => {
    await encodeChunks(part, encode, known);
    rows.push({ part, states: partStates(part, emphasis, known), chunks });
  };
  for (const { negative, emphasis } of pictures)
    if (negative !== undefined) await add(negative, emphasis, chunkCount(negative));
  for (const { parts, emphasis } of pictures)
    for (const part of parts) await add(part, emphasis, longest(parts));
  return contextsOfRows(rows);
}

const keyOf = (ids: readonly number[]): string => ids.join(' ');

async function encodeChunks(
  { texts }: PlannedPart,
  encode: EncodeChunk,
  known: Map<string, Float32Array>,
): Promise<void> {
  for (const { text, chunks } of texts)
    for (const { ids } of chunks)
      if (!known.has(keyOf(ids))) known.set(keyOf(ids), await encode(ids, promptName(text)));
}

/** Of each text of a schedule: WebUI encodes and emphasizes its n-th chunks together. */
function partStates(
  { texts }: PlannedPart,
  emphasis: Emphasis,
  known: ReadonlyMap<string, Float32Array>,
): Float32Array[] {
  const byChunk = texts[0].chunks.map((_, i) =>
    emphasize(
      texts.map(({ chunks }) => ({
        states: needed(known, keyOf(chunks[i].ids), 'states of the chunk'),
        weights: chunks[i].weights,
      })),
      emphasis,
    ),
  );
  return texts.map(({ text }, i) => {
    const states = joined(byChunk.map((chunk) => chunk[i]));
    requireFinite(states, text);
    return states;
  });
}

function requireFinite(states: Float32Array, text: string): void {
  if (countUnsound({ dtype: 'float32', data: states }) === 0) return;
  const what = 'its weights make numbers of the text that are not finite';
  const fix = 'Use weights in brackets between 0 and 2, such as (word:1.2).';
  throw new ConfigError([{ where: promptName(text), what, fix }]);
}

function contextsOfRows(rows: readonly Row[]): Contexts {
  const chunks = rows.map((row) => row.chunks).reduce(leastCommonMultiple);
  const [{ ids }] = rows[0].part.texts[0].chunks;
  const tokens = chunks * ids.length;
  const width = rows[0].states[0].length / (chunkCount(rows[0].part) * ids.length);
  let [now, context]: [string | undefined, Tensor | undefined] = [undefined, undefined];
  return {
    rows: rows.length,
    tokens,
    at(call) {
      const chosen = rows.map(({ part }) => textFor(part, call));
      if (context === undefined || now !== chosen.join()) {
        const states = rows.map((row, i) => filled(row, row.states[chosen[i]], chunks, width));
        [now, context] = [chosen.join(), float32([rows.length, tokens, width], joined(states))];
      }
      return context;
    },
  };
}

function filled(row: Row, states: Float32Array, chunks: number, width: number): Float32Array {
  const own = chunkCount(row.part);
  const last = states.subarray(states.length - width);
  const lacking = (row.chunks - own) * (states.length / own / width);
  if (!Number.isInteger(lacking))
    throw new InternalError(`${states.length} states, width ${width}`);
  const padded =
    lacking === 0 ? states : joined([states, ...Array<Float32Array>(lacking).fill(last)]);
  const times = chunks / row.chunks;
  return times === 1 ? padded : joined(Array<Float32Array>(times).fill(padded));
}
