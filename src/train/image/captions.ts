// The captions of a run as token ids, and, where the text encoder is frozen, as its states.

import { cacheKey, type TensorCache } from '../../storage/tensor-cache.ts';
import { textEncoderGraph } from '../../models/graphs.ts';
import type { ClipTextConfig } from '../../models/stable-diffusion-config.ts';
import type { Weights } from '../../runtime/lowering.ts';
import { compile, type Program } from '../../runtime/program.ts';
import { toFloat32 } from '../../tensor/half.ts';
import { int32, type Tensor } from '../../tensor/tensor.ts';
import { type PhaseEvent, phase } from '../../events.ts';
import { CACHE_VERSION } from './cache-entries.ts';

export interface StatesOptions {
  readonly textEncoder: ClipTextConfig;
  readonly weights: Weights;
  readonly clipSkip: number;
  /** Hash of the text encoder's weights. */
  readonly identity: string;
  readonly threads: number;
  readonly signal: AbortSignal;
  /** Absent: nothing is kept. */
  readonly cache?: TensorCache;
}

const NAME = 'caching text states';

/** The states [tokens, width] of each list of ids, by `idsKey`; equal captions once. */
export async function* encodeCaptions(
  captions: Iterable<Int32Array>,
  options: StatesOptions,
): AsyncGenerator<PhaseEvent, ReadonlyMap<string, Float32Array>> {
  const distinct = new Map([...captions].map((ids) => [idsKey(ids), ids] as const));
  const states = new Map<string, Float32Array>();
  let program: Program | undefined;
  const compute = async (ids: Int32Array) => {
    program ??= await compile(
      textEncoderGraph(options.textEncoder, [1, ids.length], options.clipSkip),
      options,
    );
    const { text_states } = await program.run({ input_ids: int32([1, ids.length], ids) });
    return new Map([['text_states', text_states]]);
  };
  try {
    yield phase(NAME, 0, distinct.size);
    for (const [key, ids] of distinct) {
      if (options.signal.aborted) break;
      states.set(key, await statesOf(key, () => compute(ids), options));
      yield phase(NAME, states.size, distinct.size);
    }
  } finally {
    await program?.release();
  }
  return states;
}

async function statesOf(
  key: string,
  compute: () => Promise<Map<string, Tensor>>,
  { cache, identity, clipSkip, textEncoder }: StatesOptions,
): Promise<Float32Array> {
  const entryKey = cacheKey(
    'text states',
    CACHE_VERSION,
    identity,
    JSON.stringify(textEncoder),
    clipSkip,
    key,
  );
  const entry = cache === undefined ? await compute() : await cache.getOrCompute(entryKey, compute);
  const [tensor] = entry.values();
  return toFloat32(tensor).data;
}

export const idsKey = (ids: Int32Array): string => ids.join(' ');
