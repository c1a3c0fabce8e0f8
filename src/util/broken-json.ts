// Where a text stops being JSON, and why, in words for people: parsers say it in their own.
import { BLANKS, INVISIBLE, withCodes } from './visible.ts';

export interface BrokenJson {
  /** Characters before the place. */
  readonly at: number;
  readonly what: string;
  /** What to do, where there is more to say than to correct it. */
  readonly fix?: string;
}

/** What may stand next. */
type Expected = 'value' | 'first value' | 'name' | 'first name' | 'colon' | 'end of value';

interface Scan {
  readonly text: string;
  /** The brackets that are not closed yet. */
  readonly open: string[];
}

interface Next {
  readonly at: number;
  readonly expected: Expected;
}

/** The first fault of `text`; undefined where it is JSON. */
export function brokenJson(text: string): BrokenJson | undefined {
  const scan: Scan = { text, open: [] };
  let next: Next | BrokenJson = { at: 0, expected: 'value' };
  while ('expected' in next) {
    const at = matchEnd(/[ \t\r\n]*/y, text, next.at);
    const ended = next.expected === 'end of value' && scan.open.length === 0;
    if (at >= text.length) return ended ? undefined : tooEarly(text);
    next = steps[next.expected](scan, at);
  }
  return next;
}

const tooEarly = (text: string): BrokenJson => ({
  at: text.trimEnd().length,
  what: 'it ends too early',
});

const steps: Readonly<Record<Expected, (scan: Scan, at: number) => Next | BrokenJson>> = {
  value: readValue,
  'first value': (scan, at) => (scan.text[at] === ']' ? closed(scan, at) : readValue(scan, at)),
  name: readName,
  'first name': (scan, at) => (scan.text[at] === '}' ? closed(scan, at) : readName(scan, at)),
  colon: ({ text }, at) =>
    text[at] === ':'
      ? { at: at + 1, expected: 'value' }
      : { at, what: `a colon is missing before ${shown(text, at)}` },
  'end of value': afterValue,
};

function closed({ open }: Scan, at: number): Next {
  open.pop();
  return { at: at + 1, expected: 'end of value' };
}

function readValue({ text, open }: Scan, at: number): Next | BrokenJson {
  const character = text[at];
  if (character === '{' || character === '[') {
    open.push(character);
    return { at: at + 1, expected: character === '{' ? 'first name' : 'first value' };
  }
  if (character === '"') return readString(text, at, 'end of value');
  const word = wordAt(text, at);
  return JSON_WORD.test(word)
    ? { at: at + word.length, expected: 'end of value' }
    : noValue(text, at, word);
}

function readName({ text }: Scan, at: number): Next | BrokenJson {
  if (text[at] === '"') return readString(text, at, 'colon');
  if (text[at] === '}') return { at, what: 'a comma stands before }', fix: 'Remove the comma.' };
  return (
    noText(text, at) ?? { at, what: `a name in double quotes is missing before ${shown(text, at)}` }
  );
}

function afterValue(scan: Scan, at: number): Next | BrokenJson {
  const { text, open } = scan;
  const [character, bracket] = [text[at], open.at(-1)];
  if (bracket === undefined) return afterAll(text, at);
  if (character === ',') return { at: at + 1, expected: bracket === '{' ? 'name' : 'value' };
  if (character === (bracket === '{' ? '}' : ']')) return closed(scan, at);
  if (character === '}' || character === ']')
    return { at, what: `${character} stands where ${bracket} is to be closed` };
  return (
    comment(text, at) ??
    quoteInside(text, at) ?? { at, what: `a comma is missing before ${shown(text, at)}` }
  );
}

function afterAll(text: string, at: number): BrokenJson {
  const what = text[at] === ',' ? 'a comma follows it' : `more follows it: ${shown(text, at)}`;
  return comment(text, at) ?? { at, what };
}

// ---- texts

/** The last two: cut off. */
const ESCAPE = /\\(["\\/bfnrt]|u[0-9a-fA-F]{4}|u[0-9a-fA-F]{0,3}$|$)/y;

function readString(text: string, from: number, expected: Expected): Next | BrokenJson {
  for (let at = from + 1; at < text.length; at++) {
    const character = text[at];
    if (character === '"') return { at: at + 1, expected };
    if (character < ' ') return control(at, character);
    if (character !== '\\') continue;
    const end = matchEnd(ESCAPE, text, at);
    if (end === at) return backslash(text, at);
    at = end - 1;
  }
  return tooEarly(text);
}

const control = (at: number, character: string): BrokenJson =>
  character === '\n' || character === '\r'
    ? {
        at,
        what: 'a line ends inside a text',
        fix: String.raw`Write a line break inside a text as \n, and end each text with a double quote.`,
      }
    : character === '\t'
      ? { at, what: 'a tab stands inside a text', fix: String.raw`Write it as \t.` }
      : {
          at,
          what: `a control character (code ${character.charCodeAt(0)}) stands inside a text`,
          fix: 'Remove it.',
        };

const backslash = (text: string, at: number): BrokenJson => ({
  at,
  what: `a backslash stands before ${shown(text, at + 1, 1)} inside a text`,
  fix: String.raw`Write a backslash in a text as two: \\.`,
});

const quoteInside = (text: string, at: number): BrokenJson | undefined =>
  text[at - 1] === '"' && /[\p{L}\p{N}]/u.test(text[at])
    ? {
        at,
        what: `a text ends before ${shown(text, at)}`,
        fix: String.raw`Write a double quote inside a text as \".`,
      }
    : undefined;

// ---- what people write in place of JSON

const JSON_WORD = /^(true|false|null|-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?)$/;

const wordAt = (text: string, at: number): string =>
  text.slice(at, matchEnd(/[\w.+$-]*/y, text, at));

const python: Readonly<Record<string, string>> = { None: 'null', True: 'true', False: 'false' };

function noValue(text: string, at: number, word: string): BrokenJson {
  if (/^[+-]?(nan|inf|infinity)$/i.test(word))
    return {
      at,
      what: `${word} is no value of JSON`,
      fix: 'Write null in its place, or leave the field out.',
    };
  if (Object.hasOwn(python, word))
    return {
      at,
      what: `${word} is Python, not JSON`,
      fix: `Write ${python[word]}; in Python, json.dumps(sample) does.`,
    };
  if (/^[-+.]?\d/.test(word))
    return {
      at,
      what: `${word} is not a number as JSON has them`,
      fix: 'Put it in double quotes.',
    };
  if (',]}'.includes(text[at]))
    return {
      at,
      what: `a value is missing before ${text[at]}`,
      fix: 'Write one, or remove the comma or the name before it.',
    };
  return noText(text, at) ?? { at, what: `there is no value of JSON at ${shown(text, at)}` };
}

/** Names and texts in other quotes or in none. */
function noText(text: string, at: number): BrokenJson | undefined {
  if (text[at] === "'")
    return {
      at,
      what: `single quotes around ${shown(text, at)}`,
      fix: 'Write double quotes; in Python, json.dumps(sample) does.',
    };
  if (/[“”„‟«»‘’＂]/.test(text[at]))
    return {
      at,
      what: `typographic quotes around ${shown(text, at)}`,
      fix: 'Write plain double quotes (").',
    };
  if (/[\p{L}_$]/u.test(text[at]))
    return {
      at,
      what: `${shown(text, at)} is not in double quotes`,
      fix: 'Put names and texts in double quotes.',
    };
  return unseen(text, at) ?? comment(text, at);
}

const UNSEEN = new RegExp(`^[${INVISIBLE}${BLANKS}]`, 'u');

const unseen = (text: string, at: number): BrokenJson | undefined =>
  UNSEEN.test(text.slice(at, at + 2))
    ? {
        at,
        what: `the character ${withCodes(text[at])} stands outside of a text`,
        fix: 'Remove it; between values JSON has plain spaces alone.',
      }
    : undefined;

const comment = (text: string, at: number): BrokenJson | undefined =>
  /^(\/\/|\/\*|#)/.test(text.slice(at, at + 2))
    ? { at, what: `there is a comment: ${shown(text, at)}`, fix: 'Remove it: JSON has none.' }
    : undefined;

/** The next characters, as many as tell them. */
const shown = (text: string, at: number, most = 20): string => {
  const [line] = text.slice(at, at + 2 * most).split(/[\r\n]/);
  return withCodes([...line].slice(0, most).join('').trim());
};

function matchEnd(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}
