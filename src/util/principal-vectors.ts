// The principal singular vectors of a matrix, by Lanczos' iteration with full reorthogonalisation
// (Golub and Van Loan, Matrix Computations, chapters 8.3 and 10.3), in float64.

/** Row-major. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array | Float64Array;
}

export interface Principal {
  /** Whose vectors these are: the shorter side of the matrix. */
  readonly side: 'left' | 'right';
  /** Orthonormal, those of the largest singular values first. */
  readonly vectors: readonly Float64Array[];
  /**
   * The last singular value that belongs to them minus the next one, as a share of the largest: how
   * well the vectors are determined. Infinity where there is no next one.
   */
  readonly gap: number;
}

/** Of the gap of the squared values: by how much a vector may miss. */
const TOLERANCE = 1e-9;

/** The `count` singular vectors of the largest values, on the matrix's shorter side. */
export function principalVectors(matrix: Matrix, count: number): Principal {
  const side = matrix.rows < matrix.columns ? 'left' : 'right';
  const size = Math.min(matrix.rows, matrix.columns);
  const krylov = new Krylov(side === 'left' ? rowProducts(matrix) : columnProducts(matrix), size);
  for (
    let steps = Math.min(size, 2 * count + 20);
    ;
    steps = Math.min(size, Math.ceil(1.4 * steps))
  ) {
    const found = krylov.principal(steps, count);
    if (found !== undefined) return { side, ...found };
  }
}

type Operator = (x: Float64Array) => Float64Array;

/** x -> M Mᵀ x */
const rowProducts =
  (matrix: Matrix): Operator =>
  (x) =>
    timesVector(matrix, timesTransposed(matrix, x));

/** x -> Mᵀ M x */
const columnProducts =
  (matrix: Matrix): Operator =>
  (x) =>
    timesTransposed(matrix, timesVector(matrix, x));

/** M x: [rows] */
export function timesVector({ rows, columns, data }: Matrix, x: Float64Array): Float64Array {
  const out = new Float64Array(rows);
  const whole = columns - (columns % 4);
  for (let row = 0; row < rows; row++) {
    const at = row * columns;
    // four sums, which do not wait for one another
    let [a, b, c, d] = [0, 0, 0, 0];
    for (let i = 0; i < whole; i += 4) {
      a += data[at + i] * x[i];
      b += data[at + i + 1] * x[i + 1];
      c += data[at + i + 2] * x[i + 2];
      d += data[at + i + 3] * x[i + 3];
    }
    for (let i = whole; i < columns; i++) a += data[at + i] * x[i];
    out[row] = a + b + (c + d);
  }
  return out;
}

/** Mᵀ x: [columns] */
export function timesTransposed({ rows, columns, data }: Matrix, x: Float64Array): Float64Array {
  const out = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    const at = row * columns;
    const factor = x[row];
    for (let i = 0; i < columns; i++) out[i] += data[at + i] * factor;
  }
  return out;
}

/** The Krylov space of a symmetric operator, grown as far as it is asked. */
class Krylov {
  private readonly basis: Float64Array[] = [];
  /** The operator in this basis: its diagonal and what stands beside it. */
  private readonly diagonal: number[] = [];
  private readonly beside: number[] = [];
  private next: Float64Array;

  constructor(
    private readonly operator: Operator,
    private readonly size: number,
  ) {
    this.next = this.fresh();
  }

  /** After `steps` steps; undefined where that is not enough. */
  principal(steps: number, count: number): Pick<Principal, 'vectors' | 'gap'> | undefined {
    while (this.basis.length < steps) this.grow();
    const { values, vectors } = eigenOfTridiagonal(this.diagonal, this.beside);
    const order = Array.from(values, (_, i) => i).sort((a, b) => values[b] - values[a]);
    const isWhole = steps === this.size;
    const last = this.beside[steps - 1];
    const miss = (i: number) => Math.abs(last * vectors[order[i]][steps - 1]);
    const value = (i: number) => Math.max(0, values[order[i]]);
    const between = count < this.size ? value(count - 1) - value(count) : Infinity;
    const chosen = order.slice(0, count);
    const isFound =
      chosen.every((_, i) => miss(i) <= TOLERANCE * between) &&
      (count >= steps || miss(count) <= 0.1 * between);
    if (!isWhole && !isFound) return undefined;
    const gap =
      count < this.size && value(0) > 0
        ? (Math.sqrt(value(count - 1)) - Math.sqrt(value(count))) / Math.sqrt(value(0))
        : Infinity;
    return { gap, vectors: chosen.map((i) => combined(this.basis, vectors[i])) };
  }

  private grow(): void {
    const { basis, next } = this;
    basis.push(next);
    const image = this.operator(next);
    const size = norm(image);
    this.diagonal.push(dot(image, next));
    for (const _ of [1, 2]) for (const other of basis) addTo(image, -dot(image, other), other);
    const rest = norm(image);
    // the space is closed under the operator: the next direction is any other
    const isClosed = rest <= 1e-14 * size;
    this.beside.push(isClosed ? 0 : rest);
    this.next = isClosed ? this.fresh() : scaled(image, 1 / rest);
  }

  /** A vector of length 1 that is orthogonal to the basis. */
  private fresh(): Float64Array {
    const { basis, size } = this;
    if (basis.length === size) return new Float64Array(size);
    const step = (basis.length + 1) * 0.6180339887498949;
    const vector = Float64Array.from({ length: size }, (_, i) => (((i + 1) * step) % 1) - 0.5);
    for (const _ of [1, 2, 3]) for (const other of basis) addTo(vector, -dot(vector, other), other);
    return scaled(vector, 1 / norm(vector));
  }
}

interface Eigen {
  readonly values: Float64Array;
  /** One of each value, of length 1. */
  readonly vectors: readonly Float64Array[];
}

/** By implicit QR steps with Wilkinson's shift; `beside` may be longer than it needs to be. */
function eigenOfTridiagonal(diagonal: readonly number[], beside: readonly number[]): Eigen {
  const size = diagonal.length;
  const values = Float64Array.from(diagonal);
  const off = Float64Array.from(beside.slice(0, size - 1));
  const vectors = Array.from({ length: size }, (_, i) => {
    const unit = new Float64Array(size);
    unit[i] = 1;
    return unit;
  });
  for (let high = size - 1; high > 0;) {
    for (let i = 0; i < high; i++)
      if (Math.abs(off[i]) <= 1e-16 * (Math.abs(values[i]) + Math.abs(values[i + 1]))) off[i] = 0;
    if (off[high - 1] === 0) high--;
    else qrStep(values, off, vectors, high);
  }
  return { values, vectors };
}

/** One step on the block that ends at `high` and has no zero beside its diagonal. */
function qrStep(
  values: Float64Array,
  off: Float64Array,
  vectors: readonly Float64Array[],
  high: number,
): void {
  let low = high - 1;
  while (low > 0 && off[low - 1] !== 0) low--;
  const half = (values[high - 1] - values[high]) / 2;
  const corner = off[high - 1];
  const root = Math.hypot(half, corner);
  const shift = values[high] - corner ** 2 / (half + (half < 0 ? -root : root));
  let [x, z] = [values[low] - shift, off[low]];
  for (let k = low; k < high; k++) {
    const length = Math.hypot(x, z);
    const [c, s] = length === 0 ? [1, 0] : [x / length, z / length];
    if (k > low) off[k - 1] = length;
    const [a, b, o] = [values[k], values[k + 1], off[k]];
    values[k] = c * c * a + 2 * c * s * o + s * s * b;
    values[k + 1] = s * s * a - 2 * c * s * o + c * c * b;
    off[k] = c * s * (b - a) + (c * c - s * s) * o;
    rotate(vectors[k], vectors[k + 1], c, s);
    if (k === high - 1) break;
    [x, z] = [off[k], s * off[k + 1]];
    off[k + 1] *= c;
  }
}

function rotate(u: Float64Array, v: Float64Array, c: number, s: number): void {
  for (let i = 0; i < u.length; i++) {
    const [a, b] = [u[i], v[i]];
    u[i] = c * a + s * b;
    v[i] = c * b - s * a;
  }
}

export function dot(a: Float64Array, b: Float64Array): number {
  let [even, odd] = [0, 0];
  const whole = a.length - (a.length % 2);
  for (let i = 0; i < whole; i += 2) {
    even += a[i] * b[i];
    odd += a[i + 1] * b[i + 1];
  }
  return whole < a.length ? even + odd + a[whole] * b[whole] : even + odd;
}

export const norm = (a: Float64Array): number => Math.sqrt(dot(a, a));

/** a += factor · b, in place. */
export function addTo(a: Float64Array, factor: number, b: Float64Array): void {
  for (let i = 0; i < a.length; i++) a[i] += factor * b[i];
}

const scaled = (a: Float64Array, factor: number): Float64Array => a.map((value) => value * factor);

function combined(basis: readonly Float64Array[], factors: Float64Array): Float64Array {
  const out = new Float64Array(basis[0].length);
  basis.forEach((vector, i) => addTo(out, factors[i], vector));
  return out;
}
