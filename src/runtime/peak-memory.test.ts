import assert from 'node:assert/strict';
import { test } from 'node:test';
import { processMemory } from './memory.ts';
import { PeakMemory } from './peak-memory.ts';

const MiB = 2 ** 20;

test('memory that was given back before anybody looked is in the peak', () => {
  const peak = new PeakMemory();
  peak.look();
  const before = peak.bytes;
  assert.ok(before > 20 * MiB, `${before / MiB} MiB`);
  (() => Buffer.alloc(300 * MiB, 1).length)();
  (globalThis as { gc?: () => void }).gc?.();
  peak.look();
  const grown = peak.bytes - before;
  assert.ok(grown > 200 * MiB && grown < 400 * MiB, `${grown / MiB} MiB more`);
  assert.ok(peak.bytes >= processMemory().bytes * 0.95);
});
