// The sixteen subjects of the drawn pictures, as flat shapes in a box of about 84 x 84 around the
// origin.

/** What a shape is for; a skin gives each part its paint. Parts ending in `Line` are strokes. */
export type Part =
  | 'body'
  | 'shade'
  | 'light'
  | 'dark'
  | 'glass'
  | 'white'
  | 'warm'
  | 'stem'
  | 'wood'
  | 'bodyLine'
  | 'darkLine'
  | 'stemLine'
  | 'woodLine'
  | 'warmLine';

/** One SVG element without its paint; `width` is the width of a stroke. */
export interface Shape {
  readonly part: Part;
  readonly element: string;
  readonly width?: number;
}

const path = (part: Part, d: string): Shape => ({ part, element: `<path d="${d}"` });
const line = (part: Part, width: number, d: string): Shape => ({
  part,
  width,
  element: `<path d="${d}"`,
});
const ellipse = (part: Part, x: number, y: number, rx: number, ry = rx): Shape => ({
  part,
  element: `<ellipse cx="${x}" cy="${y}" rx="${rx}" ry="${ry}"`,
});
const rect = (part: Part, x: number, y: number, w: number, h: number, r = 0): Shape => ({
  part,
  element: `<rect x="${x}" y="${y}" width="${w}" height="${h}" rx="${r}"`,
});
const polygon = (part: Part, points: readonly (readonly [number, number])[]): Shape => ({
  part,
  element: `<path d="M${points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' L')} Z"`,
});
const eye = (x: number, y: number, r: number): Shape[] => [
  ellipse('white', x, y, r),
  ellipse('dark', x, y, r * 0.55),
];

const car: Shape[] = [
  path(
    'body',
    'M-42,8 Q-42,-2 -31,-4 L-26,-5 L-15,-21 Q-12,-25 -7,-25 L11,-25 Q16,-25 19,-21 L28,-5 Q42,-3 42,9 L42,18 Q42,22 38,22 L-38,22 Q-42,22 -42,18 Z',
  ),
  path('shade', 'M-42,12 L42,12 L42,18 Q42,22 38,22 L-38,22 Q-42,22 -42,18 Z'),
  path('glass', 'M-18,-5 L-9,-17 Q-8,-19 -5,-19 L0,-19 L0,-5 Z'),
  path('glass', 'M6,-5 L6,-19 L10,-19 Q13,-19 15,-16 L21,-5 Z'),
  ellipse('warm', 38, 4, 4, 4.5),
  ellipse('dark', -23, 22, 11.5),
  ellipse('white', -23, 22, 5),
  ellipse('dark', 23, 22, 11.5),
  ellipse('white', 23, 22, 5),
];

const cat: Shape[] = [
  line('bodyLine', 9, 'M16,33 C42,37 42,16 33,9'),
  path('body', 'M-22,38 C-25,16 -16,4 0,4 C16,4 25,16 22,38 Q0,43 -22,38 Z'),
  ellipse('light', 0, 28, 9, 10),
  path(
    'body',
    'M-27,-42 L-8,-30 Q0,-32 8,-30 L27,-42 L29,-14 C29,2 16,10 0,10 C-16,10 -29,2 -29,-14 Z',
  ),
  path('shade', 'M-22.5,-34 L-12,-27 L-22,-20 Z'),
  path('shade', 'M22.5,-34 L12,-27 L22,-20 Z'),
  ellipse('light', 0, 1, 9, 6),
  ...eye(-13, -12, 6),
  ...eye(13, -12, 6),
  path('dark', 'M-4,-3.5 L4,-3.5 L0,1.5 Z'),
];

const phone: Shape[] = [
  rect('body', -25, -42, 50, 84, 9),
  rect('glass', -18, -32, 36, 56, 3),
  path('white', 'M-18,2 L10,-32 L18,-32 L18,-28 L-18,15 Z'),
  rect('shade', -7, -39, 14, 3.5, 1.7),
  ellipse('light', 0, 33, 5),
];

const house: Shape[] = [
  rect('shade', 16, -38, 10, 22),
  rect('body', -31, -10, 62, 48),
  polygon('shade', [
    [-42, -7],
    [0, -42],
    [42, -7],
  ]),
  rect('wood', -8, 12, 16, 26, 2),
  rect('glass', -26, 0, 14, 14),
  rect('glass', 12, 0, 14, 14),
  ellipse('warm', 4, 26, 2),
];

const robot: Shape[] = [
  line('darkLine', 4, 'M0,-28 L0,-36'),
  ellipse('warm', 0, -38, 4.5),
  rect('shade', -34, 4, 10, 24, 5),
  rect('shade', 24, 4, 10, 24, 5),
  rect('shade', -16, 28, 11, 14, 2),
  rect('shade', 5, 28, 11, 14, 2),
  rect('body', -22, 0, 44, 31, 4),
  rect('light', -13, 8, 26, 14, 2),
  rect('body', -20, -30, 40, 27, 5),
  ...eye(-9, -18, 6),
  ...eye(9, -18, 6),
  rect('dark', -9, -9, 18, 3),
];

const sailboat: Shape[] = [
  rect('wood', -3, -40, 5, 62, 1),
  path('body', 'M4,-40 Q40,-16 38,12 L4,12 Z'),
  path('light', 'M-5,-32 Q-14,-2 -34,12 L-5,12 Z'),
  path('shade', 'M-42,17 L42,17 Q36,38 22,38 L-22,38 Q-36,38 -42,17 Z'),
  path('body', 'M-42,17 L42,17 L40,23 L-40,23 Z'),
];

const umbrella: Shape[] = [
  line('woodLine', 5, 'M0,-4 L0,32 Q0,40 8,40 Q15,40 15,33'),
  path(
    'body',
    'M-42,2 C-42,-26 -24,-38 0,-38 C24,-38 42,-26 42,2 Q35,-5 28,2 Q21,-5 14,2 Q7,-5 0,2 Q-7,-5 -14,2 Q-21,-5 -28,2 Q-35,-5 -42,2 Z',
  ),
  path('light', 'M-14,2 C-14,-24 -8,-36 0,-38 C8,-36 14,-24 14,2 Q7,-5 0,2 Q-7,-5 -14,2 Z'),
  rect('wood', -2, -43, 4, 7, 1.5),
];

const bird: Shape[] = [
  line('warmLine', 3.5, 'M-4,24 L-4,40 M6,24 L6,40'),
  path('body', 'M-20,4 L-42,-8 L-40,12 L-18,16 Z'),
  path(
    'body',
    'M40,-19 C38,-34 14,-36 12,-18 C10,-8 -14,-10 -24,4 C-28,22 -8,30 6,28 C26,26 36,10 34,-8 Z',
  ),
  path('shade', 'M-22,6 C-10,-6 12,-4 14,4 C12,16 -8,20 -22,6 Z'),
  path('warm', 'M35,-24 L46,-17 L35,-13 Z'),
  ...eye(27, -20, 4.5),
];

const tree: Shape[] = [
  path('wood', 'M-7,42 L-5,8 L5,8 L7,42 Z'),
  ellipse('shade', -20, 2, 20, 17),
  ellipse('shade', 20, 2, 20, 17),
  ellipse('body', 0, -20, 25, 22),
  ellipse('body', -18, -4, 18, 16),
  ellipse('body', 18, -4, 18, 16),
  ellipse('body', 0, 2, 18, 14),
  ellipse('light', -9, -23, 8, 7),
  ellipse('light', 14, -8, 5, 4.5),
  ellipse('light', -18, 0, 4.5, 4),
];

const petals = Array.from({ length: 6 }, (_, i) => {
  const angle = (i * Math.PI) / 3 - Math.PI / 2;
  return ellipse(
    'body',
    Number((18 * Math.cos(angle)).toFixed(2)),
    Number((-16 + 18 * Math.sin(angle)).toFixed(2)),
    11.5,
  );
});
const flower: Shape[] = [
  line('stemLine', 5.5, 'M0,0 Q2,22 0,42'),
  path('stem', 'M1,32 Q6,14 24,16 Q22,32 1,32 Z'),
  path('stem', 'M-1,38 Q-6,22 -22,25 Q-20,38 -1,38 Z'),
  ...petals,
  ellipse('warm', 0, -16, 10.5),
];

const fish: Shape[] = [
  path('shade', 'M-8,-16 Q4,-36 20,-26 L16,-12 Z'),
  path('shade', 'M-2,18 Q4,34 14,30 L12,14 Z'),
  path('body', 'M-18,0 L-42,-22 Q-34,0 -42,22 Z'),
  path('body', 'M-26,0 C-12,-26 26,-30 42,0 C26,30 -12,26 -26,0 Z'),
  path('light', 'M-4,-16 Q4,0 -4,16 L-11,12 Q-5,0 -11,-12 Z'),
  path('light', 'M10,-20 Q18,0 10,20 L3,19 Q11,0 3,-19 Z'),
  ...eye(28, -6, 5.5),
];

const mug: Shape[] = [
  line('bodyLine', 8, 'M20,-14 C46,-18 46,22 18,20'),
  path('body', 'M-30,-28 L24,-28 L22,30 Q21,38 13,38 L-19,38 Q-27,38 -28,30 Z'),
  path('light', 'M-29.4,-8 L23.4,-8 L22.8,10 L-28.8,10 Z'),
  ellipse('shade', -3, -28, 27, 8),
  ellipse('dark', -3, -27, 21, 5),
];

const lamp: Shape[] = [
  rect('wood', -3, -4, 6, 40),
  path('wood', 'M-20,42 Q-18,32 0,32 Q18,32 20,42 Z'),
  path('body', 'M-17,-42 L17,-42 L36,2 L-36,2 Z'),
  path('light', 'M-5,-42 L5,-42 L11,2 L-11,2 Z'),
  path('shade', 'M-33,-5 L33,-5 L36,2 L-36,2 Z'),
];

const chair: Shape[] = [
  rect('shade', -19, 8, 7, 28),
  rect('shade', 12, 8, 7, 28),
  path('body', 'M-24,-34 Q-24,-42 -16,-42 L16,-42 Q24,-42 24,-34 L24,6 L-24,6 Z'),
  rect('light', -15, -33, 30, 27, 3),
  path('body', 'M-25,0 L25,0 L31,14 L-31,14 Z'),
  rect('shade', -31, 12, 62, 6, 2),
  rect('body', -31, 16, 9, 26, 2),
  rect('body', 22, 16, 9, 26, 2),
];

const starPoints = Array.from({ length: 10 }, (_, i): [number, number] => {
  const r = i % 2 === 0 ? 43 : 20;
  const angle = (i * Math.PI) / 5 - Math.PI / 2;
  return [r * Math.cos(angle), 3 + r * Math.sin(angle)];
});
const facets = [0, 2, 4, 6, 8].map((i) =>
  polygon('shade', [[0, 3], starPoints[i] ?? [0, 0], starPoints[(i + 1) % 10] ?? [0, 0]]),
);
const star: Shape[] = [polygon('body', starPoints), ...facets];

const rocket: Shape[] = [
  path('warm', 'M-10,24 Q-8,36 0,44 Q8,36 10,24 Z'),
  path('shade', 'M-14,2 Q-32,12 -30,34 L-12,24 Z'),
  path('shade', 'M14,2 Q32,12 30,34 L12,24 Z'),
  path('body', 'M0,-44 C18,-30 20,0 13,27 L-13,27 C-20,0 -18,-30 0,-44 Z'),
  path('shade', 'M0,-44 C8,-38 13,-29 15,-20 L-15,-20 C-13,-29 -8,-38 0,-44 Z'),
  ellipse('white', 0, -5, 9),
  ellipse('glass', 0, -5, 6.5),
];

/** Every subject by the word that captions use for it. */
export const subjects = {
  car,
  cat,
  phone,
  house,
  robot,
  sailboat,
  umbrella,
  bird,
  tree,
  flower,
  fish,
  mug,
  lamp,
  chair,
  star,
  rocket,
} as const;
export type Subject = keyof typeof subjects;

/** Paint of each part: SVG attributes. */
export type Skin = (shape: Shape) => string;

/** The SVG elements of a subject under a skin. */
export function drawSubject(subject: Subject, skin: Skin): string {
  return subjects[subject].map((shape) => `${shape.element} ${skin(shape)}/>`).join('');
}
