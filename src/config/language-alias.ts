// What a key of another trainer of language models means here: one of ours, nothing, or something
// that is not there.

import type { ConfigKey } from './schema.ts';

export type Values = Readonly<Record<string, unknown>>;
type Meant = Partial<Record<ConfigKey, unknown>>;

export interface Meaning {
  /** Our keys. */
  readonly means?: Meant;
  /** Why it cannot be had here. */
  readonly refused?: string;
  /** What is otherwise here. */
  readonly note?: string;
  /** What to do where it is refused, or otherwise. */
  readonly fix?: string;
  /** It has no effect. */
  readonly unused?: true;
}

export type Alias = (value: unknown, given: Values) => Meaning;

// ---- how a value is read

export const isTrue = (value: unknown): boolean =>
  value === true || /^(true|yes|on|1)$/i.test(String(value));
export const isEmpty = (value: unknown): boolean =>
  value === false ||
  value === 0 ||
  value === '' ||
  /^(false|none|no|off|never)$/i.test(String(value)) ||
  (typeof value === 'object' && value !== null && Object.keys(value).length === 0);

export const as =
  (key: ConfigKey): Alias =>
  (value) => ({ means: { [key]: value } });
export const flag =
  (key: ConfigKey, whenTrue: unknown, whenFalse: unknown): Alias =>
  (value) => ({ means: { [key]: isTrue(value) ? whenTrue : whenFalse } });
/** Where it is switched off there is nothing to say. */
export const unused: Alias = (value) => (isEmpty(value) ? {} : { unused: true });
/** Something that does not exist here: fine where it is switched off. */
export const absent =
  (refused: string): Alias =>
  (value) =>
    isEmpty(value) ? {} : { refused };
/** A key that must have one of these values. */
export const only =
  (wanted: readonly string[], what: (value: string) => string): Alias =>
  (value) =>
    wanted.includes(String(value).toLowerCase()) ? {} : { refused: what(String(value)) };
export const all = (keys: readonly string[], alias: Alias): Record<string, Alias> =>
  Object.fromEntries(keys.map((key) => [key, alias]));
