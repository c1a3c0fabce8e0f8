// Pictures the embedded base's autoencoder is trained on: half base pictures, half shapes, glows,
// washes and lines of many styles.
import { sequence } from '../../src/util/philox.ts';
import { mix } from './colours.ts';
import {
  type DrawnPicture,
  drawBasePicture,
  frame,
  type RenderedPictures,
  renderPictures,
  SIDE,
} from './draw.ts';
import { drawSubject, type Shape, type Skin, type Subject, subjects } from './subjects.ts';

/** Draws in the units of the picture, all from one stream of random numbers. */
interface Pen {
  /** Uniform in [low, high), two decimals. */
  between(low: number, high: number): number;
  pick<T>(items: readonly T[]): T;
  colour(low?: number, high?: number): string;
  chance(p: number): boolean;
}

function pen(next: () => number): Pen {
  const between = (low: number, high: number): number =>
    Number((low + (high - low) * next()).toFixed(2));
  return {
    between,
    chance: (p) => next() < p,
    pick: (items) => {
      const item = items[Math.floor(next() * items.length)];
      if (item === undefined) throw new Error('internal: nothing to pick from');
      return item;
    },
    colour: (low = 0, high = 255) =>
      `#${[0, 0, 0].map(() => Math.round(between(low, high)).toString(16).padStart(2, '0')).join('')}`,
  };
}

const repeat = (n: number, draw: (i: number) => string): string =>
  Array.from({ length: Math.floor(n) }, (_, i) => draw(i)).join('');
const full = (paint: string): string => `<rect width="${SIDE}" height="${SIDE}" fill="${paint}"/>`;
const subjectNames = Object.keys(subjects) as Subject[]; // `Object.keys` forgets the keys' type.

/** A blur by `deviation` units under the name `id`, wide enough not to be cut off. */
export const blurFilter = (id: string, deviation: number): string =>
  `<filter id="${id}" x="-50%" y="-50%" width="200%" height="200%"><feGaussianBlur stdDeviation="${deviation}"/></filter>`;

/** A grain of `alpha` at `frequency` over the whole picture; a filter for a rectangle. */
export const grainFilter = (id: string, frequency: number, alpha: number, seed: number): string =>
  `<filter id="${id}" x="0" y="0" width="100%" height="100%"><feTurbulence type="fractalNoise" baseFrequency="${frequency}" numOctaves="3" seed="${seed}"/><feColorMatrix values="0.33 0.33 0.33 0 0 0.33 0.33 0.33 0 0 0.33 0.33 0.33 0 0 0 0 0 0 ${alpha}"/></filter>`;

function gradient(p: Pen, id: string, stops: readonly string[]): string {
  const body = stops
    .map((c, i) => `<stop offset="${(i / (stops.length - 1)).toFixed(2)}" stop-color="${c}"/>`)
    .join('');
  return p.chance(0.5)
    ? `<linearGradient id="${id}" x1="${p.between(0, 1)}" y1="${p.between(0, 1)}" x2="${p.between(0, 1)}" y2="${p.between(0, 1)}">${body}</linearGradient>`
    : `<radialGradient id="${id}" cx="${p.between(0, 1)}" cy="${p.between(0, 1)}" r="${p.between(0.4, 1)}">${body}</radialGradient>`;
}

function shape(p: Pen, attributes: string): string {
  const [x, y] = [p.between(0, SIDE), p.between(0, SIDE)];
  const [w, h] = [p.between(6, 60), p.between(6, 60)];
  if (p.chance(0.35))
    return `<ellipse cx="${x}" cy="${y}" rx="${w / 2}" ry="${h / 2}" ${attributes}/>`;
  if (p.chance(0.5))
    return `<rect x="${x}" y="${y}" width="${w}" height="${h}" rx="${p.between(0, 10)}" transform="rotate(${p.between(0, 90)} ${x} ${y})" ${attributes}/>`;
  const corners = repeat(
    p.between(3, 7),
    () => `${(x + p.between(-40, 40)).toFixed(1)},${(y + p.between(-40, 40)).toFixed(1)} `,
  );
  return `<polygon points="${corners}" ${attributes}/>`;
}

const curve = (p: Pen): string => {
  const point = (): string => `${p.between(-10, 138)},${p.between(-10, 138)}`;
  return `M${point()} C${point()} ${point()} ${point()}`;
};

function subjectAt(p: Pen, skin: Skin): string {
  const place = `translate(${p.between(50, 78)},${p.between(50, 78)}) rotate(${p.between(-15, 15)}) scale(${p.between(0.8, 1.35)})`;
  return `<g transform="${place}">${drawSubject(p.pick(subjectNames), skin)}</g>`;
}

/** Every shape in a fill and an outline of its own, strokes included. */
const outlined =
  (fill: (s: Shape) => string, stroke: string, width: number): Skin =>
  (s) =>
    s.width === undefined
      ? `fill="${fill(s)}" stroke="${stroke}" stroke-width="${width}" stroke-linejoin="round"`
      : `fill="none" stroke="${stroke}" stroke-width="${s.width}" stroke-linecap="round"`;

/** Plain and translucent shapes on a gradient. */
function shapes(p: Pen): string {
  const attributes = (): string => `fill="${p.colour()}" opacity="${p.between(0.4, 1)}"`;
  return frame(
    full('url(#g)') + repeat(p.between(3, 12), () => shape(p, attributes())),
    gradient(p, 'g', [p.colour(), p.colour()]),
  );
}

/** A subject in any colours, with an outline, on a gradient. */
function colouredSubject(p: Pen): string {
  const [stroke, base] = [p.colour(), p.colour()];
  const skin = outlined(
    (s) => (s.part === 'body' ? base : mix(base, p.colour(), 0.4)),
    stroke,
    p.between(0, 3),
  );
  return frame(
    full('url(#g)') + subjectAt(p, skin),
    gradient(p, 'g', [p.colour(), p.colour(), p.colour()]),
  );
}

/** Glowing rings, lines and outlines on a dark ground. */
function neon(p: Pen): string {
  const bright = p.pick([
    '#ff3b30',
    '#ff5a3c',
    '#ffd24a',
    '#ff3d9a',
    '#3de1ff',
    '#7dff5a',
    '#c86bff',
    '#ffb02e',
  ]);
  const second = p.pick(['#ffd24a', '#f6c453', '#ffffff', '#3de1ff', bright]);
  const stroke = (c: string, w: number): string =>
    `fill="none" stroke="${c}" stroke-width="${w}" stroke-linecap="round"`;
  const path = p.chance(0.6)
    ? `<circle cx="${p.between(44, 84)}" cy="${p.between(44, 84)}" r="${p.between(25, 58)}"`
    : `<path d="${curve(p)}"`;
  const glow = `<g filter="url(#b)">${path} ${stroke(bright, p.between(4, 14))}/></g>${path} ${stroke(second, p.between(1.5, 5))}/>`;
  const skin = outlined(
    (s) => mix(s.part === 'body' ? bright : second, '#14040a', p.between(0.3, 0.8)),
    second,
    p.between(1.5, 3.5),
  );
  const lines = p.chance(0.5) ? grid(p, mix(bright, '#14040a', p.between(0.3, 0.7))) : '';
  const definitions =
    blurFilter('b', p.between(2, 6)) +
    gradient(p, 'g', [
      p.colour(0, 40),
      mix(p.colour(0, 70), '#7a0d18', p.between(0, 0.9)),
      p.colour(0, 30),
    ]);
  return frame(
    full('url(#g)') + lines + glow + (p.chance(0.75) ? subjectAt(p, skin) : ''),
    definitions,
  );
}

/** A perspective floor or a lattice. */
function grid(p: Pen, colour: string): string {
  const width = p.between(0.8, 2.2);
  const stroke = `stroke="${colour}" stroke-width="${width}" fill="none"`;
  if (p.chance(0.5)) {
    const step = p.between(8, 24);
    return `<path d="${repeat(256 / step, (i) => `M${i * step - 128},0 l128,128 M${i * step},0 l-128,128 `)}" ${stroke}/>`;
  }
  const horizon = p.between(60, 100);
  const floor = repeat(
    6,
    (i) => `M0,${(horizon + (128 - horizon) * ((i + 0.3) / 6) ** 1.7).toFixed(1)} h128 `,
  );
  return `<path d="${floor}${repeat(13, (i) => `M64,${horizon} L${(i - 6) * 34 + 64},140 `)}" ${stroke}/>`;
}

/** Thin lines and outlines in the drawing's colour on a flat ground. */
function lines(p: Pen): string {
  const ink = p.colour();
  const skin: Skin = (s) => `fill="none" stroke="${ink}" stroke-width="${s.width ?? 2}"`;
  const strokes = repeat(
    p.between(4, 16),
    () =>
      `<path d="${curve(p)}" fill="none" stroke="${p.colour()}" stroke-width="${p.between(0.8, 4)}"/>`,
  );
  return frame(full(p.colour()) + strokes + (p.chance(0.6) ? subjectAt(p, skin) : ''));
}

/** Grey washes, brush strokes and grain on a pale ground, sometimes with a red seal. */
function wash(p: Pen): string {
  const paper = mix('#f2ece0', p.colour(200, 255), p.between(0, 0.5));
  const tone = (): string =>
    mix(p.pick(['#15171c', '#3a3d44', '#6d7076', '#4a4038']), paper, p.between(0, 0.7));
  const mist = repeat(
    p.between(2, 6),
    () =>
      `<ellipse cx="${p.between(0, SIDE)}" cy="${p.between(0, SIDE)}" rx="${p.between(15, 70)}" ry="${p.between(6, 26)}" fill="${tone()}" opacity="${p.between(0.1, 0.5)}" filter="url(#b)"/>`,
  );
  const brush = repeat(
    p.between(0, 5),
    () =>
      `<path d="${curve(p)}" fill="none" stroke="${tone()}" stroke-width="${p.between(2, 12)}" stroke-linecap="round" opacity="${p.between(0.4, 0.9)}" filter="url(#s)"/>`,
  );
  const skin = outlined(tone, tone(), p.between(0, 3));
  const seal = p.chance(0.5)
    ? `<rect x="${p.between(4, 104)}" y="${p.between(4, 104)}" width="14" height="15" rx="2" fill="#b3261e"/>`
    : '';
  const grain = `<rect width="${SIDE}" height="${SIDE}" filter="url(#n)"/>`;
  const definitions =
    blurFilter('b', p.between(2, 8)) +
    blurFilter('s', p.between(0.3, 2)) +
    grainFilter('n', p.between(0.02, 0.3), p.between(0.03, 0.12), Math.floor(p.between(0, 1000)));
  return frame(
    full(paper) +
      mist +
      brush +
      (p.chance(0.7) ? `<g filter="url(#s)">${subjectAt(p, skin)}</g>` : '') +
      seal +
      grain,
    definitions,
  );
}

/** Turbulence in two colours, with a few shapes. */
function texture(p: Pen): string {
  const noise = `<filter id="n" x="0" y="0" width="100%" height="100%"><feTurbulence type="${p.pick(['fractalNoise', 'turbulence'])}" baseFrequency="${p.between(0.01, 0.12)}" numOctaves="${p.pick([1, 2, 4])}" seed="${Math.floor(p.between(0, 1000))}"/><feColorMatrix values="1 0 0 0 0 0 1 0 0 0 0 0 1 0 0 0 0 0 0 ${p.between(0.3, 1)}"/></filter>`;
  return frame(
    full(p.colour()) +
      `<rect width="${SIDE}" height="${SIDE}" filter="url(#n)"/>` +
      repeat(p.between(0, 5), () => shape(p, `fill="${p.colour()}"`)),
    noise,
  );
}

const kinds = [shapes, colouredSubject, neon, neon, lines, wash, wash, texture] as const;

/**
 * The autoencoder draws its base pictures from a seed of its own, so that they are not the UNet's.
 */
const AUTOENCODER_SEED = 77;

/**
 * Picture number `index` for the autoencoder: even ones are base pictures, odd ones one of seven
 * other kinds.
 */
export function drawAutoencoderPicture(index: number): DrawnPicture {
  if (index % 2 === 0) return drawBasePicture(AUTOENCODER_SEED, index / 2);
  const p = pen(sequence(AUTOENCODER_SEED, 0x20000000 + index));
  return { svg: p.pick(kinds)(p), caption: '' };
}

/** Draws autoencoder pictures `start` … `start + count - 1`: bytes [count, 3, size, size]. */
export async function renderAutoencoderPictures(
  count: number,
  size = SIDE,
  start = 0,
): Promise<RenderedPictures> {
  return renderPictures((i) => drawAutoencoderPicture(start + i), count, size);
}
