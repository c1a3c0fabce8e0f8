// Adapter files before they are written: what will stand in them, with tensors that are read, or
// computed, one after the other while the file is written.

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { requireOutputPath } from '../config/output-path.ts';
import { UserError } from '../errors.ts';
import { writeFilesTogether, type FileContent } from '../storage/write-file.ts';
import { layoutSafetensors } from '../tensor/safetensors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { bytesOf } from '../util/bytes-of.ts';
import { needed } from '../util/needed.ts';
import { HashedSlice } from './hashes.ts';

/** A tensor of a file to come: `read` may be called several times, and gives the same each time. */
export interface PlannedTensor extends Pick<Tensor, 'dtype' | 'shape'> {
  readonly read: () => Tensor;
}

/** A plain LoRA's module: the weight becomes W + alpha / rank · B A. */
export interface PlannedModule {
  /** In our naming; undefined where no rule knows the layer, which then keeps its name. */
  readonly path: string | undefined;
  readonly name: string;
  readonly down: PlannedTensor;
  readonly up: PlannedTensor;
  readonly alpha: number;
}

export type PlannedFile =
  | {
      readonly path: string;
      readonly tensors: ReadonlyMap<string, PlannedTensor>;
      readonly metadata: Readonly<Record<string, string>>;
      /** Whether kohya's `sshs_` hashes are added to the metadata. */
      readonly isHashed?: boolean;
    }
  | { readonly path: string; readonly text: string };

export const held = (tensor: Tensor): PlannedTensor => ({
  dtype: tensor.dtype,
  shape: tensor.shape,
  read: () => tensor,
});

/** Throws UserError where one of the files is there already and `force` does not allow for it. */
export function requireNew(paths: readonly string[], force: boolean): void {
  paths.forEach(requireOutputPath);
  const found = paths.filter((path) => existsSync(path));
  if (found.length === 0 || force) return;
  const what = 'there is already a file of that name';
  const fix = 'Name another one, or replace it with --force.';
  throw new UserError([{ where: found.join(', '), what, fix }]);
}

/** Writes all the files, or none. Memory: one tensor, and what the tensors themselves hold. */
export function writePlanned(
  files: readonly PlannedFile[],
  onProgress: (done: number, total: number) => void = () => undefined,
): void {
  const counts = files.map((file) => ('text' in file ? 0 : file.tensors.size));
  const total = counts.reduce((sum, count) => sum + count, 0);
  let done = 0;
  const onTensor = () => onProgress((done += 1), total);
  writeFilesTogether(new Map(files.map((file) => [file.path, contentOf(file, onTensor)])));
}

function contentOf(file: PlannedFile, onTensor: () => void): FileContent {
  if ('text' in file) return file.text;
  const { tensors, isHashed = false } = file;
  const metadata = isHashed ? { ...file.metadata, ...kohyaHashes(file) } : file.metadata;
  const { head, order } = layoutSafetensors(tensors, metadata);
  return (write) => {
    write(head);
    for (const name of order) {
      write(bytesOf(needed(tensors, name, 'tensor').read().data));
      onTensor();
    }
  };
}

/** As in `writeKohyaLora`, of a file that is not in memory. */
function kohyaHashes({
  tensors,
  metadata,
}: Extract<PlannedFile, { tensors: unknown }>): Record<string, string> {
  const training = Object.entries(metadata).filter(([key]) => key.startsWith('ss_'));
  const { head, order } = layoutSafetensors(tensors, Object.fromEntries(training));
  const model = createHash('sha256');
  const legacy = new HashedSlice();
  legacy.update(head);
  for (const name of order) {
    const bytes = bytesOf(needed(tensors, name, 'tensor').read().data);
    model.update(bytes);
    legacy.update(bytes);
  }
  return { sshs_model_hash: model.digest('hex'), sshs_legacy_hash: legacy.digest() };
}
