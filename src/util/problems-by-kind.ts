// Many problems of one kind as one: what is wrong is said once, with the places and how many there
// are.

import type { Problem } from '../errors.ts';

/** A problem as it is found, at one place. */
export interface FoundProblem extends Problem {
  /** What belongs to this place alone, such as a size; it is shown behind the place. */
  readonly detail?: string;
  /** `what` where it is so of several places: "have no effect". */
  readonly plural?: string;
  /** Problems are of one kind when this, or else their words, are the same. */
  readonly kind?: string;
}

/** Places that are named; the others are counted. */
const PLACES_NAMED = 3;

/**
 * One problem for each kind, in the order in which the kinds are first found: `where` holds the
 * first three places and the number of the others, `what` and `fix` are those of the first.
 */
export const problemsByKind = (found: readonly FoundProblem[]): Problem[] =>
  grouped(found, ({ kind, what, fix }) => JSON.stringify(kind ?? [what, fix])).map(toldOnce);

/**
 * As `problemsByKind`, for what stops the program: of one kind are also those whose words differ in
 * numbers and in what is in quotes; a few of them are told each in its own words.
 */
export const faultsByKind = (found: readonly FoundProblem[]): Problem[] =>
  grouped(found, ({ kind, what }) => kind ?? plain(what)).flatMap((members) =>
    members.length > PLACES_NAMED || areAlike(members)
      ? [toldOnce(members)]
      : members.map((one) => toldOnce([one])),
  );

/** Without the words and numbers of one place. */
const plain = (what: string): string => what.replace(/"(?:[^"\\]|\\.)*"|\d+/g, '');

function grouped(
  found: readonly FoundProblem[],
  keyOf: (problem: FoundProblem) => string,
): FoundProblem[][] {
  const kinds = new Map<string, FoundProblem[]>();
  for (const problem of found) {
    const members = kinds.get(keyOf(problem));
    if (members === undefined) kinds.set(keyOf(problem), [problem]);
    else members.push(problem);
  }
  return [...kinds.values()];
}

const areAlike = (members: readonly FoundProblem[]): boolean =>
  members.every(({ what, fix }) => what === members[0].what && fix === members[0].fix);

function toldOnce(members: readonly FoundProblem[]): Problem {
  const [{ what: ofOne, plural = ofOne, fix }] = members;
  const alike = members.every((other) => other.what === ofOne);
  const what = members.length > 1 ? plural : ofOne;
  const remedy = members.every((other) => other.fix === fix) ? fix : fix && `For the first: ${fix}`;
  return {
    where: placesOf(members),
    what: alike ? what : `${what} (the first; the others are similar)`,
    ...(remedy !== undefined && { fix: remedy }),
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
