// What came to the data between two runs, and what went.

import type { RecordedSample } from './samples.ts';

/** Names, by what became of them from the first run to the second. */
export interface DataChanges {
  /** Samples of each. */
  readonly before: number;
  readonly after: number;
  readonly same: number;
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** The name is the same, and what is in it is not. */
  readonly changed: readonly string[];
  /** Pictures with another caption, or repeated more or less often. */
  readonly described: readonly string[];
  /** The same under another name, or in another line. */
  readonly moved: number;
}

/** Samples are the same by their name and content, else by their content, else by their name. */
export function dataChanges(
  before: readonly RecordedSample[],
  after: readonly RecordedSample[],
): DataChanges {
  const [left, right] = [[...before], [...after]];
  const whole = paired(left, right, (one) => `${one.name}\0${one.sha256}`);
  const isSame = ([a, b]: Pair) => a.caption === b.caption && (a.repeats ?? 1) === (b.repeats ?? 1);
  const moved = paired(left, right, (one) => `${one.sha256}\0${one.caption ?? ''}`);
  const changed = paired(left, right, ({ name }) => name);
  const names = (list: readonly RecordedSample[]) => list.map(({ name }) => name);
  return {
    before: before.length,
    after: after.length,
    same: whole.filter(isSame).length,
    added: names(right),
    removed: names(left),
    changed: names(changed.map(([, now]) => now)),
    described: names(whole.filter((pair) => !isSame(pair)).map(([, now]) => now)),
    moved: moved.length,
  };
}

type Pair = readonly [before: RecordedSample, after: RecordedSample];

/** Takes out of both lists what has the same key. */
function paired(
  left: RecordedSample[],
  right: RecordedSample[],
  keyOf: (one: RecordedSample) => string,
): Pair[] {
  const waiting = new Map<string, RecordedSample[]>();
  for (const one of left) waiting.set(keyOf(one), [...(waiting.get(keyOf(one)) ?? []), one]);
  const pairs = right.flatMap((one): Pair[] => {
    const before = waiting.get(keyOf(one))?.shift();
    return before === undefined ? [] : [[before, one]];
  });
  const gone = new Set(pairs.flat());
  for (const list of [left, right])
    list.splice(0, list.length, ...list.filter((one) => !gone.has(one)));
  return pairs;
}
