// The sheet at the end of a run: rows of pictures under their labels, as one PNG.
import { encodePng, type Picture, renderSvg } from '../dataset/image.ts';
import { dotWidth, eachDot } from './bitmap-font.ts';

export interface SheetRow {
  /** Any text, in any script; too long ones are cut. */
  readonly label: string;
  /** From left to right; sizes may differ. */
  readonly pictures: readonly Picture[];
}

export interface SheetOptions {
  /** One above each column, such as "without" and "with the adapter". */
  readonly headings?: readonly string[];
  /** False: the built-in dots even where fonts are. */
  readonly fonts?: boolean;
}

const GAP = 8;
const LINE = 24;
const TEXT = 14;
const MIN_CELL = 160;
const INK = '#1c1f26';

/** Draws the sheet; gives the bytes of a PNG. */
export async function contactSheet(
  rows: readonly SheetRow[],
  { headings = [], fonts = true }: SheetOptions = {},
): Promise<Uint8Array> {
  const columns = Math.max(1, headings.length, ...rows.map(({ pictures }) => pictures.length));
  const cell = Math.max(
    MIN_CELL,
    ...rows.flatMap(({ pictures }) => pictures.map(({ width }) => width)),
  );
  const width = GAP + columns * (cell + GAP);
  const pen = fonts && (await isDrawn('a')) ? letterPen : dotPen;
  const heads = await Promise.all(headings.map((text) => pen(text, cell)));
  const labels = await Promise.all(rows.map(({ label }) => pen(label, width - 2 * GAP)));
  const tops: number[] = [];
  let y = GAP + tallest(heads);
  for (const [i, { pictures }] of rows.entries()) {
    tops.push(y);
    y += labels[i].height + tallest(pictures) + GAP;
  }
  const sheet = blank(width, y);
  const xOf = (column: number): number => GAP + column * (cell + GAP);
  heads.forEach((text, column) => paste(sheet, text, xOf(column), GAP));
  rows.forEach(({ pictures }, i) => {
    paste(sheet, labels[i], GAP, tops[i]);
    pictures.forEach((picture, column) =>
      paste(sheet, picture, xOf(column), tops[i] + labels[i].height),
    );
  });
  return encodePng(sheet.rgb, sheet.width, sheet.height);
}

const tallest = (pictures: readonly Picture[]): number =>
  Math.max(0, ...pictures.map(({ height }) => height));

const blank = (width: number, height: number): Picture => ({
  width,
  height,
  rgb: new Uint8Array(width * height * 3).fill(255),
});

/** Copies `picture` with its upper left corner to (x, y); what does not fit is cut. */
function paste(sheet: Picture, { rgb, width, height }: Picture, x: number, y: number): void {
  const w = Math.min(width, sheet.width - x);
  for (let row = 0; row < Math.min(height, sheet.height - y); row++) {
    sheet.rgb.set(
      rgb.subarray(row * width * 3, (row * width + w) * 3),
      ((y + row) * sheet.width + x) * 3,
    );
  }
}

/** Draws a text into `width` pixels, on as many lines as it needs but no more than two. */
type TextPen = (text: string, width: number) => Promise<Picture>;

// ---- text by the machine's fonts

const letterPen: TextPen = async (text, width) => {
  const lines = wrap(await drawable(text), width, textWidth);
  const height = lines.length * LINE;
  const elements = lines.map(
    (line, i) =>
      `<text x="0" y="${i * LINE + 16}" font-family="sans-serif" font-size="${TEXT}" fill="${INK}">${escape(line)}</text>`,
  );
  return {
    rgb: await renderSvg(svg(width, height, elements.join('')), width, height),
    width,
    height,
  };
};

/** The text with a box for each character no font has. */
async function drawable(text: string): Promise<string> {
  const box = (await isDrawn('\u25a1')) ? '\u25a1' : '?';
  const shown = await Promise.all(
    [...text].map(async (c) => (c <= '~' || (await isDrawn(c)) ? c : box)),
  );
  return shown.join('');
}

const svg = (width: number, height: number, content: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${content}</svg>`;

// Control characters are not allowed in XML, not even escaped.
const escape = (text: string): string =>
  text
    .replace(/[\u0000-\u001f\ufffe\uffff]|\p{Surrogate}/gu, '')
    .replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

/**
 * A guess that errs on the wide side: Chinese letters are square, others about 0.57 as wide on
 * average.
 */
const textWidth = (text: string): number =>
  [...text].reduce(
    (sum, c) =>
      sum + TEXT * (/[\u1100-\u11ff\u2e80-\uffef\u25a1]/.test(c) || c.length > 1 ? 1.02 : 0.58),
    0,
  );

/**
 * Characters that no font has: what their pictures share is the frame of the box that stands for
 * them.
 */
const unassigned: readonly string[] = ['\u0378', '\u2fe0', '\uabee', '\ud7fd', '\ue456', '\uf8d1'];
const answers = new Map<string, Promise<boolean>>();

/** Whether the machine's fonts have a character. Each is asked for once. */
function isDrawn(character: string): Promise<boolean> {
  const answer = answers.get(character) ?? tryCharacter(character);
  answers.set(character, answer);
  return answer;
}

/** A character without a glyph comes out blank, or as a box with or without its number in it. */
async function tryCharacter(character: string): Promise<boolean> {
  if (/\s/.test(character)) return true;
  const [shown, first, ...others] = await Promise.all([character, ...unassigned].map(inkOf));
  if (shown.every((value) => value === 255)) return false;
  const frame = [...first.keys()].filter(
    (i) => first[i] < 200 && others.every((other) => other[i] < 200),
  );
  const shared = frame.filter((i) => Math.abs(shown[i] - first[i]) < 64).length;
  // numbers in the box smudge a pixel of the frame here and there
  return frame.length === 0 || shared < 0.7 * frame.length;
}

const inkOf = (character: string): Promise<Uint8Array> =>
  renderSvg(
    svg(
      LINE,
      LINE,
      `<text y="17" font-family="sans-serif" font-size="16">${escape(character)}</text>`,
    ),
    LINE,
  );

// ---- text by dots

/** Dots of 2 x 2 pixels; characters the font lacks are boxes. */
const DOT = 2;

const dotPen: TextPen = async (text, width) => {
  const lines = wrap(text, width, (part) => dotWidth(part) * DOT);
  const picture = blank(width, lines.length * LINE);
  lines.forEach((line, i) =>
    eachDot(line, (x, y) => drawDot(picture, x * DOT, i * LINE + 3 + y * DOT)),
  );
  return picture;
};

function drawDot({ rgb, width }: Picture, x: number, y: number): void {
  for (let row = y; row < y + DOT; row++)
    rgb.fill(0x20, (row * width + x) * 3, (row * width + x + DOT) * 3);
}

// ---- lines

/**
 * One or two lines that fit, broken at a space where there is one; `...` where something is left
 * out.
 */
function wrap(text: string, width: number, measure: (part: string) => number): string[] {
  const line = text.replace(/\s+/g, ' ').trim();
  if (measure(line) <= width) return [line];
  const fitting = beginning(line, width, measure);
  const space = fitting.lastIndexOf(' ');
  const first =
    space > fitting.length / 2 && line[fitting.length] !== ' ' ? fitting.slice(0, space) : fitting;
  const rest = line.slice(first.length).trim();
  if (measure(rest) <= width) return [first, rest];
  return [first, `${beginning(rest, width - measure('...'), measure).trimEnd()}...`];
}

/** The longest beginning that fits, of whole characters and at least one. */
function beginning(text: string, width: number, measure: (part: string) => number): string {
  const characters = [...text];
  let length = characters.length;
  while (length > 1 && measure(characters.slice(0, length).join('')) > width) length--;
  return characters.slice(0, length).join('');
}
