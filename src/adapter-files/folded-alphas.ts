// Alphas whose share of the rank is multiplied into B, because the format has no place for them:
// noted in the file's metadata, so that a program that has a place takes them out again.

import { dtypes } from '../tensor/dtype.ts';
import { AdapterError } from '../errors.ts';
import { isObject } from '../util/is-object.ts';
import type { Folded } from './adapter-file.ts';

/** The key of the metadata: JSON, by the module's name, of [alpha, type of B before]. */
export const FOLDED_ALPHAS = 'lora_scripts.folded_alphas';

export function foldedAlphas(
  { [FOLDED_ALPHAS]: text }: Readonly<Partial<Record<string, string>>>,
  where: string,
): ReadonlyMap<string, Folded> {
  if (text === undefined) return new Map();
  const problem = {
    where: `${where} ${FOLDED_ALPHAS}`,
    what: 'this is not what was written there',
  };
  try {
    const all: unknown = JSON.parse(text);
    if (isObject(all))
      return new Map(Object.entries(all).map(([name, entry]) => [name, foldedOf(entry)]));
  } catch (cause) {
    throw new AdapterError([problem], { cause });
  }
  throw new AdapterError([problem]);
}

function foldedOf(entry: unknown): Folded {
  if (Array.isArray(entry)) {
    const [alpha, name]: unknown[] = entry;
    const dtype = Object.keys(dtypes).find((one): one is keyof typeof dtypes => one === name);
    if (typeof alpha === 'number' && dtype !== undefined) return { alpha, dtype };
  }
  throw new TypeError('neither a number nor a type');
}

export const foldedText = (alphas: ReadonlyMap<string, Folded>): string =>
  JSON.stringify(
    Object.fromEntries(Array.from(alphas, ([name, { alpha, dtype }]) => [name, [alpha, dtype]])),
  );
