// The name that was probably meant.
import { closest, distance } from 'fastest-levenshtein';

/** The nearest of `known`, when it is near enough to be a slip of the hand. */
export function suggest<T extends string>(found: string, known: readonly T[]): T | undefined {
  if (known.length === 0) return undefined;
  const nearest = closest(found, known);
  if (distance(found, nearest) > Math.max(2, Math.ceil(found.length / 3))) return undefined;
  return known.find((key) => key === nearest);
}
