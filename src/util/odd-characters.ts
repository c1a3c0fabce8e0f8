// Characters in the words of samples and captions that people do not see or did not mean: which
// are changed, which are trained as they stand, and what is said of each.
import { codeOf, JOINERS } from './visible.ts';

/** What is said of a text. */
export interface Oddity {
  readonly what: string;
  readonly fix?: string;
}

interface Change {
  readonly found: RegExp;
  readonly becomes: string;
  readonly what: string;
}

/** However a line ends. */
export const LINE_BREAK = /\r\n|[\r\n\u2028\u2029]/g;

const anyChange = /[\r\u2028\u2029\ufeff]/;

/** One after the other: what is left of the first is the second's. */
const changes: readonly Change[] = [
  {
    found: /\r\n/g,
    becomes: '\n',
    what: 'has line breaks of Windows (\\r\\n), which are trained as \\n',
  },
  {
    found: /\r/g,
    becomes: '\n',
    what: 'has carriage returns (\\r) alone, which are trained as \\n',
  },
  {
    found: /[\u2028\u2029]/g,
    becomes: '\n',
    what: 'has line separators (U+2028 or U+2029), which are trained as \\n',
  },
  {
    found: /\ufeff/g,
    becomes: '',
    what: 'has a byte order mark (U+FEFF) among its words, which is left out',
  },
];

/** The text with `\n` for every kind of line break, without byte order marks; what was changed. */
export function plainText(text: string): { text: string; told: readonly Oddity[] } {
  if (!anyChange.test(text)) return { text, told: [] };
  const told: Oddity[] = [];
  let plain = text;
  for (const { found, becomes, what } of changes) {
    const before = plain;
    plain = plain.replace(found, becomes);
    if (plain !== before) told.push({ what });
  }
  return { text: plain, told };
}

const rewrite = 'Write it again from where it came, in UTF-8.';
const remove = 'Remove it, if it is not meant.';

/**
 * What the bytes of UTF-8 become as Windows-1252 (`cafÃ©`, `itâ€™s`, `çŒ«å’ª`), and what U+FFFD
 * becomes as GBK. Only what no language writes: `é…»` and `ß“` are bytes of UTF-8, too.
 */
const byte = '[\\u00a0-\\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ\\x80-\\x9f]';
const misread = new RegExp(
  `[ÂÃ][\\u00a1-\\u00aa\\u00ac-\\u00ba\\u00bc-\\u00bf]|[âã]€${byte}|ï¼${byte}|ðŸ${byte}{2}|([ä-é]${byte}{2}){2}|锟斤拷`,
);

/** Whether there are characters that UTF-8 becomes in an old encoding. */
export const isMisread = (text: string): boolean => misread.test(text);

/** Joiners in emoji and in Persian or Indic words are left alone, and so are direction controls. */
const odd: readonly (readonly [found: RegExp, what: (code: string) => string, fix: string])[] = [
  [/\ufffd/, (code) => `${code}, which takes the place of a character that was lost`, rewrite],
  [/\p{Surrogate}/u, () => 'half of a character (a lone surrogate), which becomes U+FFFD', rewrite],
  [/\0/, () => 'a NUL character', rewrite],
  [
    /[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/,
    (code) => `the control character ${code}, which is trained as it stands`,
    remove,
  ],
  [
    /[\u00ad\u180e\u200b-\u200d\u2060-\u2064]/,
    (code) => `${code}, which cannot be seen and is trained as it stands`,
    remove,
  ],
];

/** What a text holds that is probably not meant, and is trained all the same. */
export function oddCharacters(text: string): Oddity[] {
  if (/^[\t\n\x20-\x7e]*$/.test(text)) return [];
  const words = text.replace(JOINERS, '');
  const wrong = misread.exec(words)?.[0];
  const told =
    wrong === undefined ? [] : [{ what: `holds "${wrong}", which ${MISREAD}`, fix: rewrite }];
  const others = odd.flatMap(([found, what, fix]) => {
    const character = found.exec(words)?.[0];
    return character === undefined ? [] : [{ what: `holds ${what(unicodeName(character))}`, fix }];
  });
  return [...told, ...others];
}

const MISREAD = 'looks like text that was read in the wrong encoding';

/** `U+200B`. */
const unicodeName = (character: string): string =>
  `U+${codeOf(character)
    .replace(/[\\u{}]/g, '')
    .toUpperCase()}`;
