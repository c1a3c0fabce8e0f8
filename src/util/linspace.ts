// Numbers at equal distances as torch.linspace makes them: counted from the nearer end.

/**
 * n numbers from `start` to `end` in float32, the sums rounded once; `start` alone where n is 1.
 */
export function linspace(start: number, end: number, n: number): Float32Array {
  const [first, last] = [Math.fround(start), Math.fround(end)];
  const step = Math.fround(Math.fround(last - first) / (n - 1));
  return Float32Array.from({ length: n }, (_, i) => nearer(first, last, step, i, n));
}

/** The same in float64. */
export function linspace64(start: number, end: number, n: number): Float64Array {
  const step = (end - start) / (n - 1);
  return Float64Array.from({ length: n }, (_, i) => nearer(start, end, step, i, n));
}

const nearer = (first: number, last: number, step: number, i: number, n: number): number =>
  n === 1 ? first : i < Math.floor(n / 2) ? first + step * i : last - step * (n - 1 - i);
