// The hashes by which other programs know a model file or a LoRA.

import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import type { SafetensorsFile } from '../checkpoints/safetensors-file.ts';
import { hashFile } from '../storage/hash-file.ts';
import { dataOffset, layoutSafetensors } from '../tensor/safetensors.ts';
import { needed } from '../util/needed.ts';

/**
 * WebUI's old hash looks at 64 KiB after the first MiB; files that end before it all have the hash
 * of nothing.
 */
const legacyStart = 0x100000;
const legacyLength = 0x10000;

/** `sshs_model_hash`: SHA-256, in hex, of everything after the header of a safetensors file. */
export function modelHash(file: Uint8Array): string {
  return createHash('sha256')
    .update(file.subarray(dataOffset(file)))
    .digest('hex');
}

/** `sshs_legacy_hash`: 8 hex digits. */
export function legacyHash(file: Uint8Array): string {
  return shortHash(file.subarray(legacyStart, legacyStart + legacyLength));
}

/** `ss_sd_model_hash`, `ss_vae_hash`: the legacy hash of a file on disk. */
export function legacyHashOfFile(path: string): string {
  const hash = createHash('sha256');
  for (const bytes of chunks(path, legacyStart, legacyStart + legacyLength)) hash.update(bytes);
  return hash.digest('hex').slice(0, 8);
}

/**
 * `ss_new_sd_model_hash`, `ss_new_vae_hash`: SHA-256 of a whole file, in hex. Reads it all: about 2
 * s for 1 GB.
 */
export const sha256OfFile = (path: string): string => hashFile(path).sha256;

/** The hashes by which programs and sites know a file of an adapter, in hex. */
export interface AdapterHashes {
  /** Of the whole file. */
  readonly sha256: string;
  /** Civitai's name for the first ten digits of it; WebUI shows them for checkpoints. */
  readonly autoV2: string;
  /** Of all after the header, first twelve digits: WebUI's "Lora hashes", Civitai's AutoV3. */
  readonly autoV3: string;
  /** That in full: what sd-webui-additional-networks computes and `sshs_model_hash` holds. */
  readonly sshsModelHash: string;
  /** Of 64 KiB after the first MiB of the file with its `ss_` metadata alone. */
  readonly sshsLegacyHash: string;
  /** Of 64 KiB after the first MiB of the file as it is: WebUI's first hash, Civitai's AutoV1. */
  readonly autoV1: string;
  /** What the file itself says. */
  readonly stated: { readonly sshsModelHash?: string; readonly sshsLegacyHash?: string };
}

/** Reads the file twice, a MiB at a time. */
export function adapterHashes({ path, metadata, tensors, size }: SafetensorsFile): AdapterHashes {
  const sha256 = sha256OfFile(path);
  const start = Math.min(size, ...Array.from(tensors.values(), ({ offset }) => offset));
  const data = createHash('sha256');
  for (const bytes of chunks(path, start, Infinity)) data.update(bytes);
  const sshsModelHash = data.digest('hex');
  const { sshs_model_hash: model, sshs_legacy_hash: legacy } = metadata;
  return {
    sha256,
    autoV2: sha256.slice(0, 10),
    autoV3: sshsModelHash.slice(0, 12),
    sshsModelHash,
    sshsLegacyHash: legacyOfTraining(path, metadata, tensors),
    autoV1: legacyHashOfFile(path),
    stated: {
      ...(model !== undefined && { sshsModelHash: model }),
      ...(legacy !== undefined && { sshsLegacyHash: legacy }),
    },
  };
}

/** As sd-scripts computes it: the file written again, with its `ss_` metadata alone. */
function legacyOfTraining(
  path: string,
  metadata: Readonly<Record<string, string>>,
  tensors: SafetensorsFile['tensors'],
): string {
  const training = Object.entries(metadata).filter(([key]) => key.startsWith('ss_'));
  const { head, order } = layoutSafetensors(tensors, Object.fromEntries(training));
  const slice = new HashedSlice();
  slice.update(head);
  for (const name of order) {
    const { offset, length } = needed(tensors, name, 'tensor');
    for (const bytes of chunks(path, offset, offset + length)) slice.update(bytes);
  }
  return slice.digest();
}

/** The legacy hash of bytes that come one piece after another. */
export class HashedSlice {
  private readonly hash = createHash('sha256');
  private at = 0;

  update(bytes: Uint8Array): void {
    const from = Math.max(0, legacyStart - this.at);
    const to = Math.min(bytes.length, legacyStart + legacyLength - this.at);
    if (from < to) this.hash.update(bytes.subarray(from, to));
    this.at += bytes.length;
  }

  digest(): string {
    return this.hash.digest('hex').slice(0, 8);
  }
}

function shortHash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 8);
}

/**
 * The bytes of a file from `start` to `end` (or its end), 1 MiB at a time, in one buffer used again
 * and again.
 */
function* chunks(path: string, start: number, end: number): Generator<Uint8Array> {
  const buffer = new Uint8Array(1 << 20);
  const fd = openSync(path, 'r');
  try {
    for (let at = start; at < end;) {
      const count = readSync(fd, buffer, 0, Math.min(buffer.length, end - at), at);
      if (count === 0) return;
      yield buffer.subarray(0, count);
      at += count;
    }
  } finally {
    closeSync(fd);
  }
}
