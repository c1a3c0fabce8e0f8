// The previews of a run on one picture: a row for each prompt, a column for each step.

import { join } from 'node:path';
import { enlarged, loadPicture, type Picture } from '../../dataset/image.ts';
import { UserError } from '../../errors.ts';
import { contactSheet } from '../../generate/picture-sheet.ts';
import { evenly } from '../../util/evenly.ts';
import type { History } from '../history.ts';
import type { Look, Preview } from '../overfitting.ts';

/** Columns that are shown; of more looks some, evenly. */
const MOST_COLUMNS = 12;

/** A look at which something was drawn. */
export type DrawnLook = Look & Required<Pick<Look, 'previews'>>;

export interface PreviewFiles {
  /** Of the run. */
  readonly folder: string;
  readonly history: History;
  /** No more will come. */
  readonly final: boolean;
}

const isDrawn = (look: Look): look is DrawnLook => look.previews !== undefined;

/** The looks that are shown: the first, the last and the best among them. */
export function shownLooks({ looks, best }: History): {
  readonly shown: readonly DrawnLook[];
  readonly all: number;
} {
  const drawn = looks.filter(isDrawn);
  const last = drawn.length - 1;
  const nearBest = best === undefined ? last : nearestTo(best, drawn);
  const inside = evenly(Math.max(0, last - 1), MOST_COLUMNS - 3).map((i) => i + 1);
  const chosen = drawn.length <= MOST_COLUMNS ? [...drawn.keys()] : [0, ...inside, nearBest, last];
  const shown = [...new Set(chosen)].sort((a, b) => a - b).map((i) => drawn[i]);
  return { shown, all: drawn.length };
}

const nearestTo = (step: number, looks: readonly Look[]): number =>
  looks.reduce(
    (near, look, i) => (Math.abs(look.step - step) < Math.abs(looks[near].step - step) ? i : near),
    0,
  );

/** `without`, `step 400`, `step 400 (best)`. */
export const lookName = (step: number, best: number | undefined): string =>
  `${step === 0 ? 'without' : `step ${step}`}${step === best && step > 0 ? ' (best)' : ''}`;

/** The bytes of a PNG; undefined where nothing was drawn. Copies have a red frame. */
export async function previewStrip({
  folder,
  history,
}: PreviewFiles): Promise<Uint8Array | undefined> {
  const { shown } = shownLooks(history);
  const [first] = shown;
  if (first === undefined) return undefined;
  const rows = await Promise.all(
    first.previews.map(async ({ prompt }, i) => ({
      label: prompt,
      pictures: await Promise.all(shown.map(({ previews }) => cellOf(folder, previews.at(i)))),
    })),
  );
  return contactSheet(rows, {
    headings: shown.map(({ step }) => lookName(step, history.best)),
  });
}

/** Pixels of the wider side of a cell: small pictures are enlarged, large ones made smaller. */
const [LEAST, MOST] = [160, 256];

async function cellOf(folder: string, preview: Preview | undefined): Promise<Picture> {
  const picture = preview && (await readPreview(previewPath(folder, preview)));
  if (picture === undefined) return blank;
  const { width } = picture;
  const shown = width < LEAST ? await enlarged(picture, Math.ceil(LEAST / width)) : picture;
  return preview?.nearest?.isCopy === true ? framed(shown) : shown;
}

export const previewPath = (folder: string, { file }: Preview): string => join(folder, file);

const blank: Picture = {
  width: LEAST,
  height: LEAST,
  rgb: new Uint8Array(3 * LEAST * LEAST).fill(0xdd),
};

/** At most MOST pixels wide and high; undefined where the file is gone or damaged. */
export async function readPreview(path: string, most = MOST): Promise<Picture | undefined> {
  try {
    const whole = await loadPicture(path);
    const scale = most / Math.max(whole.width, whole.height);
    if (scale >= 1) return whole;
    const [width, height] = [whole.width, whole.height].map((side) =>
      Math.max(1, Math.round(side * scale)),
    );
    return await loadPicture(path, { resized: [width, height], crop: [0, 0, width, height] });
  } catch (error) {
    if (error instanceof UserError) return undefined; // the user may tidy up
    throw error;
  }
}

const FRAME = 4;
const RED = [0xd0, 0x20, 0x20] as const;

function framed({ rgb, width, height }: Picture): Picture {
  const out = Uint8Array.from(rgb);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (Math.min(x, y, width - 1 - x, height - 1 - y) < FRAME) out.set(RED, 3 * (y * width + x));
  return { rgb: out, width, height };
}
