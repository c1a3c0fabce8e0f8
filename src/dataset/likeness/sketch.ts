// A picture in small, as likeness is judged by it: brightness and two differences of colour at
// 64 × 64 points, whatever size and proportions it had.

import type { Picture } from '../image.ts';

/** Points a side. */
export const SIDE = 64;

/** [3, SIDE, SIDE]: luminance, red − luminance, blue − luminance; 0 to 1, and −1 to 1. */
export type Sketch = Float32Array;

/** A part of a picture, in shares of its sides. */
export interface Window {
  readonly x: number;
  readonly y: number;
  /** Of both sides. */
  readonly side: number;
  /** Seen in a mirror. */
  readonly mirrored?: boolean;
}

const PLANE = SIDE * SIDE;

/** Each point is the mean of the pixels that it covers, in part too. */
export function sketchOf({ rgb, width, height }: Picture): Sketch {
  const columns = covered(width);
  const rows = covered(height);
  const sketch = new Float32Array(3 * PLANE);
  for (let row = 0; row < SIDE; row++)
    for (let column = 0; column < SIDE; column++) {
      const [red, green, blue] = meanOf(rgb, width, rows[row], columns[column]);
      const luminance = 0.299 * red + 0.587 * green + 0.114 * blue; // ITU-R BT.601
      const at = row * SIDE + column;
      sketch[at] = luminance;
      sketch[PLANE + at] = red - luminance;
      sketch[2 * PLANE + at] = blue - luminance;
    }
  return sketch;
}

/** Pixels of a side under one point, and the share of each. */
type Covered = readonly (readonly [pixel: number, share: number])[];

function covered(length: number): Covered[] {
  return Array.from({ length: SIDE }, (_, point) => {
    const [from, to] = [(point * length) / SIDE, ((point + 1) * length) / SIDE];
    const last = Math.min(length, Math.ceil(to));
    const pixels = Array.from({ length: last - Math.floor(from) }, (__, i) => {
      const pixel = Math.floor(from) + i;
      return [pixel, (Math.min(to, pixel + 1) - Math.max(from, pixel)) / (to - from)] as const;
    });
    return pixels;
  });
}

function meanOf(
  rgb: Uint8Array,
  width: number,
  rows: Covered,
  columns: Covered,
): readonly [number, number, number] {
  let [red, green, blue] = [0, 0, 0];
  for (const [y, down] of rows)
    for (const [x, across] of columns) {
      const at = 3 * (y * width + x);
      const share = (down * across) / 255;
      red += share * rgb[at];
      green += share * rgb[at + 1];
      blue += share * rgb[at + 2];
    }
  return [red, green, blue];
}

/** The part of a sketch as a sketch of its own, between the points linearly. */
export function cutOut(sketch: Sketch, { x, y, side, mirrored = false }: Window): Sketch {
  const rows = placesOf(y, side, false);
  const columns = placesOf(x, side, mirrored);
  const out = new Float32Array(sketch.length);
  let at = 0;
  for (let plane = 0; plane < sketch.length; plane += PLANE)
    for (const { near: top, far: bottom, share: down } of rows) {
      const [upper, lower] = [plane + top * SIDE, plane + bottom * SIDE];
      for (const { near, far, share } of columns) {
        const above = sketch[upper + near] + share * (sketch[upper + far] - sketch[upper + near]);
        const below = sketch[lower + near] + share * (sketch[lower + far] - sketch[lower + near]);
        out[at++] = above + down * (below - above);
      }
    }
  return out;
}

/** Two neighbouring points, and the share of the second. */
interface Place {
  readonly near: number;
  readonly far: number;
  readonly share: number;
}

function placesOf(from: number, side: number, mirrored: boolean): Place[] {
  const places = Array.from({ length: SIDE }, (_, i) => {
    const at = Math.min(SIDE - 1, Math.max(0, from * SIDE + (i + 0.5) * side - 0.5));
    const near = Math.floor(at);
    return { near, far: Math.min(SIDE - 1, near + 1), share: at - near };
  });
  return mirrored ? places.reverse() : places;
}

/** Binomial blur [1, 2, 1] / 4 along both sides of each channel; edges are repeated. */
export function smoothed(sketch: Sketch): Sketch {
  return alongSide(alongSide(sketch, 1), SIDE);
}

function alongSide(sketch: Sketch, stride: number): Sketch {
  const out = new Float32Array(sketch.length);
  for (let i = 0; i < sketch.length; i++) {
    const position = Math.floor(i / stride) % SIDE;
    const before = sketch[position === 0 ? i : i - stride];
    const after = sketch[position === SIDE - 1 ? i : i + stride];
    out[i] = (before + 2 * sketch[i] + after) / 4;
  }
  return out;
}
