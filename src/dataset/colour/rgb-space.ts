// Spaces of red, green and blue: how their numbers become linear light of sRGB. The codes are those
// of ITU-T H.273, which PNG's cICP and AVIF's nclx use.

import { InternalError } from '../../errors.ts';
import {
  inverse,
  product,
  scaled,
  times,
  transposed,
  type Matrix3,
  type Vector3,
} from './matrix3.ts';

/** From a signal of 0 … 1 to light, of which 1 is white. */
export type Curve = (signal: number) => number;

/** How a picture's numbers become light. */
export interface RgbSpace {
  readonly kind: 'rgb';
  /** One for each channel; a grey picture uses the second. */
  readonly curves: readonly [Curve, Curve, Curve];
  /** From that light to linear sRGB. */
  readonly toSrgb: Matrix3;
  /** HLG: how bright a colour is shown depends on its three channels together. */
  readonly isHlg?: boolean;
  /** Black is 16 and white 235 of 255. */
  readonly isNarrow?: boolean;
}

/** x and y of red, green, blue and white. */
export type Primaries = readonly [Point, Point, Point, Point];
type Point = readonly [number, number];

const D65: Point = [0.3127, 0.329];
const C: Point = [0.31, 0.316];
export const BT709: Primaries = [[0.64, 0.33], [0.3, 0.6], [0.15, 0.06], D65];
export const ADOBE_RGB: Primaries = [[0.64, 0.33], [0.21, 0.71], [0.15, 0.06], D65];
const SMPTE_C: Primaries = [[0.63, 0.34], [0.31, 0.595], [0.155, 0.07], D65];

const primariesByCode = new Map<number, Primaries>([
  [1, BT709],
  [4, [[0.67, 0.33], [0.21, 0.71], [0.14, 0.08], C]],
  [5, [[0.64, 0.33], [0.29, 0.6], [0.15, 0.06], D65]],
  [6, SMPTE_C],
  [7, SMPTE_C],
  [8, [[0.681, 0.319], [0.243, 0.692], [0.145, 0.049], C]],
  [9, [[0.708, 0.292], [0.17, 0.797], [0.131, 0.046], D65]],
  [
    10,
    [
      [1, 0],
      [0, 1],
      [0, 0],
      [1 / 3, 1 / 3],
    ],
  ],
  [
    11,
    [
      [0.68, 0.32],
      [0.265, 0.69],
      [0.15, 0.06],
      [0.314, 0.351],
    ],
  ],
  [12, [[0.68, 0.32], [0.265, 0.69], [0.15, 0.06], D65]],
  [22, [[0.63, 0.34], [0.295, 0.605], [0.155, 0.077], D65]],
]);

const xyz = ([x, y]: Point): Vector3 => [x / y, 1, (1 - x - y) / y];

/** Linear RGB to XYZ; y = 0 (the third primary of XYZ itself) has no luminance. */
function toXyz([red, green, blue, white]: Primaries): Matrix3 | undefined {
  const columns = transposed([
    [red[0], red[1], 1 - red[0] - red[1]],
    [green[0], green[1], 1 - green[0] - green[1]],
    [blue[0], blue[1], 1 - blue[0] - blue[1]],
  ]);
  const back = inverse(columns);
  return back === undefined ? undefined : scaled(columns, times(back, xyz(white)));
}

const BRADFORD: Matrix3 = [
  [0.8951, 0.2664, -0.1614],
  [-0.7502, 1.7135, 0.0367],
  [0.0389, -0.0685, 1.0296],
];

/** Colours under one white as they look under another: XYZ to XYZ, after Bradford. */
function adapted(from: Vector3, to: Vector3): Matrix3 {
  const [a, b] = [times(BRADFORD, from), times(BRADFORD, to)];
  const back = inverse(BRADFORD);
  if (back === undefined) throw new InternalError('the matrix of Bradford has an inverse');
  return product(
    back,
    product(scaled(IDENTITY, [b[0] / a[0], b[1] / a[1], b[2] / a[2]]), BRADFORD),
  );
}

const IDENTITY: Matrix3 = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
];

/** The white of ICC profiles. */
const D50: Vector3 = [0.9642, 1, 0.8249];

/** XYZ under this white to linear sRGB. */
export function srgbFromXyz(white: Vector3 = D50): Matrix3 {
  const srgb = toXyz(BT709);
  const back = srgb === undefined ? undefined : inverse(srgb);
  if (back === undefined) throw new InternalError('the matrix of sRGB has an inverse');
  return product(back, adapted(white, xyz(D65)));
}

/** Linear light of these primaries to linear sRGB; undefined where they span no space. */
function srgbFrom(primaries: Primaries): Matrix3 | undefined {
  const matrix = toXyz(primaries);
  if (matrix === undefined || !(primaries[3][1] > 0)) return undefined;
  return primaries === BT709 ? IDENTITY : product(srgbFromXyz(xyz(primaries[3])), matrix);
}

/** IEC 61966-2-1. */
export const srgbCurve: Curve = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
/** Linear light to sRGB's signal. */
export const srgbSignal = (light: number): number =>
  light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055;
export const power =
  (exponent: number): Curve =>
  (v) =>
    v ** exponent;

/** Light that is shown as white, in cd/m²: ITU-R BT.2408. */
export const HDR_WHITE = 203;

/** SMPTE ST 2084: 1 is 10,000 cd/m². */
const pqCurve: Curve = (v) => {
  const p = v ** (32 / 2523);
  const y = (Math.max(p - 3424 / 4096, 0) / (2413 / 128 - (2392 / 128) * p)) ** (16384 / 2610);
  return (10_000 * y) / HDR_WHITE;
};

/** ITU-R BT.2100: light at the camera, 0 … 1. */
const hlgCurve: Curve = (v) =>
  v <= 0.5 ? (v * v) / 3 : (Math.exp((v - 0.55991073) / 0.17883277) + 0.28466892) / 12;

/**
 * Curves of video cameras: BT.709, 601, 240M, xvYCC, 1361, 2020. What is seen of them depends on
 * the screen (BT.1886), and sRGB's curve lies between the two.
 */
export const VIDEO_CURVES: readonly number[] = [1, 6, 7, 11, 12, 14, 15];
const SRGB_CURVE = 13;

const curvesByCode = new Map<number, Curve>([
  ...[...VIDEO_CURVES, SRGB_CURVE].map((code) => [code, srgbCurve] as const),
  [4, power(2.2)],
  [5, power(2.8)],
  [8, power(1)],
  [16, pqCurve],
  [17, (v) => (52.37 / 48) * v ** 2.6],
  [18, hlgCurve],
]);

export const PQ = 16;
export const HLG = 18;

/** The space of two codes of H.273; undefined: one of them is not defined. */
export function spaceOfCodes(primaries: number, transfer: number): RgbSpace | undefined {
  const points = primariesByCode.get(primaries);
  const curve = curvesByCode.get(transfer);
  return points === undefined || curve === undefined
    ? undefined
    : spaceOf(points, curve, { isHlg: transfer === HLG });
}

/** Undefined where the primaries span no space. */
export function spaceOf(
  primaries: Primaries,
  curve: Curve,
  more: Pick<RgbSpace, 'isHlg' | 'isNarrow'> = {},
): RgbSpace | undefined {
  const toSrgb = srgbFrom(primaries);
  return toSrgb && { kind: 'rgb', curves: [curve, curve, curve], toSrgb, ...more };
}

/** Whether the numbers are those of sRGB already. */
export const isSrgb = ({ curves, toSrgb, isNarrow }: RgbSpace): boolean =>
  curves.every((curve) => curve === srgbCurve) && toSrgb === IDENTITY && isNarrow !== true;

export const SRGB: RgbSpace = {
  kind: 'rgb',
  curves: [srgbCurve, srgbCurve, srgbCurve],
  toSrgb: IDENTITY,
};
