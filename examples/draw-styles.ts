// Draws the two style sets of the examples, data/brand_style and data/ink_wash: `node --import tsx
// examples/draw-styles.ts`.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { frame } from '../models/tiny-sd/draw.ts';
import { blurFilter, grainFilter } from '../models/tiny-sd/draw-autoencoder.ts';
import {
  drawSubject,
  type Part,
  type Shape,
  type Skin,
  type Subject,
} from '../models/tiny-sd/subjects.ts';
import { encodePalettePng, renderSvg } from '../src/dataset/image.ts';
import { sequence } from '../src/util/philox.ts';

/** Robot, umbrella, chair, lamp and phone are left out: they show whether a style carries over. */
const shown = [
  'cat',
  'car',
  'house',
  'sailboat',
  'bird',
  'tree',
  'flower',
  'fish',
  'mug',
  'star',
  'rocket',
] as const satisfies readonly Subject[];

/** Side of a stored picture in pixels. */
const PIXELS = 256;

interface StyledPicture {
  readonly name: string;
  readonly prompt: string;
  readonly svg: string;
}

type Between = (low: number, high: number) => number;

/** Random numbers of one picture, two decimals each. */
function betweenOf(style: number, index: number): Between {
  const next = sequence(2026, style * 1000 + index);
  return (low, high) => Number((low + (high - low) * next()).toFixed(2));
}

const rect = (paint: string): string => `<rect width="128" height="128" ${paint}/>`;
const repeat = (n: number, draw: (i: number) => string): string =>
  Array.from({ length: n }, (_, i) => draw(i)).join('');
const placed = (
  content: string,
  x: number,
  y: number,
  scale: number,
  flip: boolean,
  turn: number,
): string =>
  `<g transform="translate(${x},${y}) rotate(${turn}) scale(${flip ? -scale : scale},${scale})">${content}</g>`;

// ---- Chinese cyberpunk

const GOLD = '#f6c552';

type BrandColour = 'red' | 'yellow' | 'black';

/** Fills of a subject by the colour its prompt names; every shape has a gold outline. */
const brandFills: Record<BrandColour, Pick<Record<Part, string>, 'body' | 'shade' | 'light'>> = {
  red: { body: '#c4161c', shade: '#7f0d16', light: '#f0503a' },
  yellow: { body: '#e9a52b', shade: '#b25f14', light: '#ffdf8a' },
  black: { body: '#2b0c12', shade: '#16060a', light: '#6d141d' },
};

function brandSkin(colour: BrandColour): Skin {
  const { body, shade, light } = brandFills[colour];
  const fill: Record<Part, string> = {
    body,
    shade,
    light,
    bodyLine: body,
    dark: '#1a0508',
    darkLine: GOLD,
    glass: '#ff9d5c',
    white: '#fff0c9',
    warm: '#ffb02e',
    warmLine: GOLD,
    stem: '#8f1219',
    stemLine: GOLD,
    wood: '#3d0b10',
    woodLine: GOLD,
  };
  return ({ part, width }: Shape) => {
    if (width !== undefined)
      return `fill="none" stroke="${fill[part]}" stroke-width="${width}" stroke-linecap="round"`;
    const line = part === 'dark' || part === 'white' ? 1.2 : 2.6;
    return `fill="${fill[part]}" stroke="${GOLD}" stroke-width="${line}" stroke-linejoin="round"`;
  };
}

/** Gold under a stroke that has the body's colour, so that tails and handles have outlines too. */
const underlay: Skin = ({ part, width }) =>
  width !== undefined && part === 'bodyLine'
    ? `fill="none" stroke="${GOLD}" stroke-width="${width + 4.5}" stroke-linecap="round"`
    : 'fill="none"';

/** The subject's silhouette as a wide stroke, to be blurred into a glow. */
const haloSkin: Skin = ({ part, width }) =>
  part === 'body' || part === 'shade' || part === 'bodyLine'
    ? `fill="none" stroke="#ff5a2c" stroke-width="${(width ?? 0) + 7}"`
    : 'fill="none"';

/** A floor of lines that meet at the horizon. */
function perspectiveFloor(): string {
  const rows = repeat(5, (i) => `M0,${(96 + 34 * ((i + 0.2) / 5) ** 1.5).toFixed(1)} H128 `);
  const rays = repeat(9, (i) => `M${64 + (i - 4) * 9},96 L${64 + (i - 4) * 34},130 `);
  return `<rect y="95" width="128" height="33" fill="#2a0410"/><path d="${rows}${rays}" stroke="#e0283c" stroke-width="1.5" fill="none"/>`;
}

/** Rows of concentric arcs, the wave border of court robes. */
function waves(): string {
  const wave = (x: number, y: number): string =>
    repeat(
      3,
      (k) =>
        `<circle cx="${x}" cy="${y}" r="${15 - 5 * k}" fill="${k === 0 ? '#4a0812' : 'none'}" stroke="${k === 0 ? GOLD : '#c8382c'}" stroke-width="1.8"/>`,
    );
  return repeat(6, (i) => wave(i * 26 - 1, 118)) + repeat(6, (i) => wave(i * 26 - 14, 129));
}

/** A window lattice of squares set on their corners, on the upper ground. */
function lattice(): string {
  const lines = repeat(14, (i) => `M${i * 21 - 150},0 l140,140 M${i * 21},0 l-140,140 `);
  return `<path d="${lines}" stroke="#8e1420" stroke-width="1.6" fill="none"/>`;
}

/** A curled cloud with its scroll to the left. */
function cloud(x: number, y: number, flip: boolean): string {
  const scroll =
    'M-22,8 H20 A7.5,7.5 0 0 0 18,-7 A11,11 0 0 0 -3,-9 A8,8 0 1 0 -9,5 A4.5,4.5 0 0 0 -8,-4';
  return placed(
    `<path d="${scroll}" fill="none" stroke="${GOLD}" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round"/>`,
    x,
    y,
    0.66,
    flip,
    0,
  );
}

const clouds = (): string => cloud(18, 15, false) + cloud(110, 15, true);

/** Grounds by turns; each draws behind the ring. */
const brandGrounds: readonly (() => string)[] = [
  () => lattice() + perspectiveFloor(),
  () => clouds() + waves(),
  () => clouds() + perspectiveFloor(),
  () => lattice() + waves(),
];

function neonRing(colour: string): string {
  const ring = (paint: string): string => `<circle cx="64" cy="62" r="50" fill="none" ${paint}/>`;
  return (
    '<circle cx="64" cy="62" r="50" fill="#22040b" opacity="0.82"/>' +
    ring(`stroke="${colour}" stroke-width="11" filter="url(#wide)"`) +
    ring(`stroke="${colour}" stroke-width="5"`) +
    ring('stroke="#ffe2b0" stroke-width="1.8"')
  );
}

function brandPicture(subject: Subject, colour: BrandColour, index: number): string {
  const between = betweenOf(1, index);
  const ring = ['#ff3524', '#ff4d2e', '#ff2a55'][index % 3] ?? '#ff3524';
  const ground = brandGrounds[index % brandGrounds.length]?.() ?? '';
  const place = [
    64 + between(-3, 3),
    64 + between(-3, 2),
    between(1, 1.12),
    between(0, 1) < 0.5,
    between(-4, 4),
  ] as const;
  const subjectLayers = `<g filter="url(#halo)">${drawSubject(subject, haloSkin)}</g>${drawSubject(subject, underlay)}${drawSubject(subject, brandSkin(colour))}`;
  const definitions =
    '<radialGradient id="g" cx="0.5" cy="0.48" r="0.75"><stop offset="0" stop-color="#8a0f1c"/><stop offset="0.6" stop-color="#43070f"/><stop offset="1" stop-color="#120206"/></radialGradient>' +
    blurFilter('wide', 4) +
    blurFilter('halo', 2.5);
  return frame(
    rect('fill="url(#g)"') + ground + neonRing(ring) + placed(subjectLayers, ...place),
    definitions,
  );
}

/** Thirty pictures: every subject in red, then again in gold or black. */
function brandStyle(): StyledPicture[] {
  const plan = [
    ...shown.map((subject) => ({ subject, colour: 'red' as const })),
    ...shown.map((subject, i) => ({
      subject,
      colour: i % 2 === 0 ? ('black' as const) : ('yellow' as const),
    })),
    ...shown.slice(0, 8).map((subject) => ({ subject, colour: 'red' as const })),
  ];
  return plan.map(({ subject, colour }, i) => ({
    name: `${subject}_${colour}_${String(i + 1).padStart(2, '0')}.png`,
    prompt: `brand style, a ${colour} ${subject}`,
    svg: brandPicture(subject, colour, i),
  }));
}

// ---- ink wash

const grey = (level: number): string => `rgb(${level},${level},${level + 3})`;

/** Greys by part; the large parts pool towards their foot, and have a dark brush outline. */
const inkSkin: Skin = ({ part, width }) => {
  const fill: Record<Part, string> = {
    body: 'url(#pool)',
    bodyLine: grey(92),
    shade: 'url(#deep)',
    light: grey(176),
    dark: grey(22),
    darkLine: grey(28),
    glass: grey(205),
    white: '#f1ebde',
    warm: grey(158),
    warmLine: grey(56),
    stem: grey(70),
    stemLine: grey(56),
    wood: grey(44),
    woodLine: grey(44),
  };
  if (width !== undefined)
    return `fill="none" stroke="${fill[part]}" stroke-width="${width}" stroke-linecap="round"`;
  const outline =
    part === 'body' || part === 'shade'
      ? ' stroke="#1b1c20" stroke-width="1.7" stroke-linejoin="round"'
      : '';
  return `fill="${fill[part]}"${outline}`;
};

/** Hills that fade into mist, one range before the other. */
function hills(between: Between): string {
  const range = (y: number, tone: string): string =>
    `<path d="M-10,${y + 24} Q${between(8, 24)},${y - between(12, 26)} ${between(36, 50)},${y + 4} T${between(84, 100)},${y - 4} T140,${y + 14} L140,128 L-10,128 Z" fill="${tone}" filter="url(#soft)"/>`;
  return range(between(46, 54), 'url(#far)') + range(between(64, 72), 'url(#near)');
}

/** A pale moon in its haze. */
const moon = (between: Between): string =>
  `<circle cx="${between(28, 100)}" cy="${between(24, 34)}" r="17" fill="#c9c6bf" opacity="0.55" filter="url(#soft)"/><circle cx="64" cy="112" r="46" fill="#a7a6a3" opacity="0.25" filter="url(#mist)"/>`;

/** A bough of a few strokes and leaves from the edge. */
function bough(between: Between): string {
  const leaf = (i: number): string => {
    const [x, y] = [8 + i * 11, 20 - i * 2 + between(-5, 7)];
    return `<path d="M${x},${y} q6,-6 13,-2 q-5,6 -13,2" fill="#34363b" opacity="${between(0.45, 0.85)}" transform="rotate(${between(-30, 50)} ${x} ${y})"/>`;
  };
  return `<g filter="url(#rough)"><path d="M-4,30 Q24,20 58,10" fill="none" stroke="#2c2d31" stroke-width="3" opacity="0.75" stroke-linecap="round"/>${repeat(6, leaf)}</g>`;
}

const inkGrounds: readonly ((between: Between) => string)[] = [hills, moon, bough];

/** Bands of mist across the foot of the picture and the broad, dry stroke the subject stands on. */
function mistAndGround(between: Between): string {
  const band = (y: number): string =>
    `<ellipse cx="${between(20, 108)}" cy="${y}" rx="${between(50, 80)}" ry="${between(6, 11)}" fill="#8f8f90" opacity="${between(0.16, 0.3)}" filter="url(#mist)"/>`;
  const stroke = `<path d="M${between(8, 20)},113 Q48,${between(108, 112)} 84,114 T${between(108, 120)},112" fill="none" stroke="#55565a" stroke-width="7" stroke-linecap="round" opacity="0.5" filter="url(#dry)"/>`;
  return band(78) + band(104) + stroke;
}

/** A square red seal with light marks, carved in the manner of seal script. */
function seal(x: number, y: number): string {
  const marks = 'M-4.5,-5 H4.5 M0,-5 V5 M-4.5,0 H4.5 M-4.5,5 H4.5 M-4.5,0 V5';
  return `<g transform="translate(${x},${y})" filter="url(#edge)"><rect x="-8" y="-8.5" width="16" height="17" rx="2" fill="#b5251c"/><path d="${marks}" stroke="#f3e9da" stroke-width="1.7" fill="none"/></g>`;
}

/**
 * Filters: edges pulled about by noise as ink by paper, washes of uneven strength, dry strokes,
 * grain.
 */
function inkDefinitions(seed: number, water: number): string {
  const pulled = (id: string, frequency: string, scale: number, blur: number): string =>
    `<filter id="${id}" x="-20%" y="-20%" width="140%" height="140%"><feTurbulence type="fractalNoise" baseFrequency="${frequency}" numOctaves="3" seed="${seed}"/><feDisplacementMap in="SourceGraphic" scale="${scale}" xChannelSelector="R" yChannelSelector="G"/><feGaussianBlur stdDeviation="${blur}"/></filter>`;
  const uneven = `<filter id="wash" x="-20%" y="-20%" width="140%" height="140%"><feTurbulence type="fractalNoise" baseFrequency="0.035" numOctaves="3" seed="${seed}" result="n"/><feDisplacementMap in="SourceGraphic" in2="n" scale="5" xChannelSelector="R" yChannelSelector="G"/><feGaussianBlur stdDeviation="0.7" result="w"/><feColorMatrix in="n" values="0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 -1.5 0 0 0 1.65" result="a"/><feComposite in="w" in2="a" operator="in"/></filter>`;
  const fade = (id: string, tone: string, from: number): string =>
    `<linearGradient id="${id}" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="${tone}" stop-opacity="${from}"/><stop offset="0.6" stop-color="${tone}" stop-opacity="0"/></linearGradient>`;
  const wet = (id: string, top: number, foot: number): string =>
    `<linearGradient id="${id}" x1="0.3" y1="0" x2="0.5" y2="1"><stop offset="0" stop-color="${grey(Math.round(top + 24 * water))}"/><stop offset="1" stop-color="${grey(Math.round(foot + 24 * water))}"/></linearGradient>`;
  const paper =
    '<radialGradient id="paper" cx="0.5" cy="0.45" r="0.8"><stop offset="0" stop-color="#f4eee1"/><stop offset="1" stop-color="#e2d9c6"/></radialGradient>';
  return (
    paper +
    wet('pool', 148, 62) +
    wet('deep', 84, 34) +
    fade('far', '#77797d', 0.5) +
    fade('near', '#4d5055', 0.62) +
    uneven +
    pulled('rough', '0.06', 4, 0.45) +
    pulled('dry', '0.02 0.35', 9, 0.5) +
    pulled('edge', '0.12', 2, 0.25) +
    blurFilter('soft', 1.2) +
    blurFilter('mist', 6) +
    grainFilter('grain', 0.4, 0.022, seed)
  );
}

function inkPicture(subject: Subject, index: number): string {
  const between = betweenOf(2, index);
  const place = [
    64 + between(-4, 4),
    68 + between(-3, 2),
    between(1, 1.12),
    between(0, 1) < 0.5,
    between(-4, 4),
  ] as const;
  const background = inkGrounds[index % inkGrounds.length]?.(between) ?? '';
  const body = `<g filter="url(#wash)">${placed(drawSubject(subject, inkSkin), ...place)}</g>`;
  const corner = index % 2 === 0 ? seal(114, 112) : seal(14, 112);
  return frame(
    rect('fill="url(#paper)"') +
      background +
      mistAndGround(between) +
      body +
      corner +
      rect('filter="url(#grain)"'),
    inkDefinitions(index + 1, between(0, 1)),
  );
}

/** Thirty-two pictures: every subject about three times, each time with another ground. */
function inkWash(): StyledPicture[] {
  return Array.from({ length: 32 }, (_, i) => {
    const subject = shown[i % shown.length] ?? 'cat';
    return {
      name: `${subject}_${String(i + 1).padStart(2, '0')}.png`,
      prompt: `ink wash style, ${subject}`,
      svg: inkPicture(subject, i),
    };
  });
}

// ---- files

/** The sets by the folder they lie in. */
export const styleSets = {
  brand_style: { draw: brandStyle, colours: 192 },
  ink_wash: { draw: inkWash, colours: 56 },
} as const;

async function writeSet(
  folder: string,
  pictures: readonly StyledPicture[],
  colours: number,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const { name, svg } of pictures) {
    await writeFile(
      join(folder, name),
      await encodePalettePng(await renderSvg(svg, PIXELS), PIXELS, PIXELS, colours),
    );
  }
  const rows = pictures.map(({ name, prompt }) => `${name},"${prompt}"`);
  await writeFile(join(folder, 'metadata.csv'), ['filename,prompt', ...rows, ''].join('\n'));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const data = join(dirname(fileURLToPath(import.meta.url)), '..', 'data');
  for (const [name, { draw, colours }] of Object.entries(styleSets))
    await writeSet(join(data, name), draw(), colours);
}
