// The colours of the drawn pictures and the plain skin that paints a subject with them.
import type { Part, Skin } from './subjects.ts';

/** A subject's colour by its name in captions. */
export const colours = {
  red: '#dc2f2f',
  orange: '#f07d1a',
  yellow: '#f4c61f',
  green: '#2f9e4b',
  blue: '#2a63cf',
  purple: '#7d3cb5',
  pink: '#ee5c9f',
  brown: '#84512c',
  black: '#2a2a30',
  white: '#f6f5f0',
} as const;
export type Colour = keyof typeof colours;

/**
 * A background by its name in captions: tints, so that a subject of the same name still stands out.
 */
export const backgrounds = {
  white: '#fafaf7',
  grey: '#b9bcc4',
  blue: '#8fc3f2',
  green: '#9fd69a',
  yellow: '#fae99a',
  pink: '#f7c3d6',
  orange: '#fbbf85',
  black: '#24263c',
} as const;
export type Background = keyof typeof backgrounds;

/** `a` moved towards `b` by the fraction `t`; both `#rrggbb`. */
export function mix(a: string, b: string, t: number): string {
  const channel = (i: number): string => {
    const [x, y] = [a, b].map((hex) => parseInt(hex.slice(1 + 2 * i, 3 + 2 * i), 16));
    return Math.round((x ?? 0) * (1 - t) + (y ?? 0) * t)
      .toString(16)
      .padStart(2, '0');
  };
  return `#${channel(0)}${channel(1)}${channel(2)}`;
}

const greenStem: Partial<Record<Colour, string>> = { green: '#1c6b33' };
const warmOf: Partial<Record<Colour, string>> = { yellow: '#e2641c', orange: '#7a3d12' };

const shadeOf: Partial<Record<Colour, string>> = {
  yellow: '#dc9a14',
  orange: '#c4560f',
  black: '#4b4b56',
  white: '#c3c7d0',
};

/**
 * Flat paint: the subject's colour, a darker and a lighter tone of it, and a few fixed colours for
 * details.
 */
export function plainSkin(name: Colour): Skin {
  const body = colours[name];
  const stem = greenStem[name] ?? '#35994a';
  const warm = warmOf[name] ?? '#f8b62b';
  const wood = name === 'brown' ? '#4d2f1c' : '#6b452b';
  const paint: Record<Part, string> = {
    body,
    bodyLine: body,
    shade: shadeOf[name] ?? mix(body, '#14142a', 0.27),
    light: name === 'white' ? '#d4d9e2' : mix(body, '#ffffff', name === 'black' ? 0.4 : 0.42),
    dark: '#26262d',
    darkLine: '#26262d',
    glass: name === 'blue' ? '#d3e9fa' : '#a8d3ee',
    white: '#ffffff',
    warm,
    warmLine: warm,
    stem,
    stemLine: stem,
    wood,
    woodLine: wood,
  };
  return ({ part, width }) =>
    width === undefined
      ? `fill="${paint[part]}"`
      : `fill="none" stroke="${paint[part]}" stroke-width="${width}" stroke-linecap="round"`;
}
