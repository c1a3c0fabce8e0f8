// What is compared of two pictures: where they are bright and how coloured, and which way their
// outlines run (histograms of oriented gradients, Dalal & Triggs, CVPR 2005).

import { SIDE, smoothed, type Sketch } from './sketch.ts';

export interface Features {
  /** Tones in coarse: [3, 16, 16], each channel about its mean. */
  readonly tones: Float32Array;
  /** Outlines: [8, 8, 8], rows, columns, directions; about the mean over the picture. */
  readonly outlines: Float32Array;
}

const PLANE = SIDE * SIDE;
const COARSE = 16;
/** Luminance counts more than colours. */
const CHANNEL_WEIGHTS = [1, 0.6, 0.6] as const;
const CELLS = 8;
const DIRECTIONS = 8;

export function featuresOf(sketch: Sketch): Features {
  const smooth = smoothed(sketch);
  return { tones: tonesOf(smooth), outlines: outlinesOf(smooth) };
}

function tonesOf(sketch: Sketch): Float32Array {
  const step = SIDE / COARSE;
  const size = COARSE * COARSE;
  const tones = new Float32Array(3 * size);
  for (let i = 0; i < sketch.length; i++) {
    const [line, column] = [Math.floor(i / SIDE), i % SIDE];
    tones[Math.floor(line / step) * COARSE + Math.floor(column / step)] += sketch[i] / step ** 2;
  }
  CHANNEL_WEIGHTS.forEach((weight, channel) => {
    const part = tones.subarray(channel * size, (channel + 1) * size);
    const mean = part.reduce((sum, value) => sum + value, 0) / size;
    part.forEach((value, i) => (part[i] = weight * (value - mean)));
  });
  return tones;
}

/** Two neighbouring cells, and the share of each; none beyond the edge. */
interface Shares {
  readonly cells: readonly [number, number];
  readonly shares: readonly [number, number];
}

const sharesOf: readonly Shares[] = Array.from({ length: SIDE }, (_, position) => {
  const at = ((position + 0.5) * CELLS) / SIDE - 0.5;
  const first = Math.floor(at);
  const share = (cell: number, part: number) => (cell >= 0 && cell < CELLS ? part : 0);
  return {
    cells: [Math.max(first, 0), Math.min(first + 1, CELLS - 1)],
    shares: [share(first, 1 - (at - first)), share(first + 1, at - first)],
  };
});

function outlinesOf(sketch: Sketch): Float32Array {
  const outlines = new Float32Array(CELLS * CELLS * DIRECTIONS);
  for (let row = 1; row < SIDE - 1; row++)
    for (let column = 1; column < SIDE - 1; column++) addGradient(outlines, sketch, row, column);
  return aboutMean(balanced(outlines));
}

/**
 * The root of the gradient's length, in the channel where it is steepest, shared out among the
 * neighbouring cells and directions.
 */
function addGradient(outlines: Float32Array, sketch: Sketch, row: number, column: number): void {
  let [across, down, square] = [0, 0, 0];
  for (let at = row * SIDE + column; at < sketch.length; at += PLANE) {
    const [x, y] = [sketch[at + 1] - sketch[at - 1], sketch[at + SIDE] - sketch[at - SIDE]];
    if (x * x + y * y > square) [across, down, square] = [x, y, x * x + y * y];
  }
  if (square === 0) return;
  // lines have no head: half a turn is the same direction
  const turn = ((Math.atan2(down, across) / Math.PI + 2) % 1) * DIRECTIONS - 0.5;
  const first = Math.floor(turn);
  const strength = Math.sqrt(Math.sqrt(square));
  const [one, other] = [(first + DIRECTIONS) % DIRECTIONS, (first + 1) % DIRECTIONS];
  const [rows, columns] = [sharesOf[row], sharesOf[column]];
  for (let i = 0; i < 2; i++)
    for (let j = 0; j < 2; j++) {
      const cell = (rows.cells[i] * CELLS + columns.cells[j]) * DIRECTIONS;
      const part = strength * rows.shares[i] * columns.shares[j];
      outlines[cell + one] += part * (1 - (turn - first));
      outlines[cell + other] += part * (turn - first);
    }
}

/** A cell without outlines is this share of the mean, so that noise in it does not count. */
const FLOOR = 0.3;

/** Each cell about as strong as the others: h / √(|h|² + (FLOOR · mean |h|)²). */
function balanced(outlines: Float32Array): Float32Array {
  const lengths = Array.from({ length: CELLS * CELLS }, (_, cell) =>
    Math.hypot(...outlines.subarray(cell * DIRECTIONS, (cell + 1) * DIRECTIONS)),
  );
  const floor = (FLOOR * lengths.reduce((sum, length) => sum + length, 0)) / lengths.length;
  return outlines.map((value, i) => {
    const length = Math.hypot(lengths[Math.floor(i / DIRECTIONS)], floor);
    return length === 0 ? 0 : value / length;
  });
}

function aboutMean(outlines: Float32Array): Float32Array {
  const means = new Float32Array(DIRECTIONS);
  outlines.forEach((value, i) => (means[i % DIRECTIONS] += value / (CELLS * CELLS)));
  return outlines.map((value, i) => value - means[i % DIRECTIONS]);
}
