// Some of a list, evenly.

/** At most `most` whole numbers from 0 to below `count`, evenly. */
export const evenly = (count: number, most: number): number[] =>
  Array.from({ length: Math.min(count, most) }, (_, i) =>
    Math.floor((i * count) / Math.min(count, most)),
  );
