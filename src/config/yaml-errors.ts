// What the YAML parser complains of, in words for people who have never read the YAML
// specification.
import type { Problem } from '../errors.ts';

type Explanation = Pick<Problem, 'what' | 'fix'>;

/** Longest piece of the user's line that a message repeats. */
const shownColumns = 80;

/** The fault with this code and message, found in the line `source`. */
export function explainYaml(code: string, message: string, source: string): Explanation {
  const known = byCode[code]?.(message, source);
  if (known !== undefined) return known;
  const what = `not valid YAML: ${message.split('\n')[0]}`;
  const hint = source.includes('：')
    ? 'The colon is a full-width one (：): type an ordinary colon and a space.'
    : undefined;
  if (hint !== undefined) return { what, fix: hint };
  return source === ''
    ? { what }
    : {
        what,
        fix: `in: ${source.length > shownColumns ? `${source.slice(0, shownColumns)}…` : source}`,
      };
}

const byCode: Readonly<
  Record<string, ((message: string, source: string) => Explanation | undefined) | undefined>
> = {
  DUPLICATE_KEY: (_, source) => ({
    what: `${source.split(':')[0]} is there twice`,
    fix: 'Keep one of the two lines.',
  }),
  TAB_AS_INDENT: () => ({
    what: 'a tab where YAML expects spaces',
    fix: 'Replace the tab with spaces.',
  }),
  MULTIPLE_DOCS: () => ({
    what: 'a second document begins here',
    fix: 'Delete the line --- : a file describes one run.',
  }),
  TAG_RESOLVE_FAILED: (_, source) => ({
    what: `the tag ${/!\S+/.exec(source)?.[0] ?? '!'} has no meaning here`,
    fix: 'Write the plain value.',
  }),
  BAD_DQ_ESCAPE: () => ({
    what: 'inside double quotes \\ begins a special character, and this one does not exist',
    fix: 'Write paths with /, or leave the quotes out.',
  }),
  BLOCK_IN_FLOW: (_, source) => ({
    what: 'a bracket or brace is opened and never closed',
    ...(source !== '' && { fix: `It was still open at: ${source.slice(0, shownColumns)}` }),
  }),
  MISSING_CHAR: (message) =>
    /quote/.test(message)
      ? {
          what: 'a quotation mark is opened and never closed',
          fix: 'Look further up for a value with only one " or \'.',
        }
      : undefined,
  IMPOSSIBLE: () => ({ what: 'the values are nested too deeply' }),
  BLOCK_AS_IMPLICIT_KEY: (_, source) =>
    /:\s.*:\s/.test(source)
      ? {
          what: 'a second ": " in one line',
          fix: `Put the text after the first colon in quotes: ${source.slice(0, shownColumns)}`,
        }
      : undefined,
};
