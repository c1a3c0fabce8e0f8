// Pixels of any space of red, green and blue to sRGB of 8 bits on white.

import { HDR_WHITE, srgbSignal, type Curve, type RgbSpace } from './rgb-space.ts';
import type { Matrix3 } from './matrix3.ts';

/** Pixels as they are stored: [height, width, channels], grey, grey with alpha, RGB or RGBA. */
export interface StoredPixels {
  readonly data: Uint8Array | Uint16Array | Float32Array;
  readonly channels: number;
  /** What stands for white, or for opaque. */
  readonly white: number;
}

/** Fractions are rounded to as many steps as 16 bits have. */
const MOST_STEPS = 65_535;

/**
 * RGB bytes [height, width, 3]. Light beyond what sRGB shows is cut to it; what is transparent
 * shows white.
 */
export function toSrgb(pixels: StoredPixels, space: RgbSpace): Uint8Array {
  const { data, channels, white } = pixels;
  const count = Math.floor(data.length / channels);
  const out = new Uint8Array(3 * count);
  const steps = white === 255 && data instanceof Uint8Array ? 255 : MOST_STEPS;
  const [red, green, blue] = tablesOf(space, steps);
  const step = (value: number): number =>
    Math.min(Math.max(Math.round((value * steps) / white), 0), steps) || 0;
  const [second, third] = channels < 3 ? [0, 0] : [1, 2];
  const light: Light = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const at = i * channels;
    light[0] = red(step(data[at]));
    light[1] = green(step(data[at + second]));
    light[2] = blue(step(data[at + third]));
    if (space.isHlg === true) show(light);
    const opacity =
      channels % 2 === 0 ? Math.min(Math.max(data[at + channels - 1] / white, 0), 1) : 1;
    put(out, 3 * i, light, space.toSrgb, opacity);
  }
  return out;
}

/** The curves at whole steps, each computed when it is first needed. */
function tablesOf({ curves, isNarrow }: RgbSpace, steps: number): readonly Curve[] {
  const tables = new Map<Curve, Curve>();
  return curves.map((curve) => {
    const known = tables.get(curve);
    if (known !== undefined) return known;
    const table = new Float64Array(steps + 1).fill(NaN);
    const lookUp: Curve = (step) => {
      if (Number.isNaN(table[step])) table[step] = curve(signalOf(step / steps, isNarrow));
      return table[step];
    };
    tables.set(curve, lookUp);
    return lookUp;
  });
}

const signalOf = (value: number, isNarrow = false): number =>
  isNarrow ? Math.min(Math.max((255 * value - 16) / 219, 0), 1) : value;

type Light = [number, number, number];

/** ITU-R BT.2100, on a screen of 1000 cd/m²: Y = Y_scene^(1.2 - 1) · scene. */
function show(light: Light): void {
  const scene = 0.2627 * light[0] + 0.678 * light[1] + 0.0593 * light[2];
  const gain = scene > 0 ? (scene ** 0.2 * 1000) / HDR_WHITE : 0;
  for (let c = 0; c < 3; c++) light[c] *= gain;
}

function put(out: Uint8Array, at: number, light: Light, matrix: Matrix3, opacity: number): void {
  for (let c = 0; c < 3; c++) {
    const [r, g, b] = matrix[c];
    const linear = Math.min(Math.max(r * light[0] + g * light[1] + b * light[2], 0), 1);
    out[at + c] = Math.round(255 * (1 - opacity * (1 - srgbSignal(linear))));
  }
}
