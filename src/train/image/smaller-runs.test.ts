import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseConfig } from '../../config/load.ts';
import { cpuRuntime } from '../../runtime/runtime.ts';
import type { OpenTask, SmallerRun } from '../task.ts';
import { writePictures, writeSmallBase } from '../testing/small-base.ts';
import { imageTask } from './task.ts';

const root = mkdtempSync(join(tmpdir(), 'smaller-pictures-'));
after(() => rmSync(root, { recursive: true, force: true }));
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');
writeSmallBase(join(root, 'base'));
await writePictures(join(root, 'data'), [
  ...Array.from({ length: 9 }, () => [256, 256] as const),
  ...Array.from({ length: 3 }, () => [160, 256] as const),
]);

type Settings = Readonly<Record<string, unknown>>;

const settings = {
  base_model: join(root, 'base'),
  train_data_dir: join(root, 'data'),
  output_dir: join(root, 'out'),
  lora_rank: 2,
  resolution: 256,
  bucket_reso_steps: 8,
  batch_size: 6,
};

async function opened(more: Settings): Promise<OpenTask> {
  const job = parseConfig({ ...settings, ...more });
  const context = { runtime: cpuRuntime(1), signal: new AbortController().signal };
  const events = imageTask.open(job, context);
  for (;;) {
    const next = await events.next();
    if (next.done === true) return next.value;
  }
}

const bytesOf = ({ plan }: OpenTask): number => plan.memoryEstimate ?? NaN;
const settingsOf = (run: SmallerRun): Settings =>
  Object.fromEntries(run.settings.map(({ key, value }) => [key, value]));

const cases: Readonly<Record<string, Settings>> = {
  'held-out pictures and limits of buckets': {
    validation_split: 0.25,
    min_bucket_reso: 64,
    max_bucket_reso: 256,
  },
  'a contact sheet and previews': { sample_prompts: ['cat', 'hat'], sample_every: 10 },
  'two sides, one picture at a time': { resolution: '256,192', batch_size: 1 },
};

/** The last of each kind: the one that needs least. */
const some = (runs: readonly SmallerRun[]): SmallerRun[] => [
  ...new Map(runs.map((run) => [run.settings.at(-1)?.key, run])).values(),
];

for (const [name, more] of Object.entries(cases))
  test(`${name}: what is proposed takes no more than was said, once it is followed`, async () => {
    const task = await opened(more);
    const runs = task.smaller?.() ?? [];
    assert.ok(runs.length > 2, String(runs.length));
    for (const run of some(runs)) {
      const followed = bytesOf(await opened({ ...more, ...settingsOf(run) }));
      const told = `${JSON.stringify(run.settings)}: ${followed} for ${run.bytes}`;
      assert.ok(followed <= 1.001 * run.bytes, told);
      assert.ok(followed >= 0.9 * run.bytes, told);
    }
    const least = Math.min(...runs.map(({ bytes }) => bytes));
    assert.ok(least < bytesOf(task), `${least} of ${bytesOf(task)}`);
  });

test('smaller batches come first and see as many pictures in a step', async () => {
  const runs = (await opened({ gradient_accumulation_steps: 2 })).smaller?.() ?? [];
  const batches = runs.filter(
    ({ settings: all }) => all.length === 2 && all[1].key === 'gradient_accumulation_steps',
  );
  assert.deepEqual(batches.map(settingsOf), [
    { batch_size: 3, gradient_accumulation_steps: 4 },
    { batch_size: 2, gradient_accumulation_steps: 6 },
    { batch_size: 1, gradient_accumulation_steps: 12 },
  ]);
  assert.deepEqual(runs.slice(0, 3).map(settingsOf), batches.map(settingsOf));
});

test('where the contact sheet is what does not fit, leaving it out is proposed', async () => {
  const more = { sample_prompts: ['cat', 'hat', 'a cat', 'a hat'], batch_size: 1 };
  const runs = (await opened(more)).smaller?.() ?? [];
  assert.ok(runs.some(({ settings: all }) => all.some(({ key }) => key === 'sample_prompts')));
  const without = (await opened({ batch_size: 1 })).smaller?.() ?? [];
  assert.ok(!without.some(({ settings: all }) => all.some(({ key }) => key === 'sample_prompts')));
});
