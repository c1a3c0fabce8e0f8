// What an adapter does, on one sheet: the same prompts and seeds without it and with it, or with
// several states of it.

import { enlarged, type Picture } from '../dataset/image.ts';
import type { Mix } from './mix.ts';
import type { PictureRequest } from './picture-request.ts';
import { contactSheet, type SheetRow } from './picture-sheet.ts';
import { parsePrompt } from './prompt/parse-prompt.ts';
import type { SamplerName } from './samplers/samplers.ts';
import type { ImageGenerator } from './text-to-image.ts';

export interface SheetColumn {
  /** What the column is called. */
  readonly label: string;
  /** What it is drawn with; by default the generator's. */
  readonly mix?: Mix | undefined;
}

export interface ContactSheetOptions {
  readonly generator: ImageGenerator;
  /** A row of the sheet each; adapters that they name are left out. */
  readonly prompts: readonly string[];
  /** A column without and one with each adapter. By default 0 alone. */
  readonly seeds?: readonly number[];
  readonly negativePrompt?: string;
  /** By default the generator's. */
  readonly steps?: number;
  readonly guidance?: number;
  readonly sampler?: SamplerName;
  /** Pixels of the square pictures; by default the size the model was trained at. */
  readonly size?: number;
  /** A column each; by default one with the generator's mix. */
  readonly columns?: readonly SheetColumn[];
  /** Steps of the samplers: done, and to be done. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Draws every prompt with every seed, without and with the adapter. Gives the bytes of a PNG. */
export async function drawContactSheet(options: ContactSheetOptions): Promise<Uint8Array> {
  const { generator, prompts, seeds = [0], onProgress } = options;
  const across = columnsOf(options);
  const cells = prompts.flatMap((prompt) =>
    seeds.flatMap((seed) => across.map((column) => cell(options, prompt, seed, column))),
  );
  const pictures: Picture[] = [];
  for await (const event of generator.generate(cells)) {
    if (event.type === 'image') pictures[event.index] = await shown(event.picture);
    else onProgress?.(event.done, event.total);
  }
  const columns = across.length * seeds.length;
  const rows = prompts.map((prompt, i): SheetRow => ({
    label: prompt,
    pictures: pictures.slice(i * columns, (i + 1) * columns),
  }));
  return contactSheet(rows, {
    headings: seeds.flatMap((seed) =>
      across.map(({ label }) => (seeds.length > 1 ? `${label}, seed ${seed}` : label)),
    ),
  });
}

/** Pictures of small models are enlarged: a person is to see something. */
const SMALL = 192;
const shown = async (picture: Picture): Promise<Picture> =>
  picture.width < SMALL ? enlarged(picture, Math.ceil(SMALL / picture.width)) : picture;

/** Of each seed. */
const columnsOf = ({
  columns = [{ label: 'with LoRA' }],
}: ContactSheetOptions): readonly SheetColumn[] => [{ label: 'without', mix: [] }, ...columns];

const cell = (
  { negativePrompt, steps, guidance, sampler, size }: ContactSheetOptions,
  prompt: string,
  seed: number,
  { mix }: SheetColumn,
): PictureRequest => ({
  prompt: parsePrompt(prompt).text,
  negativePrompt,
  seed,
  steps,
  guidance,
  sampler,
  width: size,
  height: size,
  mix,
});
