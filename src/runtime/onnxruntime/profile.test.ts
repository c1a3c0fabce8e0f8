// What is read from a profile of ONNX Runtime.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { executedKernels, executedNodes } from './profile.ts';

const folder = mkdtempSync(join(tmpdir(), 'profile-'));
after(() => rmSync(folder, { recursive: true }));

function profileOf(name: string, events: readonly object[]): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(events));
  return path;
}

const nodes = [
  { cat: 'Session', name: 'model_run', dur: 99, args: {} },
  { cat: 'Node', name: 'y_kernel_time', dur: 7, args: { op_name: 'Conv' } },
  { cat: 'Node', name: 'y_fence_before', dur: 1, args: { op_name: 'Conv' } },
];
const onProcessor = [{ name: 'y', type: 'Conv', microseconds: 7 }];

test('on the processor a kernel is its node', () => {
  const path = profileOf('cpu', nodes);
  assert.deepEqual(executedNodes(path), onProcessor);
  assert.deepEqual(executedKernels(path), onProcessor);
});

test("on a card kernels have the time of the card's clock, and are told apart within a node", () => {
  const path = profileOf('card', [
    ...nodes,
    { cat: 'Api', name: 'y&Conv&Transpose', dur: 2, args: {} },
    { cat: 'Api', name: 'y&Conv&Conv', dur: 40, args: {} },
  ]);
  assert.deepEqual(executedKernels(path), [
    { name: 'y', type: 'Conv (Transpose)', microseconds: 2 },
    { name: 'y', type: 'Conv', microseconds: 40 },
  ]);
  assert.deepEqual(executedNodes(path), onProcessor);
});
