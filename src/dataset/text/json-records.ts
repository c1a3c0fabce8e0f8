// Records of a JSON file: one on each line, an array of them, objects over several lines, or an
// object that holds the list.
import type { FoundProblem } from '../../util/problems-by-kind.ts';
import { isObject } from '../../util/is-object.ts';
import { InternalError } from '../../errors.ts';
import { brokenJson } from '../../util/broken-json.ts';
import { filled, isMessage } from './fields.ts';
import { hasKnownField } from './forms.ts';
import type { FoundRecords, TextRecord } from './found-records.ts';

/** A piece of a file that should be one JSON value. */
interface Piece {
  readonly content: string;
  /** Line it begins on, from 1. */
  readonly line: number;
}

export const linesOf = (text: string): string[] => text.split(/\r\n|\r|\n/);

export function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * Whether each line is a value of its own: one that begins with `bracket` at the left margin is, or
 * the first at least closes its braces; lists must all begin so.
 */
export function isLines(text: string, bracket: '{' | '['): boolean {
  const lines = linesOf(text.trimStart());
  if (bracket === '[')
    return (
      parses(lines[0]) && lines.every((line) => line.trim() === '' || line.startsWith(bracket))
    );
  return (
    piecesOf(lines[0], 0).pieces[0]?.content.endsWith('}') === true ||
    lines.some((line) => line.startsWith(bracket) && parses(line))
  );
}

// ---- the forms of a file

/** Files that were joined may have a byte order mark in the middle. */
export function readLines(text: string, shown: string): FoundRecords {
  const pieces = linesOf(text)
    .map((content, i): Piece => ({ content: content.replace(/^\ufeff/, ''), line: i + 1 }))
    .filter(({ content }) => content.trim() !== '');
  return parsed(
    pieces,
    shown,
    'Each line must be one JSON object in double quotes, without a comma after it.',
  );
}

/** An array of records; an array of messages is one conversation. */
export function readArray(text: string, shown: string): FoundRecords {
  const { pieces, end } = piecesOf(text, 1);
  const { records, problems } = parsed(pieces, shown, 'Correct this element of the array.');
  const last = linesOf(text.trimEnd()).length;
  if (end === undefined && problems.length === 0)
    return {
      records,
      problems: [
        {
          where: `${shown}:${last}`,
          what: 'the array does not end; the file seems cut off',
          fix: 'End it with ], or copy the file again.',
        },
      ],
    };
  const rest = end === undefined ? '' : text.slice(end);
  if (rest.trim() === '') return { records: asConversation(records), problems };
  const line =
    linesOf(text.slice(0, end)).length + linesOf(rest.slice(0, rest.search(/\S/))).length - 1;
  return {
    records,
    problems: [
      ...problems,
      {
        where: `${shown}:${line}`,
        what: 'there is something after the end of the array',
        fix: 'Write all samples into one array, or each on a line of its own.',
      },
    ],
  };
}

/**
 * Objects over several lines, one after the other. A single one may hold the list of records:
 * `{"data": […]}`.
 */
export function readObjects(text: string, shown: string): FoundRecords {
  const { pieces } = piecesOf(text, 0);
  const found = parsed(
    pieces,
    shown,
    'Correct this object; it needs double quotes, and no comma after its last field.',
  );
  if (found.problems.length > 0 || found.records.length !== 1) return found;
  const lists = listsOf(found.records[0].value);
  if (lists.length === 0) return found;
  if (lists.length > 1)
    return {
      records: [],
      problems: [
        {
          where: `${shown}:${found.records[0].line}`,
          what: `holds several lists of samples: ${lists.map((name) => `"${name}"`).join(', ')}`,
          fix: 'Write each into a file of its own, and name those to train.',
        },
      ],
    };
  const start = text.indexOf(
    '[',
    text.search(new RegExp(`"${lists[0].replaceAll(/[^\w]/g, '.')}"\\s*:\\s*\\[`)),
  );
  const inside = parsed(
    piecesOf(text.slice(start), 1).pieces,
    shown,
    '',
    linesOf(text.slice(0, start)).length - 1,
  );
  return { ...inside, records: asConversation(inside.records) };
}

/** Fields that hold records, where the object is no sample itself. */
function listsOf(value: unknown): string[] {
  if (!isObject(value) || hasKnownField(filled(value))) return [];
  return Object.entries(value).flatMap(([name, list]) =>
    Array.isArray(list) && list.some((item) => isObject(item) || Array.isArray(item)) ? [name] : [],
  );
}

function asConversation(records: readonly TextRecord[]): readonly TextRecord[] {
  return records.length > 0 && records.every(({ value }) => isMessage(value))
    ? [{ line: records[0].line, value: { messages: records.map(({ value }) => value) } }]
    : records;
}

// ---- pieces

function parsed(
  pieces: readonly Piece[],
  shown: string,
  fix: string,
  linesBefore = 0,
): FoundRecords {
  const records: TextRecord[] = [];
  const problems: FoundProblem[] = [];
  for (const { content, line } of pieces) {
    try {
      records.push({ line: line + linesBefore, value: JSON.parse(content) });
    } catch {
      problems.push(brokenAt({ content, line: line + linesBefore }, shown, fix));
    }
  }
  return { records, problems };
}

/** With the line and the reason; those of one remedy are of one kind. */
function brokenAt({ content, line }: Piece, shown: string, general: string): FoundProblem {
  const broken = brokenJson(content);
  if (broken === undefined) throw new InternalError('JSON.parse refuses what is JSON');
  const { at, what, fix = general } = broken;
  return {
    kind: `broken JSON: ${fix}`,
    where: `${shown}:${line + linesOf(content.slice(0, at)).length - 1}`,
    what: `broken JSON: ${what}`,
    fix,
  };
}

/**
 * The values `depth` brackets deep as text, so that one broken value does not hide the others.
 * `end`: where the outermost bracket closes, when depth is 1 and it does.
 */
function piecesOf(text: string, wanted: 0 | 1): { pieces: Piece[]; end: number | undefined } {
  const pieces: Piece[] = [];
  let [depth, line, start, startedOn, quoted] = [0, 1, -1, 0, false];
  const finish = (at: number): void => {
    if (start >= 0) pieces.push({ content: text.slice(start, at), line: startedOn });
    start = -1;
  };
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '\n') line++;
    else if (quoted) [i, quoted] = [character === '\\' ? i + 1 : i, character !== '"'];
    else if (wanted === 1 && depth === 1 && character === ',') finish(i);
    else if (wanted === 1 && depth === 1 && character === ']') {
      finish(i);
      return { pieces, end: i + 1 };
    } else {
      if (depth >= wanted && start < 0 && character.trim() !== '' && character !== '\ufeff')
        [start, startedOn] = [i, line];
      quoted = character === '"';
      depth +=
        character === '[' || character === '{'
          ? 1
          : character === ']' || character === '}'
            ? -1
            : 0;
      if (wanted === 0 && depth <= 0 && (character === '}' || character === ']')) {
        finish(i + 1);
        depth = 0;
      }
    }
  }
  finish(text.length);
  return { pieces, end: undefined };
}
