// What a training of pictures does besides its steps, tried in small: encoding, the contact sheet.

import { openCache } from '../../storage/tensor-cache.ts';
import { cacheFolder } from '../../storage/cache-folder.ts';
import { SystemError } from '../../errors.ts';
import { phase, type PhaseEvent } from '../../events.ts';
import { mostAtOnce } from '../../generate/drawing-room.ts';
import { createImageGenerator } from '../../generate/text-to-image.ts';
import type { Rehearsals, TaskEvent, Trial } from '../task.ts';
import { encodePictures, latentsKey, type EncodeOptions } from './latents.ts';
import type { TrainingPicture } from './training-picture.ts';
import type { SheetSource } from './sheet.ts';

/** As the sheet has them. */
const SEEDS = 2;

export interface Encoding {
  /** See `Rehearsals`. */
  readonly validationShare: number;
  readonly pictures: readonly TrainingPicture[];
  readonly encode: () => EncodeOptions;
}

export const imageRehearsals = (sheet: SheetSource, encoding: Encoding): Rehearsals => ({
  validationShare: encoding.validationShare,
  preparing: () => encodingSome(encoding, sheet.config.cache_latents),
  ...(sheet.config.sample_prompts.length > 0 && { ending: () => drawing(sheet) }),
});

/** Pictures that are encoded to see how long one takes, and that are looked for in the cache. */
const SOME = { encoded: 3, looked: 64 };

/** A few pictures, nothing of which is kept; how many there are still to encode. */
async function* encodingSome(
  { pictures, encode }: Encoding,
  isCached: boolean,
): AsyncGenerator<TaskEvent, Trial> {
  yield phase('trying some pictures');
  const options = encode();
  const left = isCached ? await shareLeft(pictures, options) : 1;
  if (left === 0) return { opening: 0, seconds: 0 };
  const moments = [performance.now()];
  for await (const { done } of encodePictures(pictures.slice(0, SOME.encoded), options))
    if (done > 0) moments.push(performance.now());
  const [first, ...others] = moments.slice(1).map((moment, i) => (moment - moments[i]) / 1000);
  const each = others.length === 0 ? first : Math.min(...others);
  return { opening: first - each, seconds: pictures.length * left * each };
}

/** Of the pictures that the cache does not have. */
async function shareLeft(
  pictures: readonly TrainingPicture[],
  options: EncodeOptions,
): Promise<number> {
  const every = Math.max(1, Math.floor(pictures.length / SOME.looked));
  const looked = pictures.filter((_, i) => i % every === 0);
  try {
    const cache = await openCache(cacheFolder());
    const found = await Promise.all(
      looked.map((picture) => cache.get(latentsKey(picture, options))),
    );
    return found.filter((entry) => entry === undefined).length / looked.length;
  } catch (error) {
    if (error instanceof SystemError) return 1; // the run itself tells why there is no cache
    throw error;
  }
}

/** A few pictures in a few steps: what opening, a step and decoding take. */
async function* drawing(source: SheetSource): AsyncGenerator<PhaseEvent, Trial> {
  const { base, config, adapted, tokenizer, runtime } = source;
  yield phase('trying the contact sheet');
  const cells = config.sample_prompts.length * SEEDS;
  const some = Math.min(cells, mostAtOnce(false));
  const generator = createImageGenerator({
    checkpoint: base,
    tokenizer,
    modules: adapted.modules,
    runtime,
    clipSkip: config.clip_skip,
  });
  const requests = Array.from({ length: some }, (_, i) => ({
    prompt: config.sample_prompts[i % config.sample_prompts.length],
    negativePrompt: config.sample_negative_prompt,
    seed: i,
    steps: TRIED_STEPS,
    guidance: config.sample_cfg,
    loraWeights: adapted.weights,
  }));
  const moments: Moments = [{ type: 'step', at: performance.now() }];
  try {
    for await (const { type } of generator.generate(requests))
      moments.push({ type, at: performance.now() });
  } finally {
    await generator.release();
  }
  return sheetTrial(moments, { cells, some, steps: config.sample_steps });
}

const TRIED_STEPS = 3;

type Moments = { readonly type: 'step' | 'image'; readonly at: number }[];

/** Both halves of the sheet: without the adapter and with it. */
function sheetTrial(
  moments: Moments,
  { cells, some, steps }: { readonly cells: number; readonly some: number; readonly steps: number },
): Trial {
  const gaps = moments
    .slice(1)
    .map(({ type, at }, i) => ({ type, took: (at - moments[i].at) / 1000 }));
  const of = (kind: string) => gaps.filter(({ type }) => type === kind).map(({ took }) => took);
  const [firstStep, step] = firstAndUsual(of('step'));
  const [firstPicture, picture] = firstAndUsual(of('image'));
  return {
    opening: 2 * (firstStep - step) + firstPicture - picture,
    // a run of fewer pictures takes less
    seconds: 2 * ((cells / some) * steps * step + cells * picture),
    // one seed, with the adapter alone
    preview: ((cells / some) * steps * step + cells * picture) / SEEDS,
  };
}

function firstAndUsual([first = 0, ...others]: readonly number[]): [number, number] {
  const usual = others.reduce((sum, one) => sum + one, 0) / others.length;
  return [Math.max(first, usual || 0), usual || first];
}
