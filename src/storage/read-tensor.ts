// The numbers of a tensor that lies in a file.

import { closeSync, openSync, readSync } from 'node:fs';
import { CheckpointError } from '../errors.ts';
import { tensorFromBytes } from '../tensor/safetensors.ts';
import type { ExternalTensor, Tensor } from '../tensor/tensor.ts';

/** One read call moves at most 2 GiB; longer tensors take several. */
const MOST_BYTES = 1 << 30;

/** Copies a tensor from its file. Throws CheckpointError where the file ended. */
export function readExternal({ dtype, shape, path, offset, length }: ExternalTensor): Tensor {
  const fd = openSync(path, 'r');
  try {
    return tensorFromBytes(dtype, shape, readBytes(fd, offset, length, path));
  } finally {
    closeSync(fd);
  }
}

/** Reads so many bytes from `offset` on; `path` is for the message of a file that ended. */
export function readBytes(fd: number, offset: number, length: number, path: string): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const count = readSync(fd, bytes, done, Math.min(length - done, MOST_BYTES), offset + done);
    if (count === 0)
      throw new CheckpointError([
        {
          where: path,
          what: `the file ended at byte ${offset + done} while it was being read`,
          fix: 'Is another program still writing it? Try again when it is complete.',
        },
      ]);
    done += count;
  }
  return bytes;
}
