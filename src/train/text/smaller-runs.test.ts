import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseConfig } from '../../config/load.ts';
import { cpuRuntime } from '../../runtime/runtime.ts';
import type { OpenTask, SmallerRun } from '../task.ts';
import { writeSmallLanguageModel } from '../testing/small-language-model.ts';
import { textTask } from './task.ts';

const root = mkdtempSync(join(tmpdir(), 'smaller-texts-'));
after(() => rmSync(root, { recursive: true, force: true }));
writeSmallLanguageModel(join(root, 'llm'));
const turn = (n: number) =>
  JSON.stringify({
    messages: [
      { role: 'user', content: `where is hat ${n}?` },
      { role: 'assistant', content: `hat ${n} is here${' and there'.repeat(n % 5)}.` },
    ],
  });
const data = join(root, 'texts.jsonl');
writeFileSync(data, Array.from({ length: 20 }, (_, n) => `${turn(n)}\n`).join(''));

type Settings = Readonly<Record<string, unknown>>;

const settings = {
  task_type: 'text-generation',
  base_model: join(root, 'llm'),
  train_data_dir: data,
  output_dir: join(root, 'out'),
  lora_rank: 2,
  max_seq_length: 128,
  batch_size: 8,
};

async function opened(more: Settings): Promise<OpenTask> {
  const job = parseConfig({ ...settings, ...more });
  const context = { runtime: cpuRuntime(1), signal: new AbortController().signal };
  const events = textTask.open(job, context);
  for (;;) {
    const next = await events.next();
    if (next.done === true) return next.value;
  }
}

const bytesOf = ({ plan }: OpenTask): number => plan.memoryEstimate ?? NaN;
const settingsOf = (run: SmallerRun): Settings =>
  Object.fromEntries(run.settings.map(({ key, value }) => [key, value]));

const cases: Readonly<Record<string, Settings>> = {
  'a batch of eight': {},
  'packed rows, whose weights a long run packs': { packing: true, epochs: 300 },
  'rows of one length': { group_by_length: false, epochs: 200 },
  'held-out texts': { validation_split: 0.2 },
  'layers computed twice already': { gradient_checkpointing: true },
  prompts: { sample_prompts: ['where is hat 1?'], sample_every: 5 },
};

/** The last of each kind. */
const some = (runs: readonly SmallerRun[]): SmallerRun[] => [
  ...new Map(runs.map((run) => [run.settings.map(({ key }) => key).join(), run])).values(),
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
    }
  });

test('layers that are computed twice come first; batches see as many texts in a step', async () => {
  const runs = (await opened({ gradient_accumulation_steps: 2 })).smaller?.() ?? [];
  assert.deepEqual(runs.slice(0, 4).map(settingsOf), [
    { gradient_checkpointing: true },
    { batch_size: 4, gradient_accumulation_steps: 4 },
    { batch_size: 2, gradient_accumulation_steps: 8 },
    { batch_size: 1, gradient_accumulation_steps: 16 },
  ]);
});
