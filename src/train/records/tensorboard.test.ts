import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PbfReader } from 'pbf';
import { crc32c } from '../../util/crc.ts';
import { record, scalarEvent } from './tensorboard.ts';

test('crc32c: the check value of its catalogue, and a vector of RFC 3720', () => {
  assert.equal(crc32c(new TextEncoder().encode('123456789')), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
});

test('a record frames its bytes; the event in it reads back', () => {
  const event = scalarEvent({ time: 12.5, step: 300, values: { loss: 0.25, 'lr/unet': 0.001 } });
  const framed = record(event);
  assert.equal(new DataView(framed.buffer).getBigUint64(0, true), BigInt(event.length));
  const seen: unknown[] = [];
  const value = (_tag: number, _: unknown, p: PbfReader) =>
    seen.push(_tag === 1 ? p.readString() : p.readFloat());
  const summary = (_tag: number, _: unknown, p: PbfReader) => p.readMessage(value, undefined);
  new PbfReader(framed.subarray(12, framed.length - 4)).readFields(
    (tag: number, _: unknown, p: PbfReader) => {
      if (tag === 5) p.readMessage(summary, undefined);
      else seen.push(tag === 1 ? p.readDouble() : p.readVarint());
    },
    undefined,
  );
  assert.deepEqual(seen, [12.5, 300, 'loss', 0.25, 'lr/unet', Math.fround(0.001)]);
});
