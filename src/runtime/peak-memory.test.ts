import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { mappedTwice, processMemory } from './memory.ts';
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

test('what a process has held does not shrink with every other Node process on the machine', async () => {
  const peakNow = () => {
    const peak = new PeakMemory();
    peak.look();
    return peak.bytes;
  };
  const alone = peakNow();
  const others = Array.from({ length: 6 }, () =>
    spawn(process.execPath, ['-e', 'console.log(1); setTimeout(() => {}, 60_000)']),
  );
  try {
    await Promise.all(others.map(({ stdout }) => once(stdout, 'data')));
    const crowded = peakNow();
    assert.ok(crowded >= alone - 2 * MiB, `${alone / MiB} MiB, then ${crowded / MiB}`);
  } finally {
    for (const other of others) other.kill();
  }
});

/** One mapping as /proc/self/smaps has it; sizes in KiB. */
const mapping = (at: number, size: number, offset: number, inode: number, resident: number) => {
  const hex = (kibibytes: number) => (kibibytes * 1024).toString(16).padStart(8, '0');
  const header = `${hex(at)}-${hex(at + size)} r--p ${hex(offset)} fe:00 ${inode}    /some/file`;
  return `${header}\nSize:   ${size} kB\nKernelPageSize:  4 kB\nRss:   ${resident} kB\nPss:  1 kB\n`;
};

test('a file that several programs map counts once, whatever the bounds of the mappings', () => {
  const of = (...all: string[]): number => mappedTwice(all.join('')) / 1024;
  const whole = mapping(1000, 100, 0, 7, 100);
  assert.equal(of(whole), 0);
  assert.equal(of(whole, mapping(2000, 100, 0, 7, 100)), 100);
  assert.equal(of(whole, mapping(2000, 40, 60, 7, 40), mapping(3000, 60, 0, 7, 60)), 100);
  assert.equal(of(whole, mapping(2000, 100, 100, 7, 100)), 0); // another part of it
  assert.equal(of(whole, mapping(2000, 100, 0, 8, 100)), 0); // another file
  assert.equal(of(mapping(1000, 100, 0, 0, 100), mapping(2000, 100, 0, 0, 100)), 0); // no file
});
