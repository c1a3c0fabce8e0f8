// A caption as it is trained: one line of words.
import { LINE_BREAK, oddCharacters, plainText } from '../util/odd-characters.ts';
import type { FoundProblem } from '../util/problems-by-kind.ts';

/** One line without surplus white space and control characters. */
export const plainCaption = (caption: string): string =>
  caption.replace(/[\s\p{Cc}]+/gu, ' ').trim();

/** The caption in `raw`, and what is told of it; `where` it stands. */
export function readCaption(
  raw: string,
  where: string,
): { caption: string; warnings: readonly FoundProblem[] } {
  // Lines are joined, whatever divides them: only that is told of line breaks.
  const { text, told } = plainText(raw.replace(LINE_BREAK, '\n'));
  const lines = text.split('\n').filter((line) => line.trim() !== '').length;
  const caption = plainCaption(text);
  return {
    caption,
    warnings: [
      ...(lines > 1
        ? [
            {
              where,
              detail: `${lines} lines`,
              what: 'the caption has several lines, which are joined into one',
            },
          ]
        : []),
      ...told.map((one) => ({ where, ...one })),
      ...(/[^\P{Cc}\s]/u.test(text)
        ? [{ where, what: 'has control characters, which become spaces' }]
        : []),
      ...oddCharacters(caption).map((one) => ({ where, ...one })),
    ],
  };
}
