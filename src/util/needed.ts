// A look-up that must find something.

import { InternalError } from '../errors.ts';

/** The value of `key`; throws InternalError, which calls it `what`, where there is none. */
export function needed<K, V>(map: ReadonlyMap<K, V>, key: K, what: string): V {
  const value = map.get(key);
  if (value === undefined) throw new InternalError(`no ${what} ${String(key)}`);
  return value;
}
