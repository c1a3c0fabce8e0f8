// What people run into when they go on with a run, as they report it of trainers: each ends well,
// or in one message that says what to do.

import assert from 'node:assert/strict';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseConfig } from '../config/load.ts';
import { UserError, type Problem } from '../errors.ts';
import type { PlanEvent, StepEvent } from '../events.ts';
import { train } from './run.ts';
import type { ResumeMode } from './take-up.ts';
import type { Settings } from './testing/killed-runs.ts';
import { writeSmallLanguageModel } from './testing/small-language-model.ts';

const root = mkdtempSync(join(tmpdir(), 'going-on-'));
after(() => rmSync(root, { recursive: true, force: true }));
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');
writeSmallLanguageModel(join(root, 'base'));
const lineOf = (n: number, answer = `hat ${n} is on the way.`) =>
  `${JSON.stringify({
    messages: [
      { role: 'user', content: `where is hat ${n}?` },
      { role: 'assistant', content: answer },
    ],
  })}\n`;
const data = join(root, 'texts.jsonl');
const lines = Array.from({ length: 8 }, (_, n) => lineOf(n));
writeFileSync(data, lines.join(''));

const texts = {
  task_type: 'text-generation',
  base_model: join(root, 'base'),
  train_data_dir: data,
  lora_rank: 2,
  batch_size: 2,
  epochs: 2,
  save_steps: 2,
  learning_rate: 1e-3,
  lr_scheduler: 'cosine',
  max_seq_length: 96,
  num_threads: 1,
};

interface Told {
  readonly plan: PlanEvent | undefined;
  readonly rates: readonly number[];
  readonly warnings: string;
  /** What it was refused with. */
  readonly refused: string;
}

const sentence = ({ where, what, fix = '' }: Problem) => `${where}: ${what}. ${fix}`;

/** A start in `dir`, to the end or until step `until`. */
async function start(
  dir: string,
  settings: Settings = {},
  { until = Infinity, resume = 'auto' as ResumeMode } = {},
): Promise<Told> {
  const stopping = new AbortController();
  let plan: PlanEvent | undefined;
  const [rates, warnings]: [number[], Problem[]] = [[], []];
  const rateOf = ({ learningRates }: StepEvent) => Object.values(learningRates)[0];
  let refused = '';
  try {
    const job = parseConfig({ ...texts, output_dir: dir, ...settings });
    for await (const event of train(job, { signal: stopping.signal, resume })) {
      if (event.type === 'plan') plan = event;
      if (event.type === 'warning') warnings.push(event.problem);
      if (event.type === 'step') rates.push(rateOf(event));
      if (event.type === 'step' && event.step >= until) stopping.abort();
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    refused = error.problems.map(sentence).join('\n');
  }
  return { plan, rates, warnings: warnings.map(sentence).join('\n'), refused };
}

const [cut, done] = [join(root, 'cut'), join(root, 'done')];
await start(cut, {}, { until: 5 });
await start(done);

let copies = 0;
/** A copy of a run, moved to another place. */
function copyOf(run: string): string {
  const dir = join(root, `copy-${++copies}`, 'neon');
  cpSync(run, dir, { recursive: true });
  return dir;
}

test('epochs raised on a run that is done: it is asked whether it goes on or begins anew', async () => {
  const dir = copyOf(done);
  for (const settings of [
    { epochs: 3 },
    { max_train_steps: 9 },
    { epochs: 3, learning_rate: 1e-4 },
  ]) {
    const { refused } = await start(dir, settings);
    assert.match(
      refused,
      /(9|12) steps, and the run in .*neon is done after 8: whether it is to go on/,
    );
    assert.match(refused, /--resume .*neon to go on with it from step 8, or --fresh/);
  }
  assert.ok(!readdirSync(dir).includes('runs'), 'nothing was moved');
  const { plan, rates } = await start(dir, { epochs: 3 }, { resume: { run: dir } });
  assert.equal(plan?.firstStep, 8);
  assert.equal(rates.length, 4);
  assert.ok(Math.min(...rates) > 0, 'no step is trained at a rate of 0');
});

test('the same command on a run that is done: a new one begins, and that is told', async () => {
  const { plan, warnings } = await start(copyOf(done), {}, { until: 1 });
  assert.equal(plan?.firstStep, 0);
  assert.match(
    warnings,
    /has a run that is done after 8 steps: a new one begins, and that one goes to runs\/\d+/,
  );
  assert.match(warnings, /--resume .*neon, with more epochs/);
  const other = await start(copyOf(done), { epochs: 3, lora_rank: 4 }, { until: 1 });
  assert.equal(other.plan?.firstStep, 0, 'another rank is another run');
});

test('fewer steps than are done already are refused; as many end the run there, which is told', async () => {
  const { refused } = await start(copyOf(cut), { max_train_steps: 3 });
  assert.match(
    refused,
    /max_train_steps: 3 steps, but the interrupted run .* has done 5 already: max_train_steps counts from the beginning/,
  );
  assert.match(refused, /Raise max_train_steps to go on, or add --fresh/);
  const { warnings, rates } = await start(copyOf(cut), { max_train_steps: 5 });
  assert.deepEqual(rates, []);
  assert.match(warnings, /has done these 5 steps already: it ends here/);
});

test('what --resume names: a run, something in its folder, its newest state', async () => {
  for (const inside of [
    '',
    'state',
    'state/step-00000005.safetensors',
    'logs',
    'run.json',
    'adapter_model.safetensors',
  ]) {
    const dir = copyOf(cut);
    const { plan, refused } = await start(
      dir,
      {},
      { resume: { run: join(dir, inside) }, until: 6 },
    );
    assert.equal(refused, '', inside);
    assert.equal(plan?.firstStep, 5, inside);
  }
  for (const word of ['latest', 'true', 'last', 'auto']) {
    const { plan } = await start(copyOf(cut), {}, { resume: { run: word }, until: 6 });
    assert.equal(plan?.firstStep, 5, word);
  }
});

test('an earlier checkpoint than the newest state is not gone on from; continue_from begins there', async () => {
  for (const inside of [
    'checkpoint-4',
    'checkpoint-2/adapter_model.safetensors',
    'state/step-00000004.safetensors',
  ]) {
    const dir = copyOf(cut);
    const { refused } = await start(dir, {}, { resume: { run: join(dir, inside) } });
    assert.match(
      refused,
      /--resume: .* is of step (2|4), and a run goes on from its newest state alone: that of step 5/,
    );
    assert.match(refused, /--fresh --continue-from .*neon@(2|4)\.$/);
  }
  const dir = copyOf(cut);
  const { refused } = await start(dir, {}, { resume: { run: `${dir}@4` } });
  assert.match(refused, /@4 is of step 4/);
  const begun = await start(dir, { continue_from: `${dir}@4` }, { resume: 'fresh', until: 1 });
  assert.equal(begun.refused, '');
  assert.equal(begun.plan?.firstStep, 0);
});

test('a state of another trainer, or a file, is answered with continue_from', async () => {
  const state = join(root, 'silver-000001-state');
  mkdirSync(state);
  for (const name of ['optimizer.bin', 'random_states_0.pkl', 'train_state.json'])
    writeFileSync(join(state, name), '{"current_epoch": 4, "current_step": 60}');
  const { refused } = await start(copyOf(cut), {}, { resume: { run: state } });
  assert.match(
    refused,
    /silver-000001-state is not a run of lora-scripts.*states of other trainers are not read/,
  );
  assert.match(refused, /--continue-from .*silver-000001-state/);
  const missing = await start(copyOf(cut), {}, { resume: { run: './no/such-state' } });
  assert.match(missing.refused, /--resume: there is no run \.\/no\/such-state.*Runs there: .*neon/);
  assert.match(
    (await start(copyOf(cut), {}, { resume: { run: '' } })).refused,
    /--resume: is empty/,
  );
});

test('a run that lacks its state, or states that lack their run.json, are told', async () => {
  const stateless = copyOf(cut);
  rmSync(join(stateless, 'state'), { recursive: true });
  const { refused } = await start(stateless);
  assert.match(refused, /state: there is no state any more, though the run had come to step 5/);
  assert.match(refused, /continue_from gives it the weights/);
  const half = copyOf(cut);
  for (const name of ['run.json', 'state/run.copy.json']) rmSync(join(half, name), { force: true });
  const { plan, warnings } = await start(half, {}, { until: 1 });
  assert.equal(plan?.firstStep, 0);
  assert.match(warnings, /the state of a run at step 5, but no run\.json.*put run\.json back/);
});

test('records that somebody deleted are told in one line', async () => {
  const dir = copyOf(cut);
  rmSync(join(dir, 'logs'), { recursive: true });
  const { warnings, plan } = await start(dir, {}, { until: 6 });
  assert.equal(plan?.firstStep, 5);
  assert.match(warnings, /^[^\n]*3 records are shorter than when the state was saved[^\n]*$/);
});

test('another schedule with another rate begins at that rate; without one it does not jump', async () => {
  const constant = { lr_scheduler: 'constant' };
  const anew = await start(copyOf(cut), { ...constant, learning_rate: 1e-4 });
  assert.deepEqual(new Set(anew.rates), new Set([1e-4]));
  assert.deepEqual(anew.plan?.resumed?.learningRates, { model: 1e-4 });
  const kept = await start(copyOf(cut), constant);
  const before = 1e-3 * 0.5 * (1 + Math.cos((Math.PI * 5) / 8));
  assert.ok(
    kept.rates.every((rate) => Math.abs(rate - before) < 1e-9),
    `${kept.rates}`,
  );
});

test('a setting that only follows from another is neither refused nor told beside it', async () => {
  const { refused } = await start(copyOf(cut), { lora_rank: 4 });
  assert.match(refused, /^lora_rank: is 4[^\n]*$/);
  const { refused: added } = await start(copyOf(cut), { rank_pattern: { q_proj: 4 } });
  assert.match(added, /rank_pattern: is .*q_proj/);
});

test('a text that was edited is changed, not gone; lines that moved are the same', async () => {
  const dir = copyOf(cut);
  writeFileSync(data, [lineOf(0, 'it is here.'), ...lines.slice(1)].join(''));
  const edited = await start(dir, {}, { until: 6 });
  assert.match(edited.warnings, /1 sample was changed: texts\.jsonl:1/);
  assert.doesNotMatch(edited.warnings, /gone|added/);
  assert.equal(edited.plan?.samples, 8);
  writeFileSync(data, [...lines].reverse().join(''));
  const moved = await start(copyOf(cut), {}, { until: 6 });
  assert.equal(moved.warnings, '');
  writeFileSync(data, Array.from({ length: 8 }, (_, n) => lineOf(100 + n)).join(''));
  const other = await start(copyOf(cut));
  assert.match(other.refused, /has 0 of the 8 samples .*: these are other data/);
  writeFileSync(data, lines.join(''));
});

test('the folder, the data and the base may be elsewhere: another machine, a renamed folder', async () => {
  const dir = copyOf(cut);
  const [moved, renamed] = [join(root, 'other machine ünd', 'Läufe'), join(root, 'texte.jsonl')];
  mkdirSync(join(root, 'other machine ünd'));
  renameSync(dir, moved);
  cpSync(join(root, 'base'), join(root, 'base-2'), { recursive: true });
  cpSync(data, renamed);
  const settings = { base_model: join(root, 'base-2'), train_data_dir: renamed };
  const { plan, warnings } = await start(moved, settings);
  assert.equal(plan?.firstStep, 5);
  assert.equal(warnings, '');
  const metrics = (run: string) => readFileSync(join(run, 'logs/metrics.jsonl'), 'utf8');
  assert.equal(metrics(moved), metrics(done));
});

test('data that grew are left out of a run that goes on, and named', async () => {
  appendFileSync(data, lineOf(50));
  const { warnings, plan } = await start(copyOf(cut), {}, { until: 6 });
  writeFileSync(data, lines.join(''));
  assert.equal(plan?.samples, 8);
  assert.match(warnings, /1 sample was added: texts\.jsonl:9.*continue_from/);
});
