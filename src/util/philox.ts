// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011).

/** A seed of up to 64 bits: a non-negative safe integer, or its two halves. */
export type Seed = number | { readonly lo: number; readonly hi: number };

const ROUNDS = 10;
const TWO_POW_MINUS_32 = 2 ** -32;
/** 2π / 2³², in float32 as WebUI has it. */
const ANGLE = Math.fround(2.3283064e-10 * 6.2831855);

/** The upper 32 bits of the 64-bit product of two uint32, by 16-bit halves. */
function mulhi(a: number, b: number): number {
  const al = a & 0xffff;
  const ah = a >>> 16;
  const bl = b & 0xffff;
  const bh = b >>> 16;
  const cross = ah * bl + ((al * bl) >>> 16); // < 2^32
  const carry = al * bh + (cross & 0xffff); // < 2^32
  return (ah * bh + Math.floor(cross / 65536) + Math.floor(carry / 65536)) >>> 0;
}

/** One Philox block: `counter` (4 words) and `seed` give 4 uint32 in `out`. */
export function philox(
  seed: Seed,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  out: Uint32Array,
): void {
  const { lo, hi } = halves(seed);
  block(lo, hi, c0, c1, c2, c3, out);
}

function block(
  k0: number,
  k1: number,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  out: Uint32Array,
): void {
  for (let round = 0; round < ROUNDS; round++) {
    const hi0 = mulhi(0xd2511f53, c0);
    const lo0 = Math.imul(0xd2511f53, c0);
    const hi1 = mulhi(0xcd9e8d57, c2);
    const lo1 = Math.imul(0xcd9e8d57, c2);
    c0 = hi1 ^ c1 ^ k0;
    c1 = lo1;
    c2 = hi0 ^ c3 ^ k1;
    c3 = lo0;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/**
 * Standard normals in the layout of CUDA's generator, which Stable Diffusion WebUI calls "NV"
 * noise: counter [offset, 0, element, 0], Box-Muller's sine branch in float64, rounded to float32,
 * as WebUI computes it to the bit (modules/rng_philox.py). `offset` counts the calls made with
 * one seed.
 */
export function normals(seed: Seed, offset: number, out: Float32Array): Float32Array {
  const { lo, hi } = halves(seed);
  const word = new Uint32Array(4);
  for (let i = 0; i < out.length; i++) {
    block(lo, hi, offset, 0, i, 0, word);
    const u = (word[0] ?? 0) * TWO_POW_MINUS_32 + TWO_POW_MINUS_32 / 2;
    const v = (word[1] ?? 0) * ANGLE + ANGLE / 2;
    out[i] = Math.sqrt(-2 * Math.log(u)) * Math.sin(v); // N(0,1)
  }
  return out;
}

/**
 * Draw number `counter` of `stream`: uniform in [0, 1), a pure function of its three arguments.
 * Streams are independent of each other and of `normals` (the fourth counter word is 1 here, 0
 * there).
 */
export function random(seed: Seed, stream: number, counter: number): number {
  const word = new Uint32Array(4);
  const index = Math.floor(counter / 4);
  philox(seed, low(index), high(index), stream, 1, word);
  return (word[counter % 4] ?? 0) * TWO_POW_MINUS_32;
}

/**
 * The first `out.length` draws of `stream` from number `start` on: `out[i] = random(seed, stream,
 * start + i)`.
 */
export function uniforms(
  seed: Seed,
  stream: number,
  out: Float32Array | Float64Array,
  start = 0,
): typeof out {
  const next = sequence(seed, stream, start);
  for (let i = 0; i < out.length; i++) out[i] = next();
  return out;
}

/** The draws of `stream` one after another: call k returns `random(seed, stream, start + k)`. */
export function sequence(seed: Seed, stream: number, start = 0): () => number {
  const { lo, hi } = halves(seed);
  const word = new Uint32Array(4);
  let at = start;
  let loaded = -1;
  return () => {
    const index = Math.floor(at / 4);
    if (index !== loaded) block(lo, hi, low(index), high(index), stream, 1, word);
    loaded = index;
    return (word[at++ % 4] ?? 0) * TWO_POW_MINUS_32;
  };
}

/** The numbers 0 … n-1 in an order that depends on (seed, stream) alone (Fisher-Yates). */
export function permutation(seed: Seed, stream: number, n: number): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  const next = sequence(seed, stream);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    const kept = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = kept;
  }
  return order;
}

const low = (n: number): number => (n % 2 ** 32) >>> 0;
const high = (n: number): number => Math.floor(n / 2 ** 32) >>> 0;

function halves(seed: Seed): { lo: number; hi: number } {
  if (typeof seed !== 'number') return seed;
  return { lo: low(seed), hi: high(seed) };
}
