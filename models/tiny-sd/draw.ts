// The pictures the embedded base is trained on: sixteen subjects, ten colours, eight backgrounds,
// six wordings.
import { renderSvg } from '../../src/dataset/image.ts';
import { permutation, sequence } from '../../src/util/philox.ts';
import { type Background, backgrounds, type Colour, colours, mix, plainSkin } from './colours.ts';
import { drawSubject, type Subject, subjects } from './subjects.ts';

export { renderSvg };

/** A picture as SVG text (128 units wide and high) with its caption. */
export interface DrawnPicture {
  readonly svg: string;
  readonly caption: string;
}

/** Side of the pictures in SVG units. */
export const SIDE = 128;

const names = <T extends object>(table: T): (keyof T)[] =>
  // `Object.keys` forgets the keys' type.
  Object.keys(table) as (keyof T)[];

export interface Combination {
  readonly subject: Subject;
  readonly colour: Colour;
  readonly background: Background;
}

/** All but white on white and black on black. */
const combinations: readonly Combination[] = names(subjects).flatMap((subject) =>
  names(colours).flatMap((colour) =>
    names(backgrounds)
      .filter(
        (background) => !(background === colour && (colour === 'white' || colour === 'black')),
      )
      .map((background) => ({ subject, colour, background })),
  ),
);

const article = (word: string): string => (/^[aeiou]/.test(word) ? 'an' : 'a');

const wordings: readonly ((thing: string, a: string, background: string) => string)[] = [
  (thing, a, background) => `${a} ${thing} on ${article(background)} ${background} background`,
  (thing, _a, background) => `${thing}, ${background} background`,
  (thing, a, background) =>
    `a picture of ${a} ${thing} on ${article(background)} ${background} background`,
  (thing, a, background) =>
    `${a} ${thing} in front of ${article(background)} ${background} background`,
  (thing, a, background) => `a drawing of ${a} ${thing}, ${background} background`,
  (thing, a, background) => `${background} background, ${a} ${thing}`,
];

/**
 * Streams of the generator: the order of combinations takes one for each round, a picture's own
 * draws one each.
 */
const PICTURE_STREAM = 0x10000;

/**
 * What picture number `index` of `seed` shows. Each run of `combinations.length` pictures shows
 * every combination once, in an order of its own.
 */
export function combinationOf(seed: number, index: number): Combination {
  const order = permutation(seed, Math.floor(index / combinations.length), combinations.length);
  const chosen = combinations[order[index % combinations.length] ?? 0];
  if (chosen === undefined) throw new Error('internal: no such combination');
  return chosen;
}

/** Picture number `index` of `seed`: a pure function of both. */
export function drawBasePicture(seed: number, index: number): DrawnPicture {
  const chosen = combinationOf(seed, index);
  const next = sequence(seed, PICTURE_STREAM + index);
  return { svg: drawCombination(chosen, next), caption: describe(chosen, next()) };
}

/** A caption that leaves out the colour, the background, or both. */
export function describeInPart({ subject, colour, background }: Combination, u: number): string {
  const parts = [
    `${article(colour)} ${colour} ${subject}`,
    `${article(subject)} ${subject}`,
    subject,
    `${article(subject)} ${subject} on ${article(background)} ${background} background`,
  ];
  return parts[Math.floor(u * parts.length)] ?? subject;
}

/** A caption that names colour, subject and background; `u` in [0, 1) picks the wording. */
export function describe({ subject, colour, background }: Combination, u: number): string {
  const wording = wordings[Math.floor(u * wordings.length)];
  if (wording === undefined) throw new Error('internal: no such wording');
  return wording(`${colour} ${subject}`, article(colour), background);
}

function drawCombination({ subject, colour, background }: Combination, next: () => number): string {
  const between = (low: number, high: number): number =>
    Number((low + (high - low) * next()).toFixed(2));
  const size = between(1.06, 1.26);
  const flip = next() < 0.5 ? -1 : 1;
  const [x, y, turn] = [between(-6, 6), between(-5, 5), between(-5, 5)];
  const place = `translate(${64 + x},${64 + y}) rotate(${turn}) scale(${(size * flip).toFixed(3)},${size})`;
  const ground =
    next() < 0.5 ? '' : groundBand(backgrounds[background], 64 + y + 30 * size, 64 + x, next);
  return frame(
    `<rect width="${SIDE}" height="${SIDE}" fill="${backgrounds[background]}"/>${ground}<g transform="${place}">${drawSubject(subject, plainSkin(colour))}</g>`,
  );
}

/** A darker floor that begins at `top`, with a soft shadow under the subject at `x`. */
function groundBand(colour: string, top: number, x: number, next: () => number): string {
  const start = Math.min(112, top - 6 - 8 * next()).toFixed(1);
  const floor = mix(colour, '#14142a', 0.12);
  const shadow = mix(colour, '#14142a', 0.24);
  return `<rect y="${start}" width="${SIDE}" height="${SIDE}" fill="${floor}"/><ellipse cx="${x}" cy="${Math.min(121, top + 14).toFixed(1)}" rx="40" ry="5" fill="${shadow}"/>`;
}

/** SVG text around `content`, drawn in a square of 128 units. */
export function frame(content: string, definitions = ''): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${SIDE}" height="${SIDE}" viewBox="0 0 ${SIDE} ${SIDE}"><defs>${definitions}</defs>${content}</svg>`;
}

/** Pictures as planes: bytes [count, 3, size, size], with their captions. */
export interface RenderedPictures {
  readonly pixels: Uint8Array;
  readonly captions: string[];
}

/** Draws pictures `start` … `start + count - 1` of `seed`. */
export async function renderBasePictures(
  seed: number,
  count: number,
  size = SIDE,
  start = 0,
): Promise<RenderedPictures> {
  return renderPictures((i) => drawBasePicture(seed, start + i), count, size);
}

/** Renders `draw(0 … count - 1)`, a few at a time. */
export async function renderPictures(
  draw: (index: number) => DrawnPicture,
  count: number,
  size: number,
): Promise<RenderedPictures> {
  const pixels = new Uint8Array(count * 3 * size * size);
  const captions: string[] = new Array<string>(count).fill('');
  let nextIndex = 0;
  const worker = async (): Promise<void> => {
    for (let i = nextIndex++; i < count; i = nextIndex++) {
      const { svg, caption } = draw(i);
      captions[i] = caption;
      toPlanes(
        await renderSvg(svg, size),
        pixels.subarray(i * 3 * size * size, (i + 1) * 3 * size * size),
      );
    }
  };
  await Promise.all(Array.from({ length: 4 }, worker));
  return { pixels, captions };
}

/** RGB bytes [n, 3] to planes [3, n]. */
function toPlanes(rgb: Uint8Array, out: Uint8Array): void {
  const n = out.length / 3;
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < 3; c++) out[c * n + i] = rgb[3 * i + c] ?? 0;
  }
}
