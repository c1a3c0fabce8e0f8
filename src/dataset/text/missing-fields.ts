// What is said of a record that lacks a field, or holds something else than text in one.
import { blank, type Fault, type Fields, filled, first, kindOf } from './fields.ts';
import { answerKeys, besideKeys, everyKey, isAbout, meantKey } from './field-names.ts';

export const knownForms =
  'messages (a list of {role, content}), conversations (a list of {from, value}), instruction with output, prompt with completion, or text';

/** So many fields are named. */
const SHOWN = 6;

export const quoted = (names: readonly string[]): string =>
  names
    .slice(0, SHOWN)
    .map((name) => `"${name}"`)
    .join(', ') + (names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '');

/** `rename`: what to do, where other names of the fields are known. */
export type UnknownFields = Fault & { readonly rename?: string };

/** The fault of a record that is no sample by its fields. */
export function unknownFields(value: Fields): UnknownFields {
  const names = Object.keys(filled(value));
  if (names.length === 0) return { what: 'is empty', fix: 'Delete it, or fill it.' };
  const answer = first(filled(value), answerKeys);
  const what =
    answer === undefined
      ? `has none of the known fields, but ${quoted(names)}`
      : `has "${answer}", but no question for it`;
  const rename = renamed(names);
  if (rename !== undefined) return { what, fix: rename, rename };
  return {
    what,
    fix:
      answer === undefined
        ? `Use ${knownForms}.`
        : 'Add "prompt", or write a text without question as "text".',
  };
}

/** Each key once: of two fields that may mean the same, the first. */
function renamed(names: readonly string[]): string | undefined {
  const meant = new Map<string, string>();
  for (const name of names.filter((one) => !everyKey.includes(one))) {
    const key = meantKey(name);
    if (key !== undefined && !names.includes(key) && !meant.has(key)) meant.set(key, name);
  }
  if (meant.size === 0) return undefined;
  const list = [...meant].map(([key, name]) => `"${key}" for "${name}"`);
  return `Did you mean ${list.join(' and ')}?`;
}

/** `has`: the field with the question; `wanted`: the one that its answer should be in. */
export function lacksAnswer(fields: Fields, has: string, wanted: string): Fault {
  const others = Object.keys(filled(fields)).filter(
    (name) => name !== has && !besideKeys.includes(name) && typeof fields[name] === 'string',
  );
  const answers = others.filter((name) => !isAbout(name) || meantKey(name) !== undefined);
  if (answers.length === 0)
    return { what: `has "${has}" but no "${wanted}"`, fix: `Add "${wanted}".` };
  const known = answers.find((name) => isAnswer(meantKey(name)));
  const one = known ?? (answers.length === 1 ? answers[0] : undefined);
  return {
    what: `has "${has}" but no "${wanted}"; its other fields: ${quoted(answers)}`,
    fix:
      one === undefined
        ? `Rename the one that is the answer to "${wanted}".`
        : `If "${one}" is the answer, rename it to "${wanted}".`,
  };
}

const isAnswer = (key: string | undefined): boolean => answerKeys.some((one) => one === key);

/** `value` is something else than text. */
export const notText = (key: string, value: unknown): Fault => ({
  what: `"${key}" is ${kindOf(value)}, not text`,
  fix:
    typeof value === 'object' && !blank(value)
      ? 'Write one text in double quotes; a conversation is a list of {role, content} in "messages".'
      : 'Put the text in double quotes.',
});
