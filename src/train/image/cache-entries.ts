// What the cached latents and text states of one model are called.

import { createHash } from 'node:crypto';
import { readTensor } from '../../checkpoints/safetensors-file.ts';
import type { ExternalTensor } from '../../tensor/tensor.ts';
import { bytesOf } from '../../util/bytes-of.ts';

/**
 * To be raised whenever pictures are read, or the models computed, in another way: older entries
 * are then not found.
 */
export const CACHE_VERSION = 2;

/**
 * SHA-256 over names, types, shapes and bytes of all weights under `prefix`: the same for every
 * layout of the file.
 */
export function weightsHash(weights: ReadonlyMap<string, ExternalTensor>, prefix: string): string {
  const hash = createHash('sha256');
  const chosen = [...weights]
    .filter(([name]) => name.startsWith(prefix))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, external] of chosen) {
    const { data } = readTensor(external);
    hash.update(JSON.stringify([name, external.dtype, external.shape])).update(bytesOf(data));
  }
  return hash.digest('hex');
}
