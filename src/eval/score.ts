// An answer judged: equal to the expected one, words shared with it, facts that are there, phrases
// that must not be.
import { find, fold, type Place, tokensOf } from './fold.ts';
import type { Question } from './questions.ts';

export interface AnswerScore {
  /**
   * Same words in the same order; case, width, spaces and punctuation do not count. Absent without
   * an expected answer.
   */
  readonly exact?: boolean;
  /**
   * F1 of the words (in Chinese the characters) that the answer shares with the expected one, 0 to
   * 1.
   */
  readonly overlap?: number;
  /** One for each required fact, in their order. */
  readonly facts: readonly boolean[];
  /** The forbidden phrases that the answer has. */
  readonly forbidden: readonly string[];
  /** True where there is something that must not appear. */
  readonly guarded: boolean;
  /**
   * 0 to 1: the mean of the overlap and the share of facts, whichever there are; 0 with a forbidden
   * phrase. Absent where nothing is asked of the answer.
   */
  readonly score?: number;
}

/** What a model thinks aloud before it answers is no part of the answer. */
export const spoken = (text: string): string => text.replace(/^[\s\S]*<\/think>/, '').trim();

export function scoreAnswer(answer: string, { expected, facts, forbidden }: Question): AnswerScore {
  const folded = fold(spoken(answer));
  const present = facts.map((ways) => ways.some((way) => find(folded, way).length > 0));
  const found = forbidden.filter((phrase) => find(folded, phrase).length > 0);
  const compared = expected === undefined ? undefined : compare(folded.source, spoken(expected));
  const parts = [
    ...(compared === undefined ? [] : [compared.overlap]),
    ...(facts.length === 0 ? [] : [shareOf(present)]),
  ];
  const score =
    forbidden.length === 0 && parts.length === 0
      ? {}
      : { score: found.length > 0 ? 0 : parts.length === 0 ? 1 : mean(parts) };
  return { ...compared, facts: present, forbidden: found, guarded: forbidden.length > 0, ...score };
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const shareOf = (flags: readonly boolean[]): number => mean(flags.map(Number));

function compare(answer: string, expected: string): { exact: boolean; overlap: number } {
  const [given, wanted] = [tokensOf(answer), tokensOf(expected)];
  // Without any word, such as a smiley: compared character by character.
  if (wanted.length === 0)
    return fold(answer).text === fold(expected).text
      ? { exact: true, overlap: 1 }
      : { exact: false, overlap: 0 };
  return { exact: given.join('\0') === wanted.join('\0'), overlap: overlapOf(given, wanted) };
}

/** F1 = 2 |A ∩ B| / (|A| + |B|), each word as often as it occurs. */
function overlapOf(a: readonly string[], b: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const token of a) counts.set(token, (counts.get(token) ?? 0) + 1);
  let shared = 0;
  for (const token of b) {
    const left = counts.get(token) ?? 0;
    if (left > 0) shared++;
    counts.set(token, left - 1);
  }
  return (2 * shared) / (a.length + b.length);
}

export interface Highlight extends Place {
  readonly kind: 'fact' | 'forbidden';
}

/**
 * Where facts and forbidden phrases stand in an answer, in order, without overlap; forbidden ones
 * go before.
 */
export function highlights(
  answer: string,
  { facts, forbidden }: Question,
): { readonly text: string; readonly places: readonly Highlight[] } {
  const folded = fold(answer);
  const placesOf = (kind: Highlight['kind'], phrases: readonly string[]): Highlight[] =>
    phrases.flatMap((phrase) => find(folded, phrase).map((place) => ({ ...place, kind })));
  const all = [...placesOf('forbidden', forbidden), ...placesOf('fact', facts.flat())];
  const kept: Highlight[] = [];
  for (const place of all)
    if (kept.every(({ start, end }) => place.end <= start || place.start >= end)) kept.push(place);
  return { text: folded.source, places: kept.sort((a, b) => a.start - b.start) };
}
