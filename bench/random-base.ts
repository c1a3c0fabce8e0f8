// Writes a Stable Diffusion 1.5 with random weights as one file, in the layout of
// v1-5-pruned-emaonly.safetensors: the full size for measurements, without a download. Weights are
// those of reference/hashed_weights.py.
//
//   tsx bench/random-base.ts FILE [--dtype float16]

import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { sd15Rows, type NameRow } from '../src/checkpoints/small-model.test-util.ts';
import { hashedWeight } from '../src/models/hashed-weights.test-util.ts';
import { dtypes } from '../src/tensor/dtype.ts';
import { fromFloat32, type FloatDType } from '../src/tensor/half.ts';
import { byteLength } from '../src/tensor/tensor.ts';

/** Eight bytes of length, then the header, padded to a multiple of 8. */
function headerBytes(rows: readonly NameRow[], dtype: FloatDType): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let end = 0;
  for (const { ldm, ldmShape } of rows) {
    header[ldm] = {
      dtype: dtypes[dtype].safetensors,
      shape: ldmShape,
      data_offsets: [end, (end += byteLength(dtype, ldmShape))],
    };
  }
  const text = Buffer.from(JSON.stringify(header));
  const out = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8, ' ');
  out.writeBigUInt64LE(BigInt(out.length - 8));
  text.copy(out, 8);
  return out;
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
}

/** One tensor after another: no more than one is in memory. */
function writeBase(path: string, dtype: FloatDType): void {
  const rows = [...sd15Rows].sort((a, b) => (a.ldm < b.ldm ? -1 : 1));
  mkdirSync(dirname(path), { recursive: true });
  const file = openSync(path, 'w');
  try {
    writeAll(file, headerBytes(rows, dtype));
    for (const { name, shape } of rows) {
      const { data } = fromFloat32(
        { dtype: 'float32', shape, data: hashedWeight(name, shape) },
        dtype,
      );
      writeAll(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
  } finally {
    closeSync(file);
  }
}

const isFloat = (text: string): text is FloatDType =>
  text === 'float32' || text === 'float16' || text === 'bfloat16';

const { values, positionals } = parseArgs({
  options: { dtype: { type: 'string', default: 'float16' } },
  allowPositionals: true,
});
if (positionals.length !== 1 || !isFloat(values.dtype)) {
  console.error('usage: tsx bench/random-base.ts FILE [--dtype float32|float16|bfloat16]');
  process.exit(1);
}
writeBase(positionals[0], values.dtype);
