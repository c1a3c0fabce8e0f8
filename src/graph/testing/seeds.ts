// Seeds of random tests: new ones in every run, or the one that TEST_SEED names. Tests print theirs
// in their titles.

export function seeds(count: number): number[] {
  const { TEST_SEED } = process.env;
  if (TEST_SEED !== undefined) return [Number(TEST_SEED)];
  const first = Date.now() % 1e9;
  return Array.from({ length: count }, (_, i) => first + i);
}
