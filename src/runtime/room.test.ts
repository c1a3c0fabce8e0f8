// What a run takes, and whether it has room, in a process and on a card.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deviceRoom, processRoom, type Need } from './room.ts';

const GiB = 2 ** 30;

const need = (live: number, largest = live): Need => ({
  activations: { live, largest, taken: 2 * live, program: 0 },
  working: 2 * live,
  frozen: GiB,
  own: GiB,
});

test('a process holds all of it; a half of the machine is not spent on speed', () => {
  const { bytes, spare, lacking } = processRoom(need(GiB), 16 * GiB);
  assert.equal(bytes, 4 * GiB + 210 * 2 ** 20);
  assert.equal(spare, 8 * GiB - bytes);
  assert.equal(lacking, undefined);
  assert.equal(processRoom(need(GiB), 2 * GiB).spare, 0, 'not less than nothing');
});

test('how many samples go through a model does not depend on how much memory a process has', () => {
  for (const machine of [GiB, 1024 * GiB]) {
    assert.equal(processRoom(need(4 * GiB), machine).isEnough, true);
    assert.equal(processRoom(need(4 * GiB + 1), machine).isEnough, false);
  }
});

test('a card holds what computes, nine tenths of its memory at most', () => {
  const on = (memory: number, live: number) =>
    deviceRoom({ largestTensor: Infinity, memory }, 'webgpu, Arc', need(live));
  assert.deepEqual(on(10 * GiB, 4.5 * GiB), {
    bytes: 9 * GiB,
    isEnough: true,
    lacking: undefined,
    spare: 0,
  });
  const { isEnough, lacking = '' } = on(10 * GiB, 4.6 * GiB);
  assert.equal(isEnough, false);
  assert.match(
    lacking,
    /takes about 9\.2 GiB of memory, too much for the 10\.0 GiB of webgpu, Arc$/,
  );
});

test('on a card that does not tell its memory fewer samples are tried, and none are refused', () => {
  const { isEnough, lacking } = deviceRoom({ largestTensor: Infinity }, 'a', need(5 * GiB));
  assert.deepEqual([isEnough, lacking], [false, undefined]);
});

test('one tensor larger than the largest buffer has no room, however much memory there is', () => {
  const { isEnough, lacking = '' } = deviceRoom(
    { largestTensor: 2 * GiB, memory: 80 * GiB },
    'webgpu, Arc',
    need(4 * GiB, 3 * GiB),
  );
  assert.equal(isEnough, false);
  assert.match(lacking, /one tensor of this run takes 3\.0 GiB, more than the 2\.0 GiB/);
});

test('a tensor of 132 MiB was said to take 0.1 GiB, more than the 0.1 GiB of a buffer', () => {
  const MiB = 2 ** 20;
  const said: readonly (readonly [number, number, RegExp])[] = [
    [132 * MiB, 128 * MiB, /takes 132 MiB, more than the 128 MiB/],
    [128 * MiB + 4, 128 * MiB, /takes 129 MiB, more than the 128 MiB/],
    [GiB, GiB - 4, /takes 1\.0 GiB, more than the 1023 MiB/],
    [2 * GiB, 2 * GiB - 4, /takes 2\.0 GiB, more than the 1\.9 GiB/],
  ];
  for (const [taken, largestTensor, expected] of said)
    assert.match(deviceRoom({ largestTensor }, 'a', need(taken)).lacking ?? '', expected);
});
