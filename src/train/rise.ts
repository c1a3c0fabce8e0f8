// Whether a loss has risen, or chance explains what differs.

/** A rise of less than this share is none. */
export const LEAST_RISE = 0.01;
/** Where too few numbers make up a loss to tell chance from a rise. */
const RISE_OF_FEW = 0.03;
const FEW = 8;
/** Standard errors of the mean difference that chance explains. */
const CHANCE = 2;

/**
 * How far the mean of `now` lies above that of `before`, as a share of `base`, and how far chance
 * alone would take it: the noise is the same at both, so sample is compared with sample.
 */
export function riseOf(
  now: readonly number[],
  before: readonly number[],
  base = meanOf(before),
): { readonly rise: number; readonly chance: number } {
  const count = now.length;
  const differences = now.map((loss, i) => loss - before[i]);
  const mean = meanOf(differences);
  const rise = mean / base;
  if (count < FEW) return { rise, chance: RISE_OF_FEW };
  const variance = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  return { rise, chance: (CHANCE * Math.sqrt(variance / count)) / base };
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
