// What a run that goes on from another forgets: measured on old and new samples, before and after.

import assert from 'node:assert/strict';
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseConfig } from '../config/load.ts';
import type { ForgettingEvent } from '../events.ts';
import { readFacts } from '../runs/facts.ts';
import type { TrainEvent } from './events.ts';
import { Forgetting, type BothLosses } from './forgetting.ts';
import { train } from './run.ts';
import { writePictures, writeSmallBase } from './testing/small-base.ts';
import { writeSmallLanguageModel } from './testing/small-language-model.ts';

const root = mkdtempSync(join(tmpdir(), 'forgetting-'));
after(() => rmSync(root, { recursive: true, force: true }));
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');
const at = (name: string) => join(root, name);
writeSmallLanguageModel(at('llm'));
writeSmallBase(at('sd'));

const sample = (n: number) =>
  `${JSON.stringify({
    messages: [
      { role: 'user', content: `where is hat ${n}?` },
      { role: 'assistant', content: `hat ${n} is on the way.` },
    ],
  })}\n`;
const samples = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => sample(from + i)).join('');
writeFileSync(at('old.jsonl'), samples(0, 8));
writeFileSync(at('fresh.jsonl'), samples(8, 12));
writeFileSync(at('all.jsonl'), samples(0, 12));
await writePictures(at('pictures'), [
  [64, 64],
  [64, 64],
]);

const texts = {
  task_type: 'text-generation',
  base_model: at('llm'),
  train_data_dir: at('old.jsonl'),
  ...{ lora_rank: 4, max_train_steps: 4, learning_rate: 1e-2, max_seq_length: 96 },
  ...{ num_threads: 1, save_precision: 'float32' },
};
const pictures = {
  base_model: at('sd'),
  train_data_dir: at('pictures'),
  ...{ lora_rank: 2, max_train_steps: 2, learning_rate: 1e-2, bucket_reso_steps: 32 },
  ...{ num_threads: 1, save_precision: 'float32', train_text_encoder: false },
};

async function run(name: string, settings: object, stopAt?: number) {
  const events: TrainEvent[] = [];
  const stopping = new AbortController();
  const job = parseConfig({ output_dir: at(name), ...settings });
  for await (const event of train(job, { signal: stopping.signal })) {
    events.push(event);
    if (event.type === 'step' && event.step === stopAt) stopping.abort();
  }
  const told = events.flatMap((event) => (event.type === 'warning' ? [event.problem] : []));
  return {
    forgetting: events.filter((event): event is ForgettingEvent => event.type === 'forgetting'),
    warnings: told.map(({ where, what, fix }) => `${where}: ${what}. ${fix ?? ''}`).join('\n'),
    validations: events.filter(({ type }) => type === 'validation').length,
  };
}

const recorded = (name: string) => readFacts(at(name))?.forgetting;
const adapter = (name: string) => readFileSync(join(at(name), 'adapter_model.safetensors'));

await run('first', texts);
await run('drawn', pictures);
/** Nothing is learned. */
const still = { learning_rate: 1e-30, optimizer: 'sgd', weight_decay: 0 };
const onAll = { ...texts, train_data_dir: at('all.jsonl'), continue_from: at('first') };

test('old and new texts are measured before and after, and run.json keeps it', async () => {
  const { forgetting } = await run('new', { ...onAll, continue_data: 'new' });
  const [begun, ended] = forgetting;
  assert.deepEqual([forgetting.length, begun.step, ended.step], [2, 0, 4]);
  assert.deepEqual(
    [ended.old?.samples, ended.old?.of, ended.old?.trained],
    [4, 8, false],
    'none of the old ones is trained',
  );
  assert.deepEqual([ended.new?.samples, ended.new?.of, ended.new?.trained], [4, 4, true]);
  assert.equal(begun.old?.before, ended.old?.before);
  assert.notEqual(ended.old?.after, ended.old?.before);
  assert.equal(ended.new?.change, 'lower');
  const facts = recorded('new');
  assert.equal(facts?.old?.after, ended.old?.after);
  assert.equal(facts?.headline, ended.headline);
});

test('of old and new together the trained ones are measured, and named as such; of rehearsed ones the others', async () => {
  const mixed = (await run('mixed', onAll)).forgetting[1];
  assert.deepEqual([mixed.old?.of, mixed.old?.trained, mixed.new?.trained], [8, true, true]);
  assert.match(
    mixed.reasons[0],
    /Old: 4 of 8 sequences .*, trained in this run, as none were held/,
  );
  const rehearsed = (await run('rehearsed', { ...onAll, continue_data: 'rehearse 50 %' }))
    .forgetting[1];
  assert.deepEqual([rehearsed.old?.of, rehearsed.old?.trained], [4, false]);
});

test('a validation split holds back of the old and of the new, and these are measured', async () => {
  const split = await run('split', { ...onAll, validation_split: 0.25 });
  const [, { old, new: fresh }] = split.forgetting;
  assert.deepEqual([old?.of, old?.trained, fresh?.of, fresh?.trained], [2, false, 1, false]);
  assert.ok(split.validations > 0);
});

test('where there are plenty, a tenth of each is held back unless the user says otherwise', async () => {
  writeFileSync(at('many-old.jsonl'), samples(0, 20));
  writeFileSync(at('many.jsonl'), samples(0, 60));
  await run('many-first', { ...texts, train_data_dir: at('many-old.jsonl') });
  const many = { ...texts, train_data_dir: at('many.jsonl'), continue_from: at('many-first') };
  const { forgetting, warnings, validations } = await run('many', many);
  const [{ old, new: fresh }] = forgetting;
  assert.deepEqual([old?.of, old?.trained, fresh?.of, fresh?.trained], [2, false, 4, false]);
  assert.match(warnings, /validation_split: .*6 of 60 sequences are not trained, to measure/);
  assert.equal(validations, 0);
  const all = await run('many-all', { ...many, validation_split: 0 });
  assert.deepEqual(
    [all.forgetting[0].old?.trained, /are not trained/.test(all.warnings)],
    [true, false],
  );
});

test('a run that learns nothing finds the same losses after as before, to the last bit', async () => {
  for (const [name, settings] of [
    ['still', { ...onAll, ...still, continue_data: 'new' }],
    ['still-drawn', { ...pictures, ...still, continue_from: at('drawn') }],
  ] as const) {
    const [, { old, headline }] = (await run(name, settings)).forgetting;
    assert.equal(old?.after, old?.before);
    assert.match(headline, /Nothing of the old was forgotten: the loss on it is about what it was/);
  }
});

test('what was measured before survives interruptions; the end is that of a run without', async () => {
  const settings = { ...texts, train_data_dir: at('fresh.jsonl'), continue_from: at('first') };
  await run('whole', settings);
  await run('cut', settings, 2);
  renameSync(at('first'), at('moved'));
  const { forgetting, warnings } = await run('cut', settings);
  renameSync(at('moved'), at('first'));
  assert.deepEqual(
    forgetting.map(({ step }) => step),
    [4],
  );
  assert.deepEqual(recorded('cut'), recorded('whole'));
  assert.deepEqual(adapter('cut'), adapter('whole'));
  assert.equal(recorded('cut')?.old?.samples, 4);
  assert.doesNotMatch(warnings, /was added|were added/);
});

test('a run of new samples that goes on does not take the old ones beside them for added', async () => {
  for (const continue_data of ['new', 'rehearse 40 %']) {
    const settings = { ...onAll, continue_data, output_dir: at('again') };
    await run('again', settings, 1);
    assert.doesNotMatch((await run('again', settings)).warnings, /added|gone|changed/);
    rmSync(at('again'), { recursive: true });
  }
});

test('measuring changes no bit of the training', async () => {
  cpSync(join(at('first'), 'adapter_model.safetensors'), at('alone/adapter_model.safetensors'));
  cpSync(join(at('first'), 'adapter_config.json'), at('alone/adapter_config.json'));
  const { forgetting } = await run('unknown', { ...onAll, continue_from: at('alone') });
  await run('known', { ...onAll, continue_data: 'mixed' });
  assert.deepEqual(adapter('unknown'), adapter('known'));
  assert.equal(forgetting[1].old, undefined);
  assert.match(forgetting[1].headline, /What was forgotten is not known; the new was learned/);
  assert.match(forgetting[1].reasons[0], /nothing says what the adapter was trained on/);
});

test('old pictures are found where the earlier run had them; what is gone or changed is said', async () => {
  const old = [64, 64] as const;
  await writePictures(at('there'), [old, old, old]);
  await writePictures(at('here'), [[96, 64]]);
  await run('there-run', { ...pictures, train_data_dir: at('there') });
  const settings = { ...pictures, train_data_dir: at('here'), continue_from: at('there-run') };
  const found = await run('found', settings);
  assert.deepEqual([found.forgetting[1].old?.of, found.forgetting[1].old?.trained], [3, false]);
  assert.equal(found.warnings.includes('gone'), false);
  const names =
    (readFacts(at('there-run')), readFileSync(join(at('there-run'), 'data.json'), 'utf8'));
  const [first, second] = [...names.matchAll(/"name":"([^"]+)"/g)].map(([, name]) => name);
  rmSync(join(at('there'), first));
  appendFileSync(join(at('there'), second), 'x');
  const less = await run('less', settings);
  assert.match(
    less.warnings,
    /of the 3 pictures that the earlier run was trained on, 2 are gone or changed: .*\(changed\)/,
  );
  assert.equal(less.forgetting[1].old?.of, 1);
  rmSync(at('there'), { recursive: true });
  const none = await run('none', settings);
  assert.match(none.warnings, /3 are gone or changed: .*What this run forgets of them cannot be/);
  assert.match(none.forgetting[1].headline, /What was forgotten is not known/);
});

test('there is nothing to rehearse where the old data are not there', async () => {
  const settings = { ...texts, train_data_dir: at('fresh.jsonl'), continue_from: at('first') };
  await assert.rejects(
    run('nothing', { ...settings, continue_data: 'rehearse 20 %' }),
    /continue_data: rehearse 20 % has nothing to rehearse: none of the 8 samples .* is in the data/,
  );
  const { warnings } = await run('few', { ...onAll, continue_data: 'rehearse 90 %' });
  assert.match(warnings, /rehearse 90 % would take 36 of the earlier data, and there are only 8/);
  assert.match((await run('apart', settings)).warnings, /all 4 samples are new: none of the 8/);
});

test('the words say what the losses say', async () => {
  const losses = (values: readonly number[]) => values.map((loss, number) => ({ number, loss }));
  const twelve = (value: number) => losses(Array<number>(12).fill(value));
  const said = async (continueData: string, before: BothLosses, now: BothLosses) => {
    const list = (kind: 'old' | 'new') =>
      (before[kind] ?? []).map(({ number }) => ({ key: `${number}`, number, of: number }));
    const set = (kind: 'old' | 'new') => ({ samples: list(kind), of: 30, trained: false });
    const sets = { old: set('old'), new: set('new') };
    const sampleName = 'picture';
    const one = new Forgetting({ sets, sampleName, continueData, isUnknown: false });
    const events: ForgettingEvent[] = [];
    for (const [step, found] of [
      [0, before],
      [9, now],
    ] as const)
      for await (const event of one.measured(step, async function* () {
        return found;
      }))
        if (event.type === 'forgetting') events.push(event);
    return [events[1].headline, ...events[1].reasons].join('\n');
  };
  assert.match(
    await said('new', { old: twelve(1), new: twelve(1) }, { old: twelve(1.2), new: twelve(0.5) }),
    /^Some of the old was forgotten: the loss on it rose by 20 %; the new was learned\nOld: 12 of 30 pictures that an earlier run was trained on, not trained in this run: loss 1\.000 before, 1\.200 after: 20 % higher\.\nNew: .*50 % lower\.\nTo forget less: continue_data: rehearse 20 %, fewer steps, or a lower learning_rate\.$/,
  );
  assert.match(
    await said('mixed', { old: twelve(1), new: twelve(1) }, { old: twelve(1.5), new: twelve(1) }),
    /nothing of the new was learned[^]*the same\.[^]*To forget less: fewer steps/,
  );
  assert.match(
    await said('mixed', { old: losses([1, 1]), new: [] }, { old: losses([1.02]), new: [] }),
    /^Nothing of the old was forgotten: the loss on it is about what it was\nOld: 1 of 30 .*2\.0 % higher, which may be chance\.$/,
  );
});
