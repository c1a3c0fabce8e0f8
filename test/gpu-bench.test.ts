// bench/gpu.ts but for its numbers: how its time is shared, what its table says of rows that are
// missing, how a process that crashes leaves the others; and the whole once, small, on a processor.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { allowance, droppedReason } from '../bench/gpu/budget.ts';
import { caseId, cases, caseTitle, models } from '../bench/gpu/cases.ts';
import { causeOf, runChild } from '../bench/gpu/child.ts';
import { modelBytes } from '../bench/gpu/random-weights.ts';
import { comparisons, jobs, median, OURS, shares, table, type Row } from '../bench/gpu/table.ts';
import { executedKernels } from '../src/runtime/onnxruntime/profile.ts';

const title = 'SD 1.5 b1';
const profile = {
  kernels: 300,
  kernelMs: 150,
  profiledMs: 260,
  operators: [
    { type: 'Conv', count: 98, milliseconds: 90 },
    { type: 'MatMul', count: 202, milliseconds: 60 },
  ],
};
const ours: Row = {
  title,
  by: OURS,
  firstMs: 21_340,
  stepMs: 200,
  steps: 10,
  deviceMiB: 4000,
  hostMiB: 900,
  loss: 1.5,
  gradientNorm: 2,
  bus: { busIn: 28_600_000, busOut: 28_400_000 },
  profile,
};
const peer = (precision: string, stepMs: number): Row => ({
  title,
  by: `PyTorch ${precision}`,
  firstMs: 3000,
  stepMs,
  steps: 10,
  deviceMiB: 8000,
  hostMiB: 2500,
  loss: 1.5 * 1.001,
  gradientNorm: 2,
});
const cells = (line: string): string[] => line.split(/ {2,}/);

test('a row is given what is left, at most its limit, and dropped by name below its least', () => {
  const need = { least: 20, most: 90 };
  const at = (spent: number) => allowance({ total: 480, spent }, need);
  assert.equal(at(0), 90);
  assert.equal(at(385), 90);
  assert.equal(at(400), 75, 'what is left but for the table');
  assert.equal(at(455), 20);
  assert.equal(at(456), undefined);
  assert.equal(at(1000), undefined);
  const why = droppedReason({ total: 480, spent: 456 }, need);
  assert.equal(why, 'dropped: 19 s of 480 s are left, it needs 20');
  assert.match(droppedReason({ total: 480, spent: 999 }, need), /^dropped: 0 s/);
});

test('the table has every number beside its head, and differences from PyTorch in f32', () => {
  const [head, mine, f32] = table([ours, peer('f32', 100)]).map(cells);
  assert.deepEqual(mine, [
    ...[title, OURS, '200', '21.3', '4000', '900', '150', '50.0', '28.6', '28.4'],
    ...['1.0e-3', '0.0e+0'],
  ]);
  assert.equal(mine.length, head.length);
  assert.deepEqual(f32.slice(2, 6), ['100', '3.0', '8000', '2500']);
  assert.deepEqual(f32.slice(6), ['–', '–', '–', '–', '–', '–']);
});

test('a row without numbers says why, and what nobody measured is a dash', () => {
  const failed = { title, by: 'PyTorch f32', failed: 'CUDA out of memory' };
  const { deviceMiB: _, profile: __, ...bare } = ours;
  const reason = 'without a profile: the device was lost';
  const [, first, second, note] = table([{ ...bare, failed: reason }, failed]);
  assert.deepEqual(cells(first).slice(4, 8), ['–', '900', '–', '–']);
  assert.deepEqual(cells(second), [title, 'PyTorch f32', 'CUDA out of memory']);
  assert.equal(note.trim(), `${title}, ${OURS}: ${reason}`);
  assert.equal(table([]).length, 1, 'of no rows the head alone');
});

test('where kernels take longer than a step that was timed, the profiled step is what is idle', () => {
  const slow = { ...ours, stepMs: 140 };
  assert.equal(cells(table([slow])[1])[7], '110');
});

test('shares, comparisons and whole jobs are told where their numbers are there', () => {
  const rows = [
    ours,
    peer('f32', 100),
    peer('TF32', 80),
    { title, by: 'PyTorch bf16', failed: '–' },
  ];
  assert.deepEqual(shares(rows), [`${title}: 300 kernels; Conv 60 % (98), MatMul 40 % (202)`]);
  assert.deepEqual(shares(rows, 1), [`${title}: 300 kernels; Conv 60 % (98), 1 others`]);
  const compared = '2.00 of its f32 time, 2.50 of its TF32 time, 0.50 of its f32 memory';
  assert.deepEqual(comparisons(rows), [`${title}: ${compared}`]);
  assert.deepEqual(comparisons([ours]), []);
  const unseen = comparisons([ours, { ...peer('f32', 100), deviceMiB: 0 }]);
  assert.deepEqual(unseen, [`${title}: 2.00 of its f32 time`], 'nothing is no measure');
  const job = { ...ours, batch: 4, pictures: true };
  assert.deepEqual(jobs([job]), [`2250 picture-steps, ${title}: 1.9 minutes`]);
  assert.deepEqual(
    jobs([
      { ...job, pictures: false },
      { ...job, by: 'PyTorch f32' },
    ]),
    [],
  );
  assert.deepEqual([median([3, 1, 2]), median([4, 1, 2, 3])], [2, 2.5]);
});

test('every case has a name of its own, and the sizes are those of the models', () => {
  assert.equal(new Set(cases.map(caseId)).size, cases.length);
  assert.equal(new Set(cases.map((one) => caseTitle(one, 'full'))).size, cases.length);
  assert.ok(cases.some((one) => caseId(one) === 'sd15-b4-text'));
  const millions = Object.values(models.full).map((model) =>
    Math.round(modelBytes(model, 'float16') / 2e6),
  );
  assert.deepEqual(millions, [983, 135, 494]);
});

test('a process that crashes or takes too long leaves what it had said, and why it ended', async () => {
  const lines: object[] = [];
  const run = (code: string, limit = 30) =>
    runChild(process.execPath, ['-e', code], { limit, onLine: (line) => lines.push(line) });
  assert.equal(
    await run('console.log(JSON.stringify({ a: 1 })); console.log("and more")'),
    undefined,
  );
  const thrown = await run(
    'console.log("{\\"b\\": 2}"); throw new RangeError("no memory is left")',
  );
  assert.equal(thrown, 'RangeError: no memory is left (exit code 1)');
  assert.match(String(await run('process.kill(process.pid, "SIGSEGV")')), /\(SIGSEGV\)$/);
  assert.equal(await run('setInterval(() => 0, 1000)', 0.5), 'stopped after 1 s');
  assert.match(
    String(await runChild('no-such-program', [], { limit: 9, onLine: () => 0 })),
    /ENOENT/,
  );
  assert.deepEqual(lines, [{ a: 1 }, { b: 2 }]);
  const python =
    'Traceback (most recent call last):\n  File "x.py", line 3\ntorch.OutOfMemoryError: CUDA out of memory.\n';
  assert.equal(causeOf(python), 'torch.OutOfMemoryError: CUDA out of memory.');
  assert.equal(causeOf(''), 'it ended without a word');
});

test("a device's profile counts its own clock, a processor's the nodes'", () => {
  const folder = mkdtempSync(join(tmpdir(), 'profile-'));
  const path = join(folder, 'p.json');
  const node = { cat: 'Node', name: 'a_kernel_time', dur: 7, args: { op_name: 'MatMul' } };
  const kernels = [
    { cat: 'Api', name: 'a&MatMul&MatMul', dur: 500, args: {} },
    { cat: 'Api', name: 'b&Conv&Transpose', dur: 40, args: {} },
  ];
  try {
    writeFileSync(path, JSON.stringify([node]));
    assert.deepEqual(executedKernels(path), [{ name: 'a', type: 'MatMul', microseconds: 7 }]);
    writeFileSync(path, JSON.stringify([node, ...kernels]));
    assert.deepEqual(executedKernels(path), [
      { name: 'a', type: 'MatMul', microseconds: 500 },
      { name: 'b', type: 'Conv (Transpose)', microseconds: 40 },
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the whole bench, small, on the processor: the table is last, a case that fails is a row', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gpu-bench-test-'));
  const out = join(folder, 'rows.jsonl');
  const bench = fileURLToPath(new URL('../bench/gpu.ts', import.meta.url));
  const options = ['--small', '--device', 'cpu', '--no-peer', '--steps', '1', '--threads', '1'];
  const chosen = ['--cases', 'qwen-b1,smollm2-b1', '--budget', '60', '--out', out];
  try {
    writeFileSync(join(folder, 'smollm2-small-float16'), 'a file where its folder would be');
    const { stdout } = await promisify(execFile)(process.execPath, [
      ...['--import', 'tsx', bench, ...options, ...chosen, '--folder', folder],
    ]);
    const rows = readFileSync(out, 'utf8').trim().split('\n');
    assert.equal(rows.length, 8);
    const [first] = rows.map((line) => JSON.parse(line) as Row);
    assert.ok(
      first.stepMs !== undefined && first.stepMs > 0 && (first.profile?.kernels ?? 0) > 100,
    );
    assert.ok(first.loss !== undefined && Math.abs(first.loss - Math.log(2048)) < 1);
    const [, text] = stdout.split('case  ');
    assert.match(text, /tiny Qwen 1x128 +ours, f32 +[\d.]+ /);
    assert.match(
      text,
      /tiny Llama 1x128 +ours, f32 +its weights \(0\.0 GiB\) could not be written/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
