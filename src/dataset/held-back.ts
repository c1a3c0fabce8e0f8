// How many samples of each kind a share holds back from the training.

/** What is to be held back. */
export interface HeldBackShare {
  readonly share: number;
  /** Whether the user asked for it; else only where there are plenty. */
  readonly isGiven: boolean;
}

/** Where nobody asked for it: so few are all trained, and more than so many are not needed. */
const PLENTY = 20;
const MOST = 32;
/** A kind with so many samples has one held back, however small the share. */
const ENOUGH = 4;

/**
 * How many of each kind, never all of one: round(share × samples of it), and where the user asked
 * for it at least one of each kind that has enough, at least one in all.
 */
export function heldBackCounts(
  kinds: readonly string[],
  { share, isGiven }: HeldBackShare,
): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const kind of kinds) sizes.set(kind, (sizes.get(kind) ?? 0) + 1);
  const sorted = [...sizes].sort(([, a], [, b]) => b - a);
  return new Map(
    sorted.map(([kind, size], i) => {
      const part = Math.round(share * size);
      if (!isGiven) return [kind, size < PLENTY ? 0 : Math.min(MOST, part)];
      const least = i === 0 || size >= ENOUGH ? 1 : 0;
      return [kind, Math.min(size - 1, Math.max(least, part))];
    }),
  );
}
