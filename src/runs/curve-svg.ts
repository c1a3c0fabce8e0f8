// Curves of two runs in one drawing, for a page.

import { escapeHtml } from '../util/html.ts';
import type { ValidationPoint } from './metrics.ts';

export interface Curve {
  readonly title: string;
  /** By step. */
  readonly points: readonly ValidationPoint[];
}

const WIDTH = 720;
const HEIGHT = 260;
const LEFT = 64;
const BOTTOM = 28;
const TOP = 12;
const RIGHT = 12;
/** More points than pixels show nothing more. */
const MOST = 600;

/** One line for each curve, with the classes `curve-0`, `curve-1`; undefined without any point. */
export function curveSvg(label: string, curves: readonly Curve[]): string | undefined {
  const sound = curves.map(({ points }) =>
    thinned(points.filter(({ loss }) => Number.isFinite(loss))),
  );
  const all = sound.flat();
  if (all.length === 0) return undefined;
  const scale = scaleOf(all);
  const lines = sound.map((points, i) => lineOf(points, i, scale));
  const titles = curves.map(({ title }) => escapeHtml(title)).join(' and ');
  return `<svg class="curves" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(label)} of ${titles}">
${axes(scale)}
${lines.join('\n')}
</svg>`;
}

interface Scale {
  readonly lowest: number;
  readonly highest: number;
  readonly lastStep: number;
}

function scaleOf(points: readonly ValidationPoint[]): Scale {
  const losses = points.map(({ loss }) => loss);
  const [lowest, highest] = [Math.min(...losses), Math.max(...losses)];
  return { lowest, highest, lastStep: Math.max(1, ...points.map(({ step }) => step)) };
}

const xOf = (step: number, { lastStep }: Scale): number =>
  LEFT + (step / lastStep) * (WIDTH - LEFT - RIGHT);

function yOf(loss: number, { lowest, highest }: Scale): number {
  const share = highest === lowest ? 0.5 : (loss - lowest) / (highest - lowest);
  return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP);
}

function lineOf(points: readonly ValidationPoint[], index: number, scale: Scale): string {
  const places = points.map(
    ({ step, loss }) => `${xOf(step, scale).toFixed(1)},${yOf(loss, scale).toFixed(1)}`,
  );
  const line = `<polyline class="curve-${index}" points="${places.join(' ')}"/>`;
  const isFew = points.length <= 40;
  const dots = points.map(
    ({ step, loss }) =>
      `<circle class="dot-${index}" cx="${xOf(step, scale).toFixed(1)}" cy="${yOf(loss, scale).toFixed(1)}" r="3"><title>step ${step}: ${loss.toPrecision(4)}</title></circle>`,
  );
  return isFew ? line + dots.join('') : line;
}

function axes(scale: Scale): string {
  const { lowest, highest, lastStep } = scale;
  const values = highest === lowest ? [lowest] : [lowest, (lowest + highest) / 2, highest];
  const rules = values.map((value) => {
    const y = yOf(value, scale).toFixed(1);
    return `<line class="rule" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/><text x="${LEFT - 8}" y="${y}" dy="4" text-anchor="end">${value.toPrecision(3)}</text>`;
  });
  const base = HEIGHT - 8;
  return `${rules.join('')}<text x="${LEFT}" y="${base}">step 0</text><text x="${WIDTH - RIGHT}" y="${base}" text-anchor="end">${lastStep}</text>`;
}

/** Evenly chosen, the last among them. */
function thinned(points: readonly ValidationPoint[]): readonly ValidationPoint[] {
  if (points.length <= MOST) return points;
  return Array.from(
    { length: MOST },
    (_, i) => points[Math.round((i * (points.length - 1)) / (MOST - 1))],
  );
}
