// What a training of pictures does besides its steps, tried in small: encoding, the contact sheet.

import {
  between,
  leastOf,
  longerBy,
  meanOf,
  NO_TIME,
  scaled,
  stopwatch,
  sumOf,
  timed,
  type Duration,
} from '../../account/duration.ts';
import { openCache } from '../../storage/tensor-cache.ts';
import { cacheFolder } from '../../storage/cache-folder.ts';
import { SystemError } from '../../errors.ts';
import type { Picture } from '../../dataset/image.ts';
import { phase, type PhaseEvent } from '../../events.ts';
import { mostAtOnce } from '../../generate/drawing-room.ts';
import type { Rehearsals, TaskEvent, Trial } from '../task.ts';
import { encodePictures, latentsKey, type EncodeOptions } from './latents.ts';
import type { TrainingPicture } from './training-picture.ts';
import type { TrainedPictures } from './previews.ts';
import { drawnText } from './sample-prompts.ts';
import { sheetGenerator, type SheetSource } from './sheet.ts';

/** As the sheet has them. */
const SEEDS = 2;

export interface Encoding {
  readonly pictures: readonly TrainingPicture[];
  readonly encode: () => EncodeOptions;
}

export interface ImageRehearsals {
  readonly sheet: SheetSource;
  readonly encoding: Encoding;
  /** What a look takes; undefined where nothing is looked at. */
  readonly look: () => Promise<Duration | undefined>;
  /** What comparing a preview with the training pictures takes. */
  readonly compare: TrainedPictures;
}

export const imageRehearsals = (source: ImageRehearsals): Rehearsals => ({
  preparing: () => encodingSome(source.encoding, source.sheet.config.cache_latents),
  validation: () => looking(source.look),
  ...(source.sheet.config.sample_prompts.length > 0 && { ending: () => drawing(source) }),
});

async function* looking(look: ImageRehearsals['look']): AsyncGenerator<TaskEvent, Trial> {
  yield phase('trying the validation');
  return { opening: NO_TIME, whole: (await look()) ?? NO_TIME };
}

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
  if (left === 0) return { opening: NO_TIME, whole: NO_TIME };
  const moments = [stopwatch()];
  for await (const { done } of encodePictures(pictures.slice(0, SOME.encoded), options))
    if (done > 0) moments.push(stopwatch());
  const [first, ...others] = moments.slice(1).map((moment, i) => between(moments[i], moment));
  const [one, ...more] = others;
  const each = one === undefined ? first : leastOf([one, ...more]);
  return { opening: longerBy(first, each), whole: scaled(each, pictures.length * left) };
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
async function* drawing({ sheet, compare }: ImageRehearsals): AsyncGenerator<PhaseEvent, Trial> {
  const { config } = sheet;
  yield phase('trying the contact sheet');
  const cells = config.sample_prompts.length * SEEDS;
  const some = Math.min(cells, mostAtOnce(false));
  const generator = sheetGenerator(sheet);
  const requests = Array.from({ length: some }, (_, i) => ({
    prompt: drawnText(config.sample_prompts[i % config.sample_prompts.length]),
    negativePrompt: config.sample_negative_prompt,
    seed: i,
    steps: TRIED_STEPS,
    guidance: config.sample_cfg,
  }));
  const moments: Moments = [{ type: 'step', at: stopwatch() }];
  let picture: Picture | undefined;
  try {
    for await (const event of generator.generate(requests)) {
      moments.push({ type: event.type, at: stopwatch() });
      if (event.type === 'image') picture = event.picture;
    }
  } finally {
    await generator.release();
  }
  const compared = picture === undefined ? NO_TIME : await comparing(compare, picture);
  return sheetTrial(moments, { cells, some, steps: config.sample_steps, compared });
}

const TRIED_STEPS = 3;

/** Of one preview; the training pictures are read the first time. */
async function comparing(trained: TrainedPictures, picture: Picture): Promise<Duration> {
  await trained.nearest(picture);
  return timed(() => trained.nearest(picture));
}

type Moments = { readonly type: 'step' | 'image'; readonly at: Duration }[];

interface SheetParts {
  readonly cells: number;
  /** Pictures of the trial. */
  readonly some: number;
  readonly steps: number;
  readonly compared: Duration;
}

/** Both halves of the sheet: without the adapter and with it. */
function sheetTrial(moments: Moments, { cells, some, steps, compared }: SheetParts): Trial {
  const gaps = moments
    .slice(1)
    .map(({ type, at }, i) => ({ type, took: between(moments[i].at, at) }));
  const of = (kind: string) => gaps.filter(({ type }) => type === kind).map(({ took }) => took);
  const [firstStep, step] = firstAndUsual(of('step'));
  const [firstPicture, picture] = firstAndUsual(of('image'));
  const [noise, pixels] = [longerBy(firstStep, step), longerBy(firstPicture, picture)];
  // a run of fewer pictures takes less
  const half = sumOf([scaled(step, (cells / some) * steps), scaled(picture, cells)]);
  return {
    opening: sumOf([noise, noise, pixels]),
    whole: scaled(half, 2),
    // one seed, with the adapter alone; its programs are opened each time
    preview: sumOf([noise, pixels, scaled(half, 1 / SEEDS), scaled(compared, cells / SEEDS)]),
  };
}

function firstAndUsual([first = NO_TIME, ...others]: readonly Duration[]): [Duration, Duration] {
  return [first, others.length === 0 ? first : meanOf(others)];
}
