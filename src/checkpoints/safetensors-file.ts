// Safetensors files on disk: the header is read and checked, tensors only when asked for.

import { closeSync, fstatSync, openSync, readdirSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CheckpointError, obtainAgain } from '../errors.ts';
import { readBytes } from '../storage/read-tensor.ts';
import { toFloat32 } from '../tensor/half.ts';
import { isTooNarrow, lossOf } from '../tensor/narrow.ts';
import {
  parseAnyHeader,
  parseHeader,
  tensorFromBytes,
  type SafetensorsHeader,
} from '../tensor/safetensors.ts';
import type { ExternalTensor, Tensor } from '../tensor/tensor.ts';
import { codeOf } from '../util/caught.ts';
import { foreignFile, SIGNATURE_BYTES, type ForeignKind } from '../util/file-signatures.ts';
import { isBrokenLink, missingFile } from './missing-file.ts';

export interface SafetensorsFile extends SafetensorsHeader {
  /** Absolute, symbolic links resolved. */
  readonly path: string;
  /**
   * As it was opened: the folders of Hugging Face's cache have links of this name to files of
   * another.
   */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * Reads the header of a file. Throws CheckpointError when it is missing, unreadable, or not sound.
 */
export function openSafetensors(path: string): SafetensorsFile {
  return openWith(parseHeader, path);
}

/**
 * As openSafetensors; tensors of types that are not supported are no fault here, but set apart in
 * `unsupported`: whether they are needed is for the caller to say.
 */
export function openAnySafetensors(path: string): SafetensorsFile {
  return openWith(parseAnyHeader, path);
}

function openWith(parse: typeof parseHeader, path: string): SafetensorsFile {
  return withFile(path, (fd, realPath) => {
    const { size } = fstatSync(fd);
    const header = parse(
      { size, read: (offset, length) => readBytes(fd, offset, length, realPath) },
      realPath,
    );
    return { ...header, path: realPath, name: basename(path), size };
  });
}

/** What a file is by its first bytes, whatever its name says; undefined where they do not tell. */
export function kindOfFile(path: string): ForeignKind | undefined {
  return withFile(path, (fd, realPath) => {
    const length = Math.min(SIGNATURE_BYTES, fstatSync(fd).size);
    return foreignFile(readBytes(fd, 0, length, realPath))?.kind;
  });
}

/** Copies a tensor from its file into memory. */
export function readTensor({ dtype, shape, path, offset, length }: ExternalTensor): Tensor {
  return withFile(path, (fd, realPath) =>
    tensorFromBytes(dtype, shape, readBytes(fd, offset, length, realPath)),
  );
}

/**
 * Copies a floating tensor from its file, widened (or, from float64, rounded) to float32. Throws
 * CheckpointError for float64 numbers that float32 cannot hold.
 */
export function readFloat32(external: ExternalTensor): Tensor<'float32'> {
  const tensor = readTensor(external);
  if (tensor.data instanceof Float64Array && isTooNarrow(lossOf(tensor.data, 'float32')))
    throw new CheckpointError([
      {
        where: external.path,
        what: `a tensor of float64 [${external.shape.join(', ')}] has numbers that are too small or too large for float32`,
        fix: 'Use a file of this model in float32, float16 or bfloat16.',
      },
    ]);
  return toFloat32(tensor);
}

function withFile<T>(path: string, use: (fd: number, realPath: string) => T): T {
  const { fd, realPath } = open(path);
  try {
    return use(fd, realPath);
  } finally {
    closeSync(fd);
  }
}

function open(path: string): { fd: number; realPath: string } {
  try {
    const realPath = realpathSync(path);
    const fd = openSync(realPath, 'r');
    if (!fstatSync(fd).isDirectory()) return { fd, realPath };
    closeSync(fd);
  } catch (cause) {
    throw new CheckpointError([{ where: path, ...explain(cause, path) }], { cause });
  }
  throw new CheckpointError([
    { where: path, what: 'this is a folder, not a .safetensors file', fix: fileIn(path) },
  ]);
}

function fileIn(folder: string): string {
  const names = readdirSync(folder).filter((name) => /\.safetensors$/i.test(name));
  const shown = names.sort().slice(0, 3);
  return names.length === 0
    ? 'There is none in it; name another one.'
    : `Name the file in it: ${shown.map((name) => join(folder, name)).join(', or ')}`;
}

function explain(cause: unknown, path: string): { what: string; fix: string } {
  const code = codeOf(cause);
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return isBrokenLink(path)
      ? { what: missingFile(path), fix: obtainAgain }
      : {
          what: 'there is no such file',
          fix: 'Check the spelling; a relative path starts from the folder the command runs in.',
        };
  if (code === 'EACCES' || code === 'EPERM')
    return {
      what: 'the file cannot be read: permission denied',
      fix: 'Give yourself permission to read it (chmod +r on Linux and macOS).',
    };
  return {
    what: `the file cannot be opened: ${cause instanceof Error ? cause.message : String(cause)}`,
    fix: 'Check that the disk is there and readable.',
  };
}
