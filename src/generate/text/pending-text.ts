// Text on its way to the reader: what may be the beginning of a stop string waits until it is
// known.

export interface PendingText {
  /**
   * Text that can be given out now, and whether a stop string has come; it and what follows it are
   * not given out.
   */
  push(text: string): { readonly text: string; readonly stopped: boolean };
  /** What still waits: no more text comes. */
  end(): string;
}

export function pendingText(stops: readonly string[]): PendingText {
  let waiting = '';
  const push = (text: string) => {
    waiting += text;
    const found = stops.map((stop) => waiting.indexOf(stop)).filter((at) => at >= 0);
    const until =
      found.length > 0 ? Math.min(...found) : waiting.length - longestBeginning(waiting, stops);
    const given = waiting.slice(0, until);
    waiting = found.length > 0 ? '' : waiting.slice(until);
    return { text: given, stopped: found.length > 0 };
  };
  return { push, end: () => waiting };
}

/** Length of the longest end of the text with which a stop string begins. */
function longestBeginning(text: string, stops: readonly string[]): number {
  const longest = Math.max(0, ...stops.map(({ length }) => length - 1));
  for (let length = Math.min(longest, text.length); length > 0; length--) {
    const end = text.slice(text.length - length);
    if (stops.some((stop) => stop.startsWith(end))) return length;
  }
  return 0;
}
