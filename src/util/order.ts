// Order and digits that are the same on every machine: no locale has a say in them.

/** By their characters, runs of digits by their number: `a2` before `a10`. For `sort`. */
export function byNumber(a: string, b: string): number {
  const [these, those] = [a, b].map((text) => text.match(/\d+|\D+/g) ?? []);
  for (let i = 0; i < Math.min(these.length, those.length); i++) {
    const [one, other] = [these[i], those[i]];
    const difference = Number(one) - Number(other);
    if (difference !== 0 && !Number.isNaN(difference)) return difference;
    if (one !== other) return one < other ? -1 : 1;
  }
  return these.length - those.length;
}

/** `1,234,567`, rounded. */
export const withCommas = (value: number): string =>
  String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
