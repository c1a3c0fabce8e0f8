// Previews: what the sample prompts look like with the adapter as it is, and how like that is to
// what is trained.

import { PictureCollection } from '../../dataset/likeness/likeness.ts';
import { encodePng, type Picture } from '../../dataset/image.ts';
import { phase, type NearestPicture, type PhaseEvent, type SampleEvent } from '../../events.ts';
import type { History } from '../history.ts';
import type { Preview } from '../overfitting.ts';
import type { Write } from '../task.ts';
import { asTrained } from './held-out.ts';
import { previewPage } from './preview-page.ts';
import { previewStrip } from './preview-strip.ts';
import { drawnText } from './sample-prompts.ts';
import type { TrainingPicture } from './training-picture.ts';
import { sheetGenerator, type SheetSource } from './sheet.ts';

export interface PreviewSource extends SheetSource {
  readonly pictures: readonly TrainingPicture[];
  readonly signal: AbortSignal;
  /** The pictures that are trained, to compare with. */
  readonly trained: TrainedPictures;
}

/** Read when they are first compared with. */
export class TrainedPictures {
  #collection: Promise<PictureCollection> | undefined;

  constructor(readonly pictures: readonly TrainingPicture[]) {}

  async nearest(picture: Picture): Promise<NearestPicture | undefined> {
    this.#collection ??= Promise.all(this.pictures.map(asTrained)).then(
      (pictures) => new PictureCollection(pictures),
    );
    const collection = await this.#collection;
    const nearest = collection.nearest(picture);
    if (nearest === undefined) return undefined;
    const { index, likeness } = nearest;
    const { name } = this.pictures[index];
    return { name, likeness, isCopy: likeness >= collection.copyFrom };
  }
}

/** The strip over the steps, and the page that has the curves besides. */
const STRIP_FILE = 'previews.png';
const PAGE_FILE = 'previews.html';

/** Files of one step lie together, and in the order of the prompts. */
const fileOf = (step: number, number: number): string =>
  `previews/step-${String(step).padStart(8, '0')}-${number}.png`;

/** Draws each prompt, and notes it in `history`; nothing is noted where the signal is aborted. */
export async function* drawPreviews(
  step: number,
  source: PreviewSource,
  history: History,
  write: Write,
): AsyncGenerator<PhaseEvent | SampleEvent, void> {
  const { config, trained } = source;
  const previews: Preview[] = [];
  for await (const event of drawn(source)) {
    if (source.signal.aborted) return;
    if (event.type === 'phase') {
      yield event;
      continue;
    }
    const { index, picture } = event;
    const { rgb, width, height } = picture;
    const prompt = config.sample_prompts[index];
    const file = fileOf(step, index + 1);
    const path = write(file, await encodePng(rgb, width, height));
    const nearest = await trained.nearest(picture);
    previews[index] = { prompt, file, ...(nearest !== undefined && { nearest }) };
    yield { type: 'sample', step, prompt, file: path, ...(nearest !== undefined && { nearest }) };
  }
  history.drawn(step, previews);
}

type Drawn =
  PhaseEvent | { readonly type: 'image'; readonly index: number; readonly picture: Picture };

const NAME = 'drawing previews';

async function* drawn(source: PreviewSource): AsyncGenerator<Drawn> {
  const { config } = source;
  const generator = sheetGenerator(source);
  try {
    yield phase(NAME);
    const requests = config.sample_prompts.map((prompt) => ({
      prompt: drawnText(prompt),
      negativePrompt: config.sample_negative_prompt,
      seed: config.sample_seed,
      steps: config.sample_steps,
      guidance: config.sample_cfg,
    }));
    for await (const event of generator.generate(requests)) {
      if (event.type === 'step') yield phase(NAME, event.done, event.total);
      else yield { type: 'image', index: event.index, picture: event.picture };
    }
  } finally {
    await generator.release();
  }
}

/** Makes the strip and the page anew; returns where they are, by what they are. */
export async function writePreviews(
  { config, trained }: Pick<PreviewSource, 'config' | 'trained'>,
  history: History,
  final: boolean,
  write: Write,
): Promise<ReadonlyMap<string, string>> {
  const files = { folder: config.output_dir, history, final };
  const strip = await previewStrip(files);
  if (strip === undefined) return new Map();
  const pathOf = new Map(trained.pictures.map(({ name, path }) => [name, path] as const));
  const page = await previewPage({ ...files, name: config.output_name, pathOf });
  return new Map([
    ['previews', write(STRIP_FILE, strip)],
    ['previews page', write(PAGE_FILE, new TextEncoder().encode(page))],
  ]);
}
