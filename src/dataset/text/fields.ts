// Fields of a record: which of several spellings holds something, and what is wrong with one.
import { isObject } from '../../util/is-object.ts';

/** What is wrong with a sample; the reader adds where. */
export interface Fault {
  readonly what: string;
  readonly fix: string;
}

export type Fields = Readonly<Record<string, unknown>>;

export const first = (fields: Fields, keys: readonly string[]): string | undefined =>
  keys.find((key) => key in fields);

/** Characters without width are nothing to read either. */
export const blank = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  (typeof value === 'string' && value.replace(/[\u200b-\u200d\u2060\ufeff]/g, '').trim() === '');
export const kindOf = (value: unknown): string =>
  value === null
    ? 'null'
    : Array.isArray(value)
      ? 'a list'
      : typeof value === 'object'
        ? 'an object'
        : `a ${typeof value}`;

/** Whether a value is a message of a conversation. */
export const isMessage = (value: unknown): boolean =>
  isObject(value) && ('role' in value || 'from' in value);

/** A cell of a CSV file may hold the list as JSON. */
export function parsedList(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
