// A cache of tensors on disk, by content: the name of an entry is the hash of everything it was
// computed from.
import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { makeFolders } from './write-file.ts';
import { CheckpointError, SystemError } from '../errors.ts';
import { deserialize, serialize } from '../tensor/safetensors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { bytesOf } from '../util/bytes-of.ts';
import { codeOf } from '../util/caught.ts';

export type Tensors = ReadonlyMap<string, Tensor>;

export interface TensorCache {
  readonly dir: string;
  /**
   * The entry, or undefined when there is none or its file is damaged, foreign or of another key.
   */
  get(key: string): Promise<Tensors | undefined>;
  /**
   * Writes the entry in one piece: a reader sees the whole file or none. Throws SystemError, e.g.
   * on a full disk.
   */
  put(key: string, tensors: Tensors): Promise<void>;
  /** `get`, or else `compute` and `put`. */
  getOrCompute(key: string, compute: () => Promise<Tensors> | Tensors): Promise<Tensors>;
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
  await naming(dir, async () => {
    makeFolders(dir);
    // Written, not asked: some file systems promise what they then refuse.
    const probe = join(dir, `.probe-${process.pid}`);
    await writeFile(probe, new Uint8Array(1 << 12));
    await rm(probe);
  });
  const fileOf = (key: string): string => join(dir, key.slice(0, 2), `${key}.safetensors`);
  const get = (key: string): Promise<Tensors | undefined> => readEntry(fileOf(key), key);
  const put = (key: string, tensors: Tensors): Promise<void> =>
    writeEntry(fileOf(key), key, tensors);
  const getOrCompute = async (
    key: string,
    compute: () => Promise<Tensors> | Tensors,
  ): Promise<Tensors> => {
    const known = await get(key);
    if (known !== undefined) return known;
    const tensors = await compute();
    await put(key, tensors);
    return tensors;
  };
  return { dir, get, put, getOrCompute };
}

async function readEntry(file: string, key: string): Promise<Tensors | undefined> {
  try {
    const { metadata, tensors } = deserialize(await readFile(file), file);
    return metadata['key'] === key && metadata['checksum'] === checksum(tensors)
      ? tensors
      : undefined;
  } catch (error) {
    // Not there, or not a file of ours: computed again either way.
    if (error instanceof CheckpointError || isFileError(error)) return undefined;
    throw error;
  }
}

async function writeEntry(file: string, key: string, tensors: Tensors): Promise<void> {
  const bytes = serialize(tensors, { key, checksum: checksum(tensors) });
  await naming(file, async () => {
    makeFolders(dirname(file));
    await writeFileAtomic(file, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), {
      fsync: false,
    }); // a torn file fails its checksum
  });
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

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'it may not be written',
  EPERM: 'it may not be written',
  EROFS: 'the file system is read-only',
  ENOENT: 'the file system takes no folders there',
  ENOTDIR: 'a part of the path is a file',
  EEXIST: 'there is a file of that name',
};

async function naming(path: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const code = codeOf(cause);
    if (code === undefined) throw cause;
    const what = `cannot write the cache: ${reasons[code] ?? code}`;
    throw new SystemError(
      [
        {
          where: path,
          what,
          fix: 'Free some space, or name another folder for the cache in the environment variable LORA_SCRIPTS_CACHE.',
        },
      ],
      { cause },
    );
  }
}
