// What a run survives, and what it goes on with.

import assert from 'node:assert/strict';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseConfig } from '../config/load.ts';
import { readFacts } from '../runs/facts.ts';
import { memoryKills } from '../runtime/system-memory.ts';
import type { TrainEvent } from './events.ts';
import { train } from './run.ts';
import type { ResumeMode } from './take-up.ts';
import { killedRun, remains, type Settings } from './testing/killed-runs.ts';
import { writePictures, writeSmallBase } from './testing/small-base.ts';
import { writeSmallLanguageModel } from './testing/small-language-model.ts';

const root = mkdtempSync(join(tmpdir(), 'resume-'));
after(() => rmSync(root, { recursive: true, force: true }));
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');
const base = join(root, 'base');
writeSmallLanguageModel(base);
const sample = (n: number) => ({
  messages: [
    { role: 'user', content: `where is hat ${n}?` },
    { role: 'assistant', content: `hat ${n} is on the way.` },
  ],
});
const dataOf = (numbers: readonly number[]) =>
  numbers.map((n) => `${JSON.stringify(sample(n))}\n`).join('');
const numbers = Array.from({ length: 12 }, (_, n) => n);
const data = join(root, 'texts.jsonl');
writeFileSync(data, dataOf(numbers));

const texts = {
  task_type: 'text-generation',
  base_model: base,
  train_data_dir: data,
  lora_rank: 2,
  lora_dropout: 0.1,
  batch_size: 2,
  max_train_steps: 12,
  save_steps: 4,
  save_minutes: 1e-6,
  learning_rate: 1e-3,
  lr_scheduler: 'cosine',
  validation_split: 0.2,
  validation_steps: 3,
  max_seq_length: 96,
  num_threads: 1,
};
const at = (name: string) => join(root, name, 'neon');

interface Told {
  readonly events: readonly TrainEvent[];
  readonly warnings: string;
}

/** Runs to the end, or until step `until`. */
async function run(
  name: string,
  settings: Settings = {},
  { until = Infinity, resume = 'auto' as ResumeMode } = {},
): Promise<Told> {
  const stopping = new AbortController();
  const job = parseConfig({ ...texts, output_dir: at(name), ...settings });
  const events: TrainEvent[] = [];
  for await (const event of train(job, { signal: stopping.signal, resume })) {
    events.push(event);
    if (event.type === 'step' && event.step >= until) stopping.abort();
  }
  const said = events.flatMap((event) => (event.type === 'warning' ? [event.problem] : []));
  return {
    events,
    warnings: said.map(({ where, what, fix }) => `${where}: ${what}. ${fix ?? ''}`).join('\n'),
  };
}

const ofType = <K extends TrainEvent['type']>({ events }: Told, type: K) =>
  events.filter((event): event is Extract<TrainEvent, { type: K }> => event.type === type);
const planOf = (told: Told) => ofType(told, 'plan')[0];

await run('whole');
const whole = remains(at('whole'));

test('a run that is killed again and again ends with the bytes of one that is not', async () => {
  const settings = { ...texts, output_dir: at('killed') };
  const options = { settings, kills: 6, within: 1500, seed: 3 };
  const { failure } = await killedRun(options);
  assert.equal(failure, undefined);
  assert.deepEqual(remains(at('killed')), whole);
});

test('pictures: a run that is killed again and again ends with the bytes of one that is not', async () => {
  const pictures = join(root, 'pictures');
  writeSmallBase(join(root, 'sd'));
  await writePictures(pictures, [
    [64, 64],
    [64, 64],
    [32, 128],
  ]);
  const settings = {
    base_model: join(root, 'sd'),
    train_data_dir: pictures,
    ...{ lora_rank: 2, bucket_reso_steps: 32, num_threads: 1, learning_rate: 1e-3 },
    ...{ max_train_steps: 5, save_steps: 2, save_minutes: 1e-6 },
  };
  const options = { within: 4000, seed: 5 };
  for (const [name, kills] of [
    ['p-whole', 0],
    ['p-killed', 3],
  ] as const) {
    const one = { ...settings, output_dir: at(name) };
    assert.equal((await killedRun({ settings: one, kills, ...options })).failure, undefined);
  }
  assert.deepEqual(remains(at('p-killed')), remains(at('p-whole')));
});

test('a run that is stopped at each step, ten times and more, is the run without a stop', async () => {
  for (let step = 1; step < 12; step++) {
    const told = await run('stopped', {}, { until: step });
    assert.equal(planOf(told).firstStep, step - 1);
    assert.equal(planOf(told).resumed?.start, step === 1 ? undefined : step);
  }
  await run('stopped');
  assert.deepEqual(remains(at('stopped')), whole);
  const { starts, finished } = readFacts(at('stopped')) ?? {};
  assert.equal(starts?.length, 12);
  assert.deepEqual(new Set(starts.map(({ ended }) => ended?.how)), new Set(['stopped', 'done']));
  assert.ok(finished !== undefined);
});

test('each step stands once in the metrics, and in the TensorBoard file', async () => {
  const steps = readFileSync(join(at('stopped'), 'logs/metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ loss }) => loss !== undefined)
    .map(({ step }) => step);
  assert.deepEqual(
    steps,
    Array.from({ length: 12 }, (_, i) => i + 1),
  );
  const sizes = [at('whole'), at('stopped')].map((dir) =>
    readdirSync(join(dir, 'logs'))
      .filter((name) => name.includes('tfevents'))
      .map((name) => readFileSync(join(dir, 'logs', name)).length),
  );
  assert.deepEqual(sizes[0], sizes[1]);
});

test('a run that is done is not continued, but a longer one is, where it is named', async () => {
  await run('longer', { max_train_steps: 6 });
  await assert.rejects(
    run('longer', { max_train_steps: 6 }, { resume: { run: at('longer') } }),
    /max_train_steps: the run has done all its 6 steps already/,
  );
  const told = await run('longer', {}, { resume: { run: at('longer') } });
  assert.equal(planOf(told).firstStep, 6);
  const again = await run('longer', { max_train_steps: 1 });
  assert.equal(planOf(again).resumed, undefined);
  assert.equal(readdirSync(join(at('longer'), 'runs')).length, 1);
});

test('what may change takes effect from there on, and is recorded once', async () => {
  await run('changed', {}, { until: 5 });
  const settings = { learning_rate: 5e-4, max_train_steps: 20, lr_scheduler: 'linear' };
  const told = await run('changed', settings, { until: 8 });
  assert.deepEqual(planOf(told).resumed?.changes, [
    'max_train_steps: 20, before 12',
    'learning_rate: 0.0005, before 0.001',
    'lr_scheduler: linear, before cosine',
  ]);
  const [first] = Object.values(ofType(told, 'step')[0].learningRates);
  assert.equal(first, 5e-4); // another schedule at another rate begins at that rate
  assert.deepEqual(planOf(told).resumed?.learningRates, { model: first });
  await run('changed', settings);
  const { changes = [] } = readFacts(at('changed')) ?? {};
  assert.deepEqual(
    changes.map(({ key, step }) => [key, step]),
    ['max_train_steps', 'learning_rate', 'lr_scheduler'].map((key) => [key, 5]),
  );
});

test('what must not change is refused, with the difference; nothing is lost, and --fresh begins anew', async () => {
  await run('refused', {}, { until: 5 });
  const before = remains(at('refused'));
  for (const [settings, message] of [
    [{ lora_rank: 4, lora_alpha: 2 }, /lora_rank: is 4, but .* was begun with 2/],
    [{ seed: 7 }, /seed: is 7, but .* begun with 42/],
    [{ batch_size: 1 }, /batch_size: is 1, but .* begun with 2/],
    [{ target_modules: ['q_proj'] }, /target_modules: is \["q_proj"\], but .* with all-linear/],
  ] as const)
    await assert.rejects(run('refused', settings), message);
  assert.deepEqual(remains(at('refused')), before);
  const fresh = await run('refused', { lora_rank: 4, max_train_steps: 1 }, { resume: 'fresh' });
  assert.equal(planOf(fresh).firstStep, 0);
  const [id] = readdirSync(join(at('refused'), 'runs'));
  const earlier = join(at('refused'), 'runs', id);
  assert.deepEqual(remains(earlier), before);
  const told = await run('refused', {}, { resume: { run: id } });
  assert.equal(planOf(told).firstStep, 5);
  assert.ok(existsSync(join(earlier, 'adapter_model.safetensors')));
});

test('another base in the same place is noticed', async () => {
  await run('other-base', {}, { until: 5 });
  const other = join(root, 'tuned');
  writeSmallLanguageModel(other, { dtype: 'bfloat16' });
  await assert.rejects(
    run('other-base', { base_model: other }),
    /has other weights than the base model that the interrupted run/,
  );
});

test('samples that were added are left out and told: the run stays the same to the last bit', async () => {
  const own = join(root, 'added.jsonl');
  writeFileSync(own, dataOf(numbers));
  await run('added', { train_data_dir: own }, { until: 5 });
  writeFileSync(own, dataOf([77, ...numbers.toReversed(), 78]));
  const { warnings } = await run('added', { train_data_dir: own });
  assert.match(warnings, /2 samples were added: added\.jsonl:1, .*continue_from/);
  assert.deepEqual(remains(at('added')), whole);
});

test('samples that are gone are told, with what that means; half of them gone are other data', async () => {
  const own = join(root, 'gone.jsonl');
  writeFileSync(own, dataOf(numbers));
  await run('gone', { train_data_dir: own }, { until: 5 });
  writeFileSync(own, dataOf(numbers.slice(7)));
  await assert.rejects(
    run('gone', { train_data_dir: own }),
    /has 5 of the 12 samples that the run was begun with: these are other data/,
  );
  writeFileSync(own, dataOf(numbers.slice(1)));
  const { warnings } = await run('gone', { train_data_dir: own });
  assert.match(warnings, /1 sample is gone: gone\.jsonl:1\. .*no longer to the last digit/);
});

test('a state that was cut short or damaged is told, and the one before is taken', async () => {
  await run('torn', {}, { until: 6 });
  const states = () => readdirSync(join(at('torn'), 'state')).sort();
  const newest = join(at('torn'), 'state', states().at(-1) ?? '');
  truncateSync(newest, 1000);
  const told = await run('torn', {}, { until: 8 });
  assert.match(told.warnings, /step-00000006\.safetensors: .*goes on from the state before it/);
  assert.equal(planOf(told).firstStep, 5);
  const bytes = readFileSync(join(at('torn'), 'state', states().at(-1) ?? ''));
  bytes[bytes.length - 3] ^= 1;
  writeFileSync(join(at('torn'), 'state', states().at(-1) ?? ''), bytes);
  assert.match((await run('torn')).warnings, /its bytes are not those that were written/);
  assert.deepEqual(remains(at('torn')), whole);
});

test('a run whose states are all damaged is refused, and nothing of it is touched', async () => {
  await run('ruined', {}, { until: 6 });
  for (const name of readdirSync(join(at('ruined'), 'state')))
    writeFileSync(join(at('ruined'), 'state', name), 'x');
  const before = readdirSync(at('ruined'), { recursive: true }).sort();
  await assert.rejects(run('ruined'), /--fresh; continue_from gives it the weights/);
  assert.deepEqual(readdirSync(at('ruined'), { recursive: true }).sort(), before);
});

test('a start that was killed is told by the next, with the step that it had come to', async () => {
  const settings = { ...texts, output_dir: at('told') };
  await killedRun({ settings, kills: 0, within: 0, seed: 1, leaveAt: 5 });
  const { warnings } = await run('told', {}, { until: 7 });
  assert.match(warnings, /the last start was ended from outside after step 5/);
  assert.doesNotMatch((await run('told')).warnings, /last start/);
});

test('a start that the system ended for lack of memory: the next says so, with settings computed for this machine', async (t) => {
  if (memoryKills() === undefined) return t.skip('this system does not count what it ends');
  const settings = { ...texts, output_dir: at('starved') };
  await killedRun({ settings, kills: 0, within: 0, seed: 1, leaveAt: 5 });
  const path = join(at('starved'), 'run.json');
  const facts = JSON.parse(readFileSync(path, 'utf8'));
  facts.starts[0].memoryKills -= 1; // one more process has been ended since
  writeFileSync(path, JSON.stringify(facts));
  const { warnings } = await run('starved');
  const figures =
    /memory ran out: .* ended a process .* after step 5; it held \d+ MiB then\. The run takes about \d+ MiB, and [\d.]+ [MG]iB can be had now: it goes on as it is\./;
  assert.match(warnings, figures);
  assert.match(warnings, /these need less: .*\(about \d+ MiB\), with --fresh, as another run/);
  assert.deepEqual(remains(at('starved')), whole);
});
