// A cache of tensors on disk, by content: the name of an entry is the hash of everything it was
// computed from.
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, InternalError, SystemError } from '../errors.ts';
import { probeFolder } from './folders.ts';
import { codeOf } from '../util/caught.ts';
import { writeFileAtomically } from './write-file.ts';
import { deserialize, serialize } from '../tensor/safetensors.ts';
import { countUnsound } from '../tensor/finite.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { bytesOf } from '../util/bytes-of.ts';

export type Tensors = ReadonlyMap<string, Tensor>;

export interface TensorCache {
  readonly dir: string;
  /**
   * The entry, or undefined when there is none or its file is damaged, foreign or of another key;
   * one with numbers that are NaN or infinite is removed.
   */
  get(key: string): Promise<Tensors | undefined>;
  /**
   * Writes the entry in one piece: a reader sees the whole file or none. Throws SystemError, e.g.
   * on a full disk, and InternalError for numbers that are NaN or infinite.
   */
  put(key: string, tensors: Tensors): Promise<void>;
  /**
   * `get`, or else `compute` and `put`. Numbers that are NaN or infinite are returned, not kept:
   * whoever computes them knows what to call them. So are all from the first that the disk refuses.
   */
  getOrCompute(key: string, compute: () => Promise<Tensors> | Tensors): Promise<Tensors>;
  /** Why `getOrCompute` no longer keeps anything, as on a disk that has become full. */
  refusal(): SystemError | undefined;
}

/**
 * SHA-256 of the parts; ["ab", "c"] and ["a", "bc"] differ. Name everything the tensors depend on:
 * file hash, model hash, size …
 */
export function cacheKey(...parts: readonly (string | number | boolean)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** Opens (and makes) the folder. Throws SystemError when it cannot be made or written to. */
export async function openCache(dir: string): Promise<TensorCache> {
  naming(() => probeFolder(dir));
  const fileOf = (key: string): string => join(dir, key.slice(0, 2), `${key}.safetensors`);
  const get = (key: string): Promise<Tensors | undefined> => readEntry(fileOf(key), key);
  const put = (key: string, tensors: Tensors): Promise<void> =>
    writeEntry(fileOf(key), key, tensors);
  let refusal: SystemError | undefined;
  const keep = async (key: string, tensors: Tensors): Promise<void> => {
    try {
      await put(key, tensors);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      refusal = error;
    }
  };
  const getOrCompute = async (
    key: string,
    compute: () => Promise<Tensors> | Tensors,
  ): Promise<Tensors> => {
    const known = await get(key);
    if (known !== undefined) return known;
    const tensors = await compute();
    if (refusal === undefined && isSound(tensors)) await keep(key, tensors);
    return tensors;
  };
  return { dir, get, put, getOrCompute, refusal: () => refusal };
}

async function readEntry(file: string, key: string): Promise<Tensors | undefined> {
  try {
    const { metadata, tensors } = deserialize(await readFile(file), file);
    if (metadata['key'] !== key || metadata['checksum'] !== checksum(tensors)) return undefined;
    if (isSound(tensors)) return tensors;
    await rm(file, { force: true });
    return undefined;
  } catch (error) {
    // Not there, or not a file of ours: computed again either way.
    if (error instanceof CheckpointError || isFileError(error)) return undefined;
    throw error;
  }
}

const isSound = (tensors: Tensors): boolean =>
  [...tensors.values()].every((tensor) => countUnsound(tensor) === 0);

async function writeEntry(file: string, key: string, tensors: Tensors): Promise<void> {
  if (!isSound(tensors)) throw new InternalError(`the entry ${key} is not finite`);
  const bytes = serialize(tensors, { key, checksum: checksum(tensors) });
  naming(() => writeFileAtomically(file, bytes));
}

/** SHA-256 over names, types, shapes and bytes, in the order of the names. */
function checksum(tensors: Tensors): string {
  const hash = createHash('sha256');
  for (const [name, { dtype, shape, data }] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(JSON.stringify([name, dtype, shape])).update(bytesOf(data));
  }
  return hash.digest('hex');
}

const isFileError = (error: unknown): boolean => codeOf(error) !== undefined;

/** Runs `work`; where the disk refuses, the remedy is another cache folder. */
function naming<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof SystemError)) throw cause;
    const fix =
      'Free some space, or name another folder for the cache in the environment variable LORA_SCRIPTS_CACHE.';
    const problems = cause.problems.map(({ where, what }) => ({
      where,
      what: what.replace('cannot be written', 'the cache cannot be written'),
      fix,
    }));
    throw new SystemError(problems, { cause });
  }
}
