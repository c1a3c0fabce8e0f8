// Products of matrices that are kept as rows, in float64.

/** Row-major, [rows, columns]. */
export interface Wide {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

/** M Mᵀ: [rows, rows]. */
export function gramOfRows({ rows, columns, data }: Wide): Wide {
  const out = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < columns; k++) sum += data[i * columns + k] * data[j * columns + k];
      out[i * rows + j] = out[j * rows + i] = sum;
    }
  return { rows, columns: rows, data: out };
}

/** Mᵀ: [columns, rows]. */
export function transposedWide({ rows, columns, data }: Wide): Wide {
  const out = new Float64Array(data.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j];
  return { rows: columns, columns: rows, data: out };
}

/** Σ a b over all places. */
export function sumOfProducts(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
