// Fields of a record: which of several spellings holds something, and what is wrong with one.
import { isObject } from '../../util/is-object.ts';

/** What is wrong with a sample; the reader adds where. */
export interface Fault {
  readonly what: string;
  readonly fix: string;
}

export type Fields = Readonly<Record<string, unknown>>;

/**
 * Nothing is there to read: null, a text without visible characters, an empty list or object, or
 * one that holds nothing else. Tables with a column for each field are full of such.
 */
export function blank(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (typeof value === 'string')
    return value.replace(/[\u200b-\u200d\u2060\ufeff]/g, '').trim() === '';
  return typeof value === 'object' && Object.values(value).every(blank);
}

/** Of several spellings the first that holds something, else the first that is there. */
export const first = (fields: Fields, keys: readonly string[]): string | undefined =>
  keys.find((key) => !blank(fields[key])) ?? keys.find((key) => key in fields);

/** The fields that hold something. */
export const filled = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => !blank(value)));

/** The same value without fields that are null, at every depth; lists keep what they hold. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, one]) => (one === null ? [] : [[key, withoutNulls(one)]])),
  );
}

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
  isObject(value) && !(blank(value['role']) && blank(value['from']));

/** What a text says as JSON, or the text. */
export function parsedList(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
