import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, test } from 'node:test';
import { parseConfig } from '../config/load.ts';
import type { ForecastEvent, PlanEvent } from '../events.ts';
import type { TrainEvent } from './events.ts';
import { train } from './run.ts';
import { writePictures, writeSmallBase } from './testing/small-base.ts';
import { writeSmallLanguageModel } from './testing/small-language-model.ts';

const root = mkdtempSync(join(tmpdir(), 'dry-run-'));
after(() => rmSync(root, { recursive: true, force: true }));
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');
writeSmallBase(join(root, 'sd'));
writeSmallLanguageModel(join(root, 'llm'));
await writePictures(join(root, 'pictures'), [
  ...Array.from({ length: 5 }, () => [64, 64] as const),
  [32, 64],
]);
const turn = (n: number) =>
  JSON.stringify({
    messages: [
      { role: 'user', content: `where is hat ${n}?` },
      { role: 'assistant', content: `hat ${n} is here.` },
    ],
  });
writeFileSync(join(root, 'texts.jsonl'), [0, 1, 2, 3].map((n) => `${turn(n)}\n`).join(''));

const common = { lora_rank: 2, max_train_steps: 300, num_threads: 1 };
const pictures = {
  ...common,
  base_model: join(root, 'sd'),
  train_data_dir: join(root, 'pictures'),
  bucket_reso_steps: 8,
  sample_prompts: ['cat'],
  sample_steps: 2,
};
const texts = {
  ...common,
  task_type: 'text-generation',
  base_model: join(root, 'llm'),
  train_data_dir: join(root, 'texts.jsonl'),
  max_seq_length: 96,
  sample_prompts: ['where is hat 1?'],
};

type Settings = Readonly<Record<string, unknown>>;

async function dry(settings: Settings, signal?: AbortSignal) {
  const events: TrainEvent[] = [];
  for await (const event of train(parseConfig(settings), { resume: 'dry-run', signal }))
    events.push(event);
  return {
    events,
    plan: events.find((event): event is PlanEvent => event.type === 'plan'),
    forecast: events.find((event): event is ForecastEvent => event.type === 'forecast'),
    warnings: events.flatMap((event) => (event.type === 'warning' ? [event.problem.what] : [])),
  };
}

/** Every file below a folder, with its bytes and when it was changed. */
function filesOf(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, path, name }) => join(parentPath ?? path, name))
    .sort()
    .map(
      (path) =>
        `${relative(folder, path)} ${statSync(path).mtimeMs} ${readFileSync(path).toString('base64')}`,
    );
}

for (const [name, settings] of Object.entries({ pictures, texts })) {
  test(`${name}: a dry run ends with what the run would take, and leaves nothing behind`, async () => {
    const output_dir = join(root, `out-${name}`);
    const before = filesOf(root);
    const { events, plan, forecast } = await dry({ ...settings, output_dir });
    assert.equal(events.at(-1)?.type, 'forecast');
    assert.equal(plan?.totalSteps, 300);
    assert.ok((forecast?.expense.seconds ?? 0) > 0);
    assert.ok((forecast?.processorSeconds ?? 0) > 0);
    assert.ok(!events.some(({ type }) => ['step', 'saved', 'done', 'account'].includes(type)));
    assert.deepEqual(filesOf(root), before);
    assert.ok(!existsSync(output_dir));
  });

  test(`${name}: validation and previews make the forecast longer`, async () => {
    const output_dir = join(root, `out-${name}`);
    const secondsOf = async (more: Settings) =>
      (await dry({ ...settings, output_dir, max_train_steps: 40, ...more })).forecast
        ?.processorSeconds ?? NaN;
    const looks = { sample_every: 1, validation_split: 0.25, validation_steps: 1 };
    const [usual, looked] = [await secondsOf({}), await secondsOf(looks)];
    assert.ok(looked > 1.5 * usual, `${looked} and ${usual}`);
  });
}

test('what a run costs follows from power and price', async () => {
  const prices = { power_watts: 200, price_per_kwh: 0.5, currency: 'EUR' };
  const { forecast } = await dry({ ...texts, ...prices, output_dir: join(root, 'priced') });
  const { seconds = NaN, joules = NaN, costs, power } = forecast?.expense ?? {};
  assert.ok(Math.abs(joules / (200 * seconds) - 1) < 1e-6);
  assert.equal(costs?.[0].currency, 'EUR');
  assert.ok(Math.abs((costs?.[0].amount ?? NaN) / ((joules / 3.6e6) * 0.5) - 1) < 1e-6);
  assert.deepEqual(power, ['200 W, as configured']);
});

test('an interrupted run is left as it is, and it is said that the whole run is meant', async () => {
  const output_dir = join(root, 'interrupted');
  const settings = { ...texts, output_dir, max_train_steps: 6, sample_prompts: [] };
  const stopping = new AbortController();
  for await (const event of train(parseConfig(settings), { signal: stopping.signal }))
    if (event.type === 'step' && event.step === 2) stopping.abort();
  const before = filesOf(output_dir);
  assert.ok(before.length > 0);
  const { plan, forecast, warnings } = await dry(settings);
  assert.equal(plan?.firstStep, 0);
  assert.ok(forecast !== undefined);
  assert.match(warnings.join('\n'), /interrupted run.*whole run/);
  assert.deepEqual(filesOf(output_dir), before);
});

test('a folder that another run is using can be planned for', async () => {
  const output_dir = join(root, 'busy');
  mkdirSync(output_dir, { recursive: true });
  const settings = { ...texts, output_dir, max_train_steps: 4, sample_prompts: [] };
  const running = train(parseConfig(settings));
  let found: ForecastEvent | undefined;
  for await (const { type } of running)
    if (type === 'step' && found === undefined) found = (await dry(settings)).forecast;
  assert.ok(found !== undefined);
});

test('a dry run that is stopped tells nothing', async () => {
  const stopping = new AbortController();
  stopping.abort();
  const { forecast } = await dry({ ...texts, output_dir: join(root, 'stopped') }, stopping.signal);
  assert.equal(forecast, undefined);
});
