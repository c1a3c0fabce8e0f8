// Every text of a record with line breaks of one kind and without byte order marks.
import { isObject } from '../../util/is-object.ts';
import { plainText } from '../../util/odd-characters.ts';
import type { FoundProblem } from '../../util/problems-by-kind.ts';
import type { TextRecord } from './found-records.ts';

export interface PlainRecord {
  readonly record: TextRecord;
  /** What was changed, once for each kind, with the first field that has it. */
  readonly warnings: readonly FoundProblem[];
}

/** `shown`: the file, in messages. */
export function plainRecord({ line, value }: TextRecord, shown: string): PlainRecord {
  const told = new Map<string, string>();
  const plain = (one: unknown, path: string): unknown => {
    if (typeof one === 'string') {
      const changed = plainText(one);
      for (const { what } of changed.told) if (!told.has(what)) told.set(what, path);
      return changed.text;
    }
    if (Array.isArray(one)) return one.map((item, i) => plain(item, `${path}[${i}]`));
    if (!isObject(one)) return one;
    return Object.fromEntries(
      Object.entries(one).map(([key, item]) => [
        key,
        plain(item, path === '' ? key : `${path}.${key}`),
      ]),
    );
  };
  const record = { line, value: plain(value, '') };
  const where = `${shown}:${line}`;
  return { record, warnings: [...told].map(([what, detail]) => ({ where, detail, what })) };
}
