// Many problems of one kind as one: what is wrong is said once, with the places and how many there
// are.

import type { Problem } from '../errors.ts';

/** A problem as it is found, at one place. */
export interface FoundProblem extends Problem {
  /** What belongs to this place alone, such as a size; it is shown behind the place. */
  readonly detail?: string;
  /** Problems are of one kind when this, or else their words, are the same. */
  readonly kind?: string;
}

/** Places that are named; the others are counted. */
const PLACES_NAMED = 3;

/**
 * One problem for each kind, in the order in which the kinds are first found: `where` holds the
 * first three places and the number of the others, `what` and `fix` are those of the first.
 */
export function problemsByKind(found: readonly FoundProblem[]): Problem[] {
  const kinds = new Map<string, FoundProblem[]>();
  for (const problem of found) {
    const key = JSON.stringify(problem.kind ?? [problem.what, problem.fix]);
    const members = kinds.get(key);
    if (members === undefined) kinds.set(key, [problem]);
    else members.push(problem);
  }
  return [...kinds.values()].map(toldOnce);
}

function toldOnce(members: readonly FoundProblem[]): Problem {
  const [{ what, fix }] = members;
  const alike = members.every((other) => other.what === what);
  return {
    where: placesOf(members),
    what: alike ? what : `${what} (the first place), and the like`,
    ...(fix !== undefined && { fix }),
  };
}

function placesOf(members: readonly FoundProblem[]): string {
  const named = members
    .slice(0, PLACES_NAMED)
    .map(({ where, detail }) => (detail === undefined ? where : `${where} (${detail})`));
  const rest = members.length - named.length;
  return rest === 0
    ? named.join(', ')
    : `${named.join(', ')} and ${rest} more (${members.length} in all)`;
}
