// What an adapter does, on one sheet: the same prompts and seeds without it and with it.

import { enlarged, type Picture } from '../dataset/image.ts';
import type { AdapterWeights } from './adapter.ts';
import type { PictureRequest } from './picture-request.ts';
import { contactSheet, type SheetRow } from './picture-sheet.ts';
import { parsePrompt } from './prompt/parse-prompt.ts';
import type { SamplerName } from './samplers/samplers.ts';
import type { ImageGenerator } from './text-to-image.ts';

export interface ContactSheetOptions {
  readonly generator: ImageGenerator;
  /** A row of the sheet each; adapters that they name are left out. */
  readonly prompts: readonly string[];
  /** Two columns each: without and with. By default 0 alone. */
  readonly seeds?: readonly number[];
  readonly negativePrompt?: string;
  /** By default the generator's. */
  readonly steps?: number;
  readonly guidance?: number;
  readonly sampler?: SamplerName;
  /** Pixels of the square pictures; by default the size the model was trained at. */
  readonly size?: number;
  /** The adapter; by default the generator's. */
  readonly weights?: AdapterWeights;
  /** Strength of the adapter in the columns with it; by default 1. */
  readonly multiplier?: number;
  /** Steps of the samplers: done, and to be done. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Draws every prompt with every seed, without and with the adapter. Gives the bytes of a PNG. */
export async function drawContactSheet(options: ContactSheetOptions): Promise<Uint8Array> {
  const { generator, prompts, seeds = [0], onProgress } = options;
  const cells = prompts.flatMap((prompt) =>
    seeds.flatMap((seed) => [0, 1].map((part) => cell(options, prompt, seed, part))),
  );
  const pictures: Picture[] = [];
  for await (const event of generator.generate(cells)) {
    if (event.type === 'image') pictures[event.index] = await shown(event.picture);
    else onProgress?.(event.done, event.total);
  }
  const columns = 2 * seeds.length;
  const rows = prompts.map((prompt, i): SheetRow => ({
    label: prompt,
    pictures: pictures.slice(i * columns, (i + 1) * columns),
  }));
  return contactSheet(rows, {
    headings: seeds.flatMap((seed) => headings(seed, seeds.length > 1)),
  });
}

/** Pictures of small models are enlarged: a person is to see something. */
const SMALL = 192;
const shown = async (picture: Picture): Promise<Picture> =>
  picture.width < SMALL ? enlarged(picture, Math.ceil(SMALL / picture.width)) : picture;

/** `part` of the adapter: 0 or 1. */
function cell(
  options: ContactSheetOptions,
  prompt: string,
  seed: number,
  part: number,
): PictureRequest {
  const { negativePrompt, steps, guidance, sampler, size, weights, multiplier = 1 } = options;
  return {
    prompt: parsePrompt(prompt).text,
    negativePrompt,
    seed,
    steps,
    guidance,
    sampler,
    width: size,
    height: size,
    loraWeights: weights,
    multiplier: part * multiplier,
  };
}

function headings(seed: number, several: boolean): string[] {
  const suffix = several ? `, seed ${seed}` : '';
  return [`without${suffix}`, `with LoRA${suffix}`];
}
