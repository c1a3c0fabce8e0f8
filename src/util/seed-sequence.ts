// NumPy's SeedSequence: a seed with a key to any number of 32-bit seeds (M. E. O'Neill, "Developing
// a seed_seq alternative", 2015; numpy.random.SeedSequence).

const SHIFT = 16;

/**
 * `count` seeds of the whole number `entropy` and a key of whole numbers, through a pool of
 * `poolSize` words.
 */
export function seedSequence(
  entropy: number,
  key: readonly number[],
  poolSize: number,
  count: number,
): Uint32Array {
  return seedsOf(mixed(wordsOf(entropy, key, poolSize), poolSize), count);
}

/** Little-endian 32-bit words; with a key, the entropy's are filled up to the pool first. */
function wordsOf(entropy: number, key: readonly number[], poolSize: number): number[] {
  const seed = words(entropy);
  const filled = key.length === 0 ? seed.length : Math.max(seed.length, poolSize);
  return [...seed, ...Array<number>(filled - seed.length).fill(0), ...key.flatMap(words)];
}

const words = (value: number): number[] =>
  value < 2 ** 32 ? [value] : [value % 2 ** 32, Math.floor(value / 2 ** 32)];

function mixed(entropy: readonly number[], poolSize: number): Uint32Array {
  const hash = hashing(0x43b0d7e5, 0x931e8875);
  const pool = Uint32Array.from({ length: poolSize }, (_, i) => hash(entropy[i] ?? 0));
  for (let from = 0; from < poolSize; from++)
    for (let to = 0; to < poolSize; to++)
      if (from !== to) pool[to] = mix(pool[to], hash(pool[from]));
  for (const word of entropy.slice(poolSize))
    for (let to = 0; to < poolSize; to++) pool[to] = mix(pool[to], hash(word));
  return pool;
}

function seedsOf(pool: Uint32Array, count: number): Uint32Array {
  const hash = hashing(0x8b51f9dd, 0x58f38ded);
  return Uint32Array.from({ length: count }, (_, i) => hash(pool[i % pool.length]));
}

/** A hash whose constant changes with every value. */
function hashing(start: number, factor: number): (value: number) => number {
  let constant = start;
  return (value) => {
    const crossed = value ^ constant;
    constant = Math.imul(constant, factor);
    return folded(Math.imul(crossed, constant));
  };
}

const mix = (x: number, y: number): number =>
  folded((Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) >>> 0);

const folded = (value: number): number => (value ^ (value >>> SHIFT)) >>> 0;
