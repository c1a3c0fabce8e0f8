// What cannot be seen in a text, or is easily taken for a plain blank, by its code.

/** Inside `[…]` of a regular expression: characters that print as nothing. */
export const INVISIBLE = '\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}\\u034f\\u115f\\u1160\\u3164\\uffa0';

/** Inside `[…]`: characters that print as a blank, but for the blank itself. */
export const BLANKS = '\\u00a0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u2800\\u3000';

/** The joiners inside emoji and Persian words are seen by what they do. */
export const JOINERS = /(?<=[^\0-\u024f])[\u200c\u200d](?=[^\0-\u024f])/gu;

/** Characters that would act on a terminal, or could not be seen, as `\u001b`; line breaks stay. */
export const visible = (text: string): string =>
  text.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ufeff]/g, codeOf);

const unseen = new RegExp(`${JOINERS.source}|(\\t|\\r|\\n|[${INVISIBLE}${BLANKS}])`, 'gu');
const shortCodes = new Map([
  ['\t', '\\t'],
  ['\r', '\\r'],
  ['\n', '\\n'],
]);

/**
 * A name as a message shows it: every character that prints as nothing, or as a blank without being
 * one, by its code, `\u00a0`.
 */
export const withCodes = (name: string): string =>
  name.replace(unseen, (whole, hidden: string | undefined) =>
    hidden === undefined ? whole : (shortCodes.get(hidden) ?? codeOf(hidden)),
  );

/** As `withCodes`, for whole sentences, whose line breaks stay. */
export const withCodesInLines = (text: string): string =>
  text.split('\n').map(withCodes).join('\n');

/** `\u00e9`. */
export const codeOf = (character: string): string => {
  const code = (character.codePointAt(0) ?? 0).toString(16).padStart(4, '0');
  return code.length > 4 ? `\\u{${code}}` : `\\u${code}`;
};
