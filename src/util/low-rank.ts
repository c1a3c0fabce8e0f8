// Products of two thin matrices, and large matrices, as products of thinner ones: the best of a
// rank, by singular values (Eckart and Young, 1936).

import {
  norm,
  principalVectors,
  timesTransposed,
  timesVector,
  type Matrix,
} from './principal-vectors.ts';

/** B A as it is stored: `down` [rank, columns], `up` [rows, rank], both row-major. */
export interface Factors {
  readonly rows: number;
  readonly columns: number;
  readonly rank: number;
  readonly down: Float64Array;
  readonly up: Float64Array;
}

/** How many singular values are kept: so many, or as few as hold this share of the norm. */
export type Kept = { readonly rank: number } | { readonly share: number };

export interface Approximation {
  /** `up` is U S, `down` is Vᵀ, as kohya's sd-scripts divide them. */
  readonly factors: Factors;
  /** The kept part's Frobenius norm, as a share of the whole one; 1 for a matrix of zeros. */
  readonly share: number;
}

/** The best approximation of a product, without computing it: QR of both factors, then the core. */
export function approximateProduct(
  { rows, columns, rank, down, up }: Factors,
  kept: Kept,
): Approximation {
  const left = orthonormal(transposed(up, rows, rank), rank, rows);
  const right = orthonormal(down, rank, columns);
  // B A = Qb (Rb Raᵀ) Qaᵀ
  const core = new Float64Array(rank * rank);
  for (let i = 0; i < rank; i++)
    for (let j = 0; j < rank; j++)
      for (let k = 0; k < rank; k++)
        core[i * rank + j] += left.triangle[i * rank + k] * right.triangle[j * rank + k];
  const found = approximateDense({ rows: rank, columns: rank, data: core }, kept);
  const { factors } = found;
  return {
    share: found.share,
    factors: {
      rows,
      columns,
      rank: factors.rank,
      down: rowsTimes(factors.down, factors.rank, right.rows, rank, columns),
      up: transposed(
        rowsTimes(transposed(factors.up, rank, factors.rank), factors.rank, left.rows, rank, rows),
        factors.rank,
        rows,
      ),
    },
  };
}

/** Row-major, in float64. */
export interface Dense {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

/** The best approximation of a matrix. */
export function approximateDense(matrix: Dense, kept: Kept): Approximation {
  const { rows, columns, data } = matrix;
  const size = Math.min(rows, columns);
  const total = norm(data);
  const narrow: Matrix = { rows, columns, data: scaledTo(data, total) };
  const wanted = 'rank' in kept ? Math.min(kept.rank, size) : size;
  const { side, vectors } = principalVectors(narrow, wanted);
  const images = vectors.map((vector) =>
    side === 'right' ? timesVector(matrix, vector) : timesTransposed(matrix, vector),
  );
  const values = images.map(norm);
  const count = 'rank' in kept ? wanted : countFor(values, kept.share);
  return {
    factors: factorsOf(matrix, side, vectors.slice(0, count), images.slice(0, count)),
    share: total === 0 ? 1 : Math.min(1, Math.hypot(...values.slice(0, count)) / total),
  };
}

/** So that no square is too large or too small. */
const scaledTo = (data: Float64Array, total: number): Float64Array =>
  total === 0 ? data : data.map((value) => value / total);

/** The fewest of the values, the largest first, that hold `share` of their norm; at least one. */
function countFor(values: readonly number[], share: number): number {
  const wanted = share ** 2 * values.reduce((sum, value) => sum + value ** 2, 0);
  let sum = 0;
  const found = values.findIndex((value) => (sum += value ** 2) >= wanted * (1 - 1e-12));
  return found < 0 ? values.length : found + 1;
}

/** An image is σ times the vector of the other side. */
function factorsOf(
  { rows, columns }: Dense,
  side: 'left' | 'right',
  vectors: readonly Float64Array[],
  images: readonly Float64Array[],
): Factors {
  const rank = vectors.length;
  const down = new Float64Array(rank * columns);
  const up = new Float64Array(rows * rank);
  for (let r = 0; r < rank; r++) {
    const value = norm(images[r]);
    const unit = value === 0 ? 0 : 1 / value;
    const [u, v] = side === 'right' ? [images[r], vectors[r]] : [vectors[r], images[r]];
    const [inU, inV] = side === 'right' ? [1, 1] : [value, unit];
    for (let j = 0; j < columns; j++) down[r * columns + j] = v[j] * inV;
    for (let i = 0; i < rows; i++) up[i * rank + r] = u[i] * inU;
  }
  return { rows, columns, rank, down, up };
}

/**
 * Rows of `data` [count, length] made orthonormal, by Gram and Schmidt's way twice; `triangle`
 * [count, count] gives them back: row i = Σ triangle[j, i] q_j.
 */
function orthonormal(
  data: Float64Array,
  count: number,
  length: number,
): { readonly rows: Float64Array; readonly triangle: Float64Array } {
  const rows = Float64Array.from(data);
  const triangle = new Float64Array(count * count);
  for (let i = 0; i < count; i++) {
    const own = rows.subarray(i * length, (i + 1) * length);
    const before = norm(own);
    for (const _ of [1, 2])
      for (let j = 0; j < i; j++) {
        const other = rows.subarray(j * length, (j + 1) * length);
        let along = 0;
        for (let k = 0; k < length; k++) along += own[k] * other[k];
        for (let k = 0; k < length; k++) own[k] -= along * other[k];
        triangle[j * count + i] += along;
      }
    const rest = norm(own);
    // what is left of a row that the others make up is rounding
    const isNone = rest <= 1e-14 * before || rest === 0;
    triangle[i * count + i] = isNone ? 0 : rest;
    for (let k = 0; k < length; k++) own[k] = isNone ? 0 : own[k] / rest;
  }
  return { rows, triangle };
}

/** [count, inner] times [inner, length]. */
function rowsTimes(
  a: Float64Array,
  count: number,
  b: Float64Array,
  inner: number,
  length: number,
): Float64Array {
  const out = new Float64Array(count * length);
  for (let i = 0; i < count; i++)
    for (let k = 0; k < inner; k++) {
      const factor = a[i * inner + k];
      for (let j = 0; j < length; j++) out[i * length + j] += factor * b[k * length + j];
    }
  return out;
}

/** [rows, columns] → [columns, rows]. */
function transposed(data: Float64Array, rows: number, columns: number): Float64Array {
  const out = new Float64Array(data.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j];
  return out;
}
