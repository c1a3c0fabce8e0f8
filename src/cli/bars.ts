// Two drawings made of text: a bar and a curve.

/** `share` (0 to 1) of `columns` filled, to an eighth of a column. */
export function bar(
  share: number,
  columns: number,
): { readonly full: string; readonly rest: string } {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * columns * 8);
  const part = eighths % 8 === 0 ? '' : '▏▎▍▌▋▊▉'[(eighths % 8) - 1];
  const full = '█'.repeat(Math.floor(eighths / 8)) + part;
  return { full, rest: '░'.repeat(columns - full.length) };
}

const levels = '▁▂▃▄▅▆▇█';

/**
 * The course of `values`, in at most `columns` characters; heights from the least to the greatest
 * value.
 */
export function sparkline(values: readonly number[], columns: number): string {
  const shown = thin(values.filter(Number.isFinite), columns);
  const least = Math.min(...shown);
  const span = Math.max(...shown) - least;
  return shown
    .map((value) => levels[span === 0 ? 3 : Math.round(((value - least) / span) * 7)])
    .join('');
}

/**
 * `values` as columns of blocks, `rows` lines high, from the top; heights from `least` (nothing but
 * the ground) to `most`.
 */
export function blockChart(
  values: readonly number[],
  rows: number,
  { least, most }: { readonly least: number; readonly most: number },
): string[] {
  const eighths = values.map((value) => {
    if (!Number.isFinite(value)) return 0;
    const share = most === least ? 0.5 : (value - least) / (most - least);
    return Math.max(1, Math.round(share * rows * 8));
  });
  return Array.from({ length: rows }, (_, line) => {
    const below = (rows - 1 - line) * 8;
    return eighths
      .map((height) => (height <= below ? ' ' : levels[Math.min(8, height - below) - 1]))
      .join('');
  });
}

/** `values` as at most `count` means of neighbours. */
export function thin(values: readonly number[], count: number): number[] {
  if (values.length <= count) return [...values];
  return Array.from({ length: Math.max(0, count) }, (_, i) => {
    const part = values.slice(
      Math.floor((i * values.length) / count),
      Math.floor(((i + 1) * values.length) / count),
    );
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}
