// Text as Python's re, str and float see it, for grammars that are defined by a program in Python.

/** For a character class: what Python's \w takes; JavaScript's own \w and \b know ASCII alone. */
export const WORD = String.raw`\p{L}\p{N}_`;
/** For a character class: what Python's \s takes. */
export const SPACE = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;
/** For a character class: what Python's \d takes. */
export const DIGIT = String.raw`\p{Nd}`;

const ends = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, 'gu');

/** str.strip() */
export const strip = (text: string): string => text.replace(ends, '');

const number =
  /^[-+]?(?:(?:\d+(?:_\d+)*\.?|\d*\.\d+(?:_\d+)*|\d+(?:_\d+)*\.\d+)(?:e[-+]?\d+)?|inf(?:inity)?|nan)$/iu;

/** float(text); undefined where Python raises a ValueError. */
export function pythonFloat(text: string): number | undefined {
  const ascii = strip(text).replace(/\p{Nd}/gu, digitValue);
  if (!number.test(ascii)) return undefined;
  const plain = ascii.replaceAll('_', '').toLowerCase();
  return Number(plain.replace(/inf(inity)?/, 'Infinity').replace('nan', 'NaN'));
}

/** The decimal digits of a script stand in a row from 0 to 9. */
function digitValue(digit: string): string {
  const code = digit.codePointAt(0) ?? 0;
  let before = 0;
  while (/\p{Nd}/u.test(String.fromCodePoint(code - before - 1))) before++;
  return String(before % 10);
}
