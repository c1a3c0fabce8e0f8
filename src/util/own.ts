// Look-ups by other people's words in tables and JSON objects: `constructor` and `__proto__` are
// words like any other.
import { z } from 'zod';
import { isObject } from './is-object.ts';

/** What `table` itself has by this key. */
export const own = <T>(table: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;

/**
 * A JSON object with values of one kind and any keys, as a map. A plain object would lose
 * `__proto__`, as zod's record does.
 */
export const mapOf = <T>(value: z.ZodType<T>) =>
  z.unknown().transform((input, context): ReadonlyMap<string, T> => {
    if (!isObject(input)) {
      context.addIssue({ code: 'invalid_type', expected: 'record', input });
      return z.NEVER;
    }
    const read = Object.entries(input).map(([key, one]) => [key, value.safeParse(one)] as const);
    for (const [key, { error }] of read)
      for (const issue of error?.issues ?? [])
        context.addIssue({ code: 'custom', message: issue.message, path: [key, ...issue.path] });
    return new Map(read.flatMap(([key, { data }]) => (data === undefined ? [] : [[key, data]])));
  });

/** A JSON object of any kind, with every key that it has. */
export const jsonObject = z.custom<Readonly<Record<string, unknown>>>(isObject);
