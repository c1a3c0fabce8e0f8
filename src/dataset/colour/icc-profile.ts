// ICC profiles: whether one is sound, and the colours of those that are three curves and a matrix.
// ICC.1:2022

import { transposed, product, type Matrix3, type Vector3 } from './matrix3.ts';
import { srgbFromXyz, type Curve, type RgbSpace } from './rgb-space.ts';

export interface IccProfile {
  /** Such as RGB, GRAY, CMYK, Lab. */
  readonly space: string;
  readonly tags: ReadonlyMap<string, Uint8Array>;
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const textOf = (bytes: Uint8Array, start: number): string =>
  String.fromCharCode(...bytes.subarray(start, start + 4)).trim();

const HEADER = 128;
const CURVES = ['rTRC', 'gTRC', 'bTRC'] as const;
const COLOURS = ['rXYZ', 'gXYZ', 'bXYZ'] as const;
/** A profile converts by curves and a matrix, by a grey curve, or by a table. */
const sufficient = [[...CURVES, ...COLOURS], ['kTRC'], ['A2B0'], ['A2B1'], ['D2B0']];

/** Undefined: the profile is damaged, or does not say what its colours are. */
export function parseProfile(bytes: Uint8Array): IccProfile | undefined {
  if (bytes.length < HEADER + 4 || textOf(bytes, 36) !== 'acsp') return undefined;
  const view = viewOf(bytes);
  const count = view.getUint32(HEADER);
  if (view.getUint32(0) > bytes.length || HEADER + 4 + 12 * count > bytes.length) return undefined;
  const tags = new Map<string, Uint8Array>();
  for (let i = 0; i < count; i++) {
    const at = HEADER + 4 + 12 * i;
    const [start, length] = [view.getUint32(at + 4), view.getUint32(at + 8)];
    if (start + length > bytes.length) return undefined;
    tags.set(textOf(bytes, at), bytes.subarray(start, start + length));
  }
  if (!sufficient.some((names) => names.every((name) => tags.has(name)))) return undefined;
  return { space: textOf(bytes, 16), tags };
}

/** The space of a profile of curves and a matrix; undefined: of a table, or of damaged curves. */
export function spaceOfProfile({ space, tags }: IccProfile): RgbSpace | undefined {
  if (tags.has('A2B0') || tags.has('A2B1')) return undefined;
  if (space === 'GRAY') {
    const curve = curveOf(tags.get('kTRC'));
    return curve && { kind: 'rgb', curves: [curve, curve, curve], toSrgb: GREY };
  }
  const [r, g, b] = CURVES.map((name) => curveOf(tags.get(name)));
  const [x, y, z] = COLOURS.map((name) => xyzOf(tags.get(name)));
  if (!r || !g || !b || !x || !y || !z) return undefined;
  return {
    kind: 'rgb',
    curves: [r, g, b],
    toSrgb: product(srgbFromXyz(), transposed([x, y, z])),
  };
}

/** Grey stays grey. */
const GREY: Matrix3 = [
  [0, 1, 0],
  [0, 1, 0],
  [0, 1, 0],
];

/** Numbers of 16 bits before the point and 16 behind it. */
const fixed = (view: DataView, at: number): number => view.getInt32(at) / 65536;

function xyzOf(tag: Uint8Array | undefined): Vector3 | undefined {
  if (tag === undefined || tag.length < 20 || textOf(tag, 0) !== 'XYZ') return undefined;
  const view = viewOf(tag);
  return [fixed(view, 8), fixed(view, 12), fixed(view, 16)];
}

function curveOf(tag: Uint8Array | undefined): Curve | undefined {
  if (tag === undefined || tag.length < 12) return undefined;
  const type = textOf(tag, 0);
  return type === 'curv' ? sampledCurve(tag) : type === 'para' ? parametricCurve(tag) : undefined;
}

/** Nothing: as it is; one number: a power; more: the curve at equal distances. */
function sampledCurve(tag: Uint8Array): Curve | undefined {
  const view = viewOf(tag);
  const count = view.getUint32(8);
  if (12 + 2 * count > tag.length) return undefined;
  if (count === 0) return (v) => v;
  if (count === 1) {
    const exponent = view.getUint16(12) / 256;
    return (v) => v ** exponent;
  }
  const values = Array.from({ length: count }, (_, i) => view.getUint16(12 + 2 * i) / 65535);
  return (v) => {
    const at = Math.min(Math.max(v, 0), 1) * (count - 1);
    const below = Math.min(Math.floor(at), count - 2);
    return values[below] + (at - below) * (values[below + 1] - values[below]);
  };
}

/** Parameters of each of the five kinds: g, a, b, c, d, e, f. */
const PARAMETERS = [1, 3, 4, 5, 7];

function parametricCurve(tag: Uint8Array): Curve | undefined {
  const view = viewOf(tag);
  const kind = view.getUint16(8);
  const count = PARAMETERS[kind] ?? Infinity;
  if (12 + 4 * count > tag.length) return undefined;
  const given = Array.from({ length: count }, (_, i) => fixed(view, 12 + 4 * i));
  const [g, a = 1, b = 0] = given;
  // Y = (aX + b)^g + e from X = d on, below it cX + f
  const [c, d, e, f] = [
    [0, -Infinity, 0, 0],
    [0, -b / a, 0, 0],
    [0, -b / a, given[3], given[3]],
    [given[3], given[4], 0, 0],
    [given[3], given[4], given[5], given[6]],
  ][kind];
  return (v) => (v >= d ? Math.max(a * v + b, 0) ** g + e : c * v + f);
}
