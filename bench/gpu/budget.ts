// How the time of a whole bench is shared: what no longer fits is dropped by name, not cut off.

export interface Budget {
  /** Seconds of the whole. */
  readonly total: number;
  /** Seconds gone by. */
  readonly spent: number;
}

export interface Need {
  /** Seconds below which it is not worth starting. */
  readonly least: number;
  /** Seconds after which it is stopped. */
  readonly most: number;
}

/** Seconds kept for the table. */
const RESERVE = 5;

/** Seconds that the next row may take; undefined where it is dropped. */
export function allowance({ total, spent }: Budget, { least, most }: Need): number | undefined {
  const left = total - spent - RESERVE;
  return left < least ? undefined : Math.min(most, left);
}

/** Why a row is dropped. */
export function droppedReason({ total, spent }: Budget, { least }: Need): string {
  const left = Math.max(0, Math.round(total - spent - RESERVE));
  return `dropped: ${left} s of ${total} s are left, it needs ${least}`;
}
