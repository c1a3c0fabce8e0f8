// The captions of a run as token ids, and, where the text encoder is frozen, as its states.

import { pictureStages, requireSoundOutput } from '../../checkpoints/unsound.ts';
import { cacheKey, type TensorCache } from '../../storage/tensor-cache.ts';
import { textEncoderGraph } from '../../models/graphs.ts';
import type { ClipTextConfig } from '../../models/stable-diffusion-config.ts';
import type { Weights } from '../../tensor/weights.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { toFloat32 } from '../../tensor/half.ts';
import { int32, type Tensor } from '../../tensor/tensor.ts';
import { type PhaseEvent, phase } from '../../events.ts';
import { needed } from '../../util/needed.ts';
import { CACHE_VERSION } from './cache-entries.ts';

export interface StatesOptions {
  readonly textEncoder: ClipTextConfig;
  readonly weights: Weights;
  readonly clipSkip: number;
  /** Hash of the text encoder's weights. */
  readonly identity: string;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  /** Absent: nothing is kept. */
  readonly cache?: TensorCache;
}

const NAME = 'caching text states';
/** The graph's name of them. */
const STATES = 'text_states';

/** A caption as the text encoder reads it, and what messages call it. */
export interface EncodedCaption {
  readonly name: string;
  readonly ids: Int32Array;
}

/**
 * The states [tokens, width] of each list of ids, for `statesInOrder`; equal captions once. Throws
 * CheckpointError for numbers that are not finite.
 */
export async function* encodeCaptions(
  captions: readonly EncodedCaption[],
  options: StatesOptions,
): AsyncGenerator<PhaseEvent, ReadonlyMap<string, Float32Array>> {
  const distinct = firstByKey(captions);
  const states = new Map<string, Float32Array>();
  const { runtime, weights, textEncoder, clipSkip } = options;
  const programs = runtime.programs(1);
  const compute = async (ids: Int32Array) => {
    const graph = () => textEncoderGraph(textEncoder, [1, ids.length], clipSkip);
    const program = await programs.get(`${ids.length}`, () =>
      runtime.compile(graph(), { weights }),
    );
    const { text_states } = await program.run({ input_ids: int32([1, ids.length], ids) });
    return new Map([[STATES, text_states]]);
  };
  try {
    yield phase(NAME, 0, distinct.size);
    for (const [key, { ids, name }] of distinct) {
      if (options.signal.aborted) break;
      const tensor = await statesOf(key, () => compute(ids), options);
      requireSoundOutput(
        { name: STATES, tensor, sample: name },
        { ...pictureStages.textEncoder, weights },
      );
      states.set(key, tensor.data);
      yield phase(NAME, states.size, distinct.size);
    }
  } finally {
    await programs.release();
  }
  return states;
}

/** The first of equal captions. */
function firstByKey(captions: readonly EncodedCaption[]): Map<string, EncodedCaption> {
  const first = new Map<string, EncodedCaption>();
  for (const caption of captions) {
    const key = idsKey(caption.ids);
    if (!first.has(key)) first.set(key, caption);
  }
  return first;
}

async function statesOf(
  key: string,
  compute: () => Promise<Map<string, Tensor>>,
  { cache, identity, clipSkip, textEncoder }: StatesOptions,
): Promise<Tensor<'float32'>> {
  const entryKey = cacheKey(
    'text states',
    CACHE_VERSION,
    identity,
    JSON.stringify(textEncoder),
    clipSkip,
    key,
  );
  const entry = cache === undefined ? await compute() : await cache.getOrCompute(entryKey, compute);
  return toFloat32(needed(entry, STATES, 'tensor of the caption'));
}

/** The states of each list of ids, in its order. Throws InternalError where one has none. */
export const statesInOrder = (
  ids: readonly Int32Array[],
  states: ReadonlyMap<string, Float32Array>,
): Float32Array[] => ids.map((row) => needed(states, idsKey(row), 'states of the caption'));

const idsKey = (ids: Int32Array): string => ids.join(' ');
