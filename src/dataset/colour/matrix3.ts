// Products and inverses of 3x3 matrices, row by row.

export type Vector3 = readonly [number, number, number];
export type Matrix3 = readonly [Vector3, Vector3, Vector3];

const dot = (a: Vector3, b: Vector3): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/** The columns become rows. */
export const transposed = ([a, b, c]: Matrix3): Matrix3 => [
  [a[0], b[0], c[0]],
  [a[1], b[1], c[1]],
  [a[2], b[2], c[2]],
];

export const times = ([a, b, c]: Matrix3, v: Vector3): Vector3 => [dot(a, v), dot(b, v), dot(c, v)];

export function product(left: Matrix3, right: Matrix3): Matrix3 {
  const columns = transposed(right);
  return transposed([times(left, columns[0]), times(left, columns[1]), times(left, columns[2])]);
}

export const scaled = ([a, b, c]: Matrix3, [x, y, z]: Vector3): Matrix3 => [
  [a[0] * x, a[1] * y, a[2] * z],
  [b[0] * x, b[1] * y, b[2] * z],
  [c[0] * x, c[1] * y, c[2] * z],
];

const cross = (a: Vector3, b: Vector3): Vector3 => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

/** Undefined where the matrix has none. */
export function inverse([a, b, c]: Matrix3): Matrix3 | undefined {
  const determinant = dot(a, cross(b, c));
  if (!Number.isFinite(determinant) || Math.abs(determinant) < 1e-9) return undefined;
  const columns: Matrix3 = [cross(b, c), cross(c, a), cross(a, b)];
  const share = 1 / determinant;
  return scaled(transposed(columns), [share, share, share]);
}
