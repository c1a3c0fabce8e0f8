import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { test } from 'node:test';
import type { StepEvent } from '../events.ts';
import type { TrainEvent } from '../train/events.ts';
import { syntheticRun } from '../train/testing/synthetic.ts';
import { bar, sparkline } from './bars.ts';
import { bytes, cut, displayWidth, duration } from './format.ts';
import { advance, draw, liveProgress, plainProgress, type View } from './progress.ts';

const step: StepEvent = {
  type: 'step',
  step: 90,
  totalSteps: 300,
  epoch: 3,
  epochs: 10,
  loss: 0.2469,
  lossAverage: 0.2515,
  learningRates: { unet: 1e-3, text_encoder: 1e-4 },
  gradNorm: 1,
  secondsPerStep: 0.41,
  secondsLeft: 86,
  memoryBytes: 1.3e9,
};
const view: View = { step, stepAt: 0, losses: [4, 3, 2, 1] };
const plain = (lines: readonly string[]) => lines.map(stripVTControlCharacters);

async function collect(steps: number): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of syntheticRun(steps, 0, new AbortController().signal, 'output/品牌风格'))
    events.push(event);
  return events;
}

test('durations and sizes', () => {
  assert.deepEqual([0, 0.4, 45.2, 185, 7800, 360000, NaN].map(duration), [
    '0 s',
    '0.4 s',
    '45 s',
    '3 min 05 s',
    '2 h 10 min',
    '4 d 4 h',
    '?',
  ]);
  assert.deepEqual([820 * 2 ** 20, 1.25 * 2 ** 30].map(bytes), ['820 MiB', '1.3 GiB']);
});

test('Chinese takes two columns, combining marks none', () => {
  assert.equal(displayWidth('品牌 a é'), 8);
  assert.equal(displayWidth('e\u0301'), 1);
  assert.equal(cut('品牌风格', 5), '品牌…');
  assert.equal(cut('品牌', 4), '品牌');
});

test('bars are as wide as asked', () => {
  for (const share of [0, 0.01, 0.5, 0.999, 1, 1.5]) {
    const { full, rest } = bar(share, 10);
    assert.equal((full + rest).length, 10);
  }
  assert.equal(sparkline([1, 2, 3, NaN], 10), '▁▅█');
  assert.equal(sparkline([5, 5], 10), '▄▄');
  assert.equal(
    sparkline(
      Array.from({ length: 1000 }, (_, i) => i),
      20,
    ).length,
    20,
  );
});

test('no line is wider than the terminal, whatever the width', () => {
  const phase = { name: '缓存潜变量 caching latents', done: 3, total: 40, since: 0 };
  for (let columns = 1; columns < 130; columns++) {
    for (const line of plain([
      ...draw(view, columns, 1000),
      ...draw({ ...view, phase }, columns, 5000),
    ])) {
      assert.ok(displayWidth(line) <= columns, `${columns}: ${line}`);
    }
  }
});

test('the live display shows step, losses, time left, speed, memory and rates', () => {
  const text = plain(draw(view, 120, 1000)).join('\n');
  for (const part of [
    ' 30 %',
    'step 90/300',
    'epoch 3/10',
    'loss 0.2469',
    'mean 0.2515',
    '█▆▃▁',
    '1 min 25 s left',
    '0.41 s/step',
    'memory 1.2 GiB',
    'unet 1.0e-3',
  ]) {
    assert.ok(text.includes(part), `${part} in\n${text}`);
  }
});

test('a finished phase stays on the screen, once', () => {
  const first = advance(
    { losses: [], stepAt: 0 },
    { type: 'phase', name: 'caching latents', done: 0, total: 40 },
    0,
  );
  const second = advance(
    first.view,
    { type: 'phase', name: 'caching latents', done: 40, total: 40 },
    3000,
  );
  const third = advance(second.view, step, 3000);
  assert.deepEqual(
    [first, second, third].map(({ lines }) => plain(lines)),
    [[], [], ['✓ caching latents (40, 3 s)']],
  );
});

test('a long run keeps a short history', () => {
  let current: View = { losses: [], stepAt: 0 };
  for (let i = 0; i < 5000; i++) current = advance(current, { ...step, lossAverage: i }, i).view;
  assert.ok(current.losses.length <= 1024);
  assert.ok(current.losses[0] < current.losses[current.losses.length - 1]);
});

test('the plain display writes a line every five seconds, the first and the last step, and the files', async () => {
  let [now, text] = [0, ''];
  const progress = plainProgress({ write: (part) => (text += part) }, () => now);
  for (const event of await collect(300)) {
    progress.show(event);
    if (event.type === 'step') now += 500;
  }
  progress.close();
  const lines = stripVTControlCharacters(text).split('\n');
  const steps = lines.filter((line) => line.startsWith('step '));
  assert.ok(steps.length >= 30 && steps.length <= 32, `${steps.length} lines`);
  assert.match(steps[0], /^step 1\/300 \(0 %\) {2}loss /);
  assert.match(steps[steps.length - 1], /^step 300\/300 \(100 %\)/);
  for (const name of ['brand_lora.safetensors', 'train.log', 'contact-sheet.png'])
    assert.ok(text.includes(`output/品牌风格/`) && text.includes(name));
  assert.ok(text.split('').every((character) => character !== '\r'));
});

test('the live display leaves its last words on the screen', async () => {
  let text = '';
  const output = Object.assign(
    new Writable({ write: (chunk, _, done) => done(void (text += chunk)) }),
    { isTTY: true, columns: 80, rows: 24 },
  );
  // log-update needs of a terminal only what is here
  const progress = liveProgress(output as unknown as NodeJS.WriteStream, Date.now);
  for (const event of await collect(20)) progress.show(event);
  progress.close();
  assert.match(stripVTControlCharacters(text), /Done in .*contact-sheet\.png/s);
});
