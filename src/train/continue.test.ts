// A new run that goes on from the adapter of another, or of another trainer.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadedModules } from '../adapter-files/adapter-file.ts';
import { openAdapter } from '../adapter-files/open-adapter.ts';
import { loraDelta } from './testing/lora-delta.ts';
import { parseConfig } from '../config/load.ts';
import { heldOutSet } from '../eval/held-out.ts';
import { readFacts } from '../runs/facts.ts';
import { foundData } from '../runs/samples.ts';
import { chatTemplate } from '../tokenizer/chat.ts';
import { readTextTokenizer } from '../tokenizer/text.ts';
import type { TrainEvent } from './events.ts';
import { train } from './run.ts';
import { writePictures, writeSmallBase } from './testing/small-base.ts';
import { smallLlama, writeSmallLanguageModel } from './testing/small-language-model.ts';

const root = mkdtempSync(join(tmpdir(), 'continue-'));
after(() => rmSync(root, { recursive: true, force: true }));
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');
const at = (name: string) => join(root, name);
writeSmallLanguageModel(at('llm'));
writeSmallBase(at('sd'));
await writePictures(at('pictures'), [
  [64, 64],
  [64, 64],
]);
const sample = (n: number) =>
  `${JSON.stringify({
    messages: [
      { role: 'user', content: `where is hat ${n}?` },
      { role: 'assistant', content: `hat ${n} is on the way.` },
    ],
  })}\n`;
const old = [0, 1, 2, 3, 4, 5, 6, 7].map(sample);
const fresh = [8, 9, 10, 11].map(sample);
writeFileSync(at('old.jsonl'), old.join(''));
writeFileSync(at('all.jsonl'), [...old, ...fresh].join(''));

const texts = {
  task_type: 'text-generation',
  base_model: at('llm'),
  train_data_dir: at('old.jsonl'),
  ...{ lora_rank: 4, lora_alpha: 2, rank_pattern: { down_proj: 2 }, alpha_pattern: { up_proj: 3 } },
  ...{ max_train_steps: 3, learning_rate: 1e-2, max_seq_length: 96, num_threads: 1 },
  save_precision: 'float32',
};
const pictures = {
  base_model: at('sd'),
  train_data_dir: at('pictures'),
  ...{ lora_rank: 4, lora_alpha: 3, conv_rank: 2, conv_alpha: 1, bucket_reso_steps: 32 },
  ...{ max_train_steps: 2, learning_rate: 1e-2, num_threads: 1, save_precision: 'float32' },
};

async function run(name: string, settings: object) {
  const events: TrainEvent[] = [];
  for await (const event of train(parseConfig({ output_dir: at(name), ...settings })))
    events.push(event);
  const told = events.flatMap((event) => (event.type === 'warning' ? [event.problem] : []));
  const [plan] = events.flatMap((event) => (event.type === 'plan' ? [event] : []));
  return {
    plan,
    warnings: told.map(({ where, what, fix }) => `${where}: ${what}. ${fix ?? ''}`).join('\n'),
  };
}

/** scale · B A of each layer, in float64. */
const deltas = (path: string) => {
  const { modules } = openAdapter(path);
  return new Map(
    loadedModules(path, modules).map((weights, i) => [
      weights.path,
      loraDelta(weights.down, weights.up, modules[i].scale),
    ]),
  );
};

/** The largest difference of two adapters, in parts of the largest value. */
function farthest(a: string, b: string): number {
  const [one, other] = [deltas(a), deltas(b)];
  assert.deepEqual([...one.keys()].sort(), [...other.keys()].sort());
  let [most, largest] = [0, 0];
  for (const [path, values] of one)
    values.forEach((value, i) => {
      largest = Math.max(largest, Math.abs(value));
      most = Math.max(most, Math.abs(value - (other.get(path)?.[i] ?? NaN)));
    });
  return most / largest;
}

const readData = (name: string) => foundData(at(name))?.value ?? assert.fail(name);

await run('first', texts);
await run('drawn', pictures);
/** Nothing is learned: what comes out is what went in. */
const still = { learning_rate: 1e-30, max_train_steps: 1, optimizer: 'sgd', weight_decay: 0 };

test('texts: ranks and alphas come from the adapter, layer by layer; its effect is kept', async () => {
  const settings = {
    ...texts,
    ...still,
    lora_rank: 8,
    lora_alpha: 16,
    rank_pattern: {},
    alpha_pattern: {},
  };
  const { warnings } = await run('second', { ...settings, continue_from: at('first') });
  assert.ok(farthest(at('first'), at('second')) < 1e-6);
  assert.match(
    warnings,
    /continue_from: .* other ranks or alphas than the configuration for \d+ layers/,
  );
  const { parent, id } = readFacts(at('second')) ?? {};
  assert.equal(parent?.run, readFacts(at('first'))?.id);
  assert.equal(parent?.step, 3);
  assert.notEqual(parent?.run, undefined);
  assert.notEqual(id, undefined);
});

test('rsLoRA on either side keeps the effect', async () => {
  await run('rs', { ...texts, use_rslora: true });
  await run('rs-2', { ...texts, ...still, continue_from: at('rs') });
  await run('rs-3', { ...texts, ...still, use_rslora: true, continue_from: at('first') });
  assert.ok(farthest(at('rs'), at('rs-2')) < 1e-6);
  assert.ok(farthest(at('first'), at('rs-3')) < 1e-6);
});

test('pictures: a file with convolutions, which the configuration does not ask for, keeps its effect', async () => {
  const settings = { ...pictures, ...still, lora_rank: 8, lora_alpha: 1, conv_rank: 0 };
  const { warnings } = await run('drawn-2', {
    ...settings,
    continue_from: at('drawn/drawn.safetensors'),
  });
  assert.ok(farthest(at('drawn/drawn.safetensors'), at('drawn-2/drawn-2.safetensors')) < 1e-6);
  assert.match(warnings, /besides what the configuration asks for, adapters for \d+ layers/);
});

test('layers that the adapter lacks begin at zero, and are told', async () => {
  const unet = { ...pictures, train_text_encoder: false, conv_rank: 0 };
  await run('unet', unet);
  const { warnings } = await run('both', {
    ...pictures,
    ...still,
    conv_rank: 0,
    continue_from: at('unet'),
  });
  assert.match(warnings, /has no adapter for \d+ layers: text_encoder\..*They begin at zero/);
  const before = deltas(at('unet/unet.safetensors'));
  for (const [path, values] of deltas(at('both/both.safetensors')))
    if (!before.has(path))
      assert.ok(
        values.every((value) => Math.abs(value) < 1e-20),
        path,
      );
  await assert.rejects(
    run('no-text', { ...unet, continue_from: at('both') }),
    /layers? of the text encoder, which this run does not train/,
  );
});

test('an adapter of another model is refused by name; so is what is no adapter', async () => {
  const wide = { ...smallLlama, hidden_size: 64, intermediate_size: 96 };
  writeSmallLanguageModel(at('wide'), { config: wide });
  await assert.rejects(
    run('refused', { ...texts, base_model: at('wide'), continue_from: at('first') }),
    /continue_from: .*does not fit the base model in \d+ layers: .* is for a layer of .*×.*; the base model's is/,
  );
  for (const [from, message] of [
    [
      at('drawn/drawn.safetensors'),
      /continue_from: .*an adapter for pictures, and the run trains a language model/,
    ],
    [at('nothing'), /continue_from: .*there is no such/],
    [at('old.jsonl'), /continue_from: /],
  ] as const)
    await assert.rejects(run('refused', { ...texts, continue_from: from }), message);
});

test('new, mixed, or new with a share of the old: what is seen is said', async () => {
  const all = { ...texts, ...still, train_data_dir: at('all.jsonl'), continue_from: at('first') };
  const seen = async (continue_data: string) =>
    (await run(`seen-${continue_data.replace(/\W/g, '')}`, { ...all, continue_data })).plan.samples;
  assert.deepEqual(
    [
      await seen('mixed'),
      await seen('new'),
      await seen('rehearse 50 %'),
      await seen('rehearse 20%'),
    ],
    [12, 4, 8, 5],
  );
  const { warnings } = await run('said', { ...all, continue_data: 'rehearse 20 %' });
  assert.match(
    warnings,
    /4 samples of 12 are new; 1 of the 8 that were trained before is trained again/,
  );
  await assert.rejects(
    run('nothing-new', { ...all, train_data_dir: at('old.jsonl'), continue_data: 'new' }),
    /continue_data: there is nothing new: all 8 samples were in the data of the run/,
  );
  await assert.rejects(
    run('unknown', { ...pictures, continue_from: at('first'), continue_data: 'sometimes' }),
    /continue_data: .*expected new, mixed, or rehearse/,
  );
});

test('samples that the earlier run only held back are neither old nor new, and runs of earlier versions do not say', async () => {
  const first = { ...texts, train_data_dir: at('old.jsonl'), validation_split: 0.25 };
  await run('held', first);
  const held = readData('held').samples.filter((one) => one.heldOut === true);
  assert.equal(held.length, 2);
  const all = { ...texts, ...still, train_data_dir: at('all.jsonl'), continue_from: at('held') };
  const told = async (continue_data: string) => {
    const name = `beside-${continue_data.replace(/\W/g, '')}`;
    const { plan, warnings } = await run(name, { ...all, continue_data });
    return [plan.samples, /\d+ samples? of [^\n.]*/.exec(warnings)?.[0]];
  };
  assert.deepEqual(await told('new'), [
    4,
    '4 samples of 12 are new; 0 of the 6 that were trained before are trained again; 2 that were held back then are not trained',
  ]);
  assert.deepEqual(await told('rehearse 50 %'), [
    8,
    '4 samples of 12 are new; 4 of the 6 that were trained before are trained again; 2 that were held back then are not trained',
  ]);
  assert.deepEqual(await told('mixed'), [
    12,
    '4 samples of 12 are new; 6 of the 6 that were trained before are trained again; 2 that were held back then count as not trained before',
  ]);
  const unsaid = readData('held').samples.map(({ heldOut: _, ...one }) => one);
  for (const name of ['data.json', 'state/data.copy.json'])
    writeFileSync(join(at('held'), name), JSON.stringify({ samples: unsaid }));
  assert.match(String((await told('new'))[1]), /0 of the 8 that were trained before/);
});

test('what a run before the earlier one was trained on is not new in the third', async () => {
  const [old, all] = [at('old.jsonl'), at('all.jsonl')];
  const added = at('added.jsonl');
  writeFileSync(added, readFileSync(all, 'utf8').split('\n').slice(8).join('\n'));
  const more = at('more.jsonl');
  writeFileSync(more, readFileSync(all, 'utf8') + sample(12));
  await run('one', { ...texts, train_data_dir: old });
  for (const [i, data] of [all, added].entries()) {
    const second = { ...texts, train_data_dir: data, continue_data: 'new' };
    await run(`two-${i}`, { ...second, continue_from: at('one') });
    const third = { ...texts, ...still, train_data_dir: more, continue_data: 'new' };
    const { warnings, plan } = await run(`three-${i}`, { ...third, continue_from: at(`two-${i}`) });
    assert.match(warnings, /1 sample of 13 is new; 0 of the 12 that were trained before/);
    assert.doesNotMatch(warnings, /gone/);
    assert.equal(plan.samples, 1);
  }
});

test('lora eval asks what the run held back, also where continue_data left out some or data came since', async () => {
  const tokenizer = readTextTokenizer(at('llm'));
  const format = { tokenizer, template: chatTemplate(tokenizer, undefined), maxSeqLength: 96 };
  const [data, grown] = [at('all.jsonl'), at('grown.jsonl')];
  writeFileSync(grown, [20, 21, 22].map(sample).join('') + readFileSync(data, 'utf8'));
  for (const continue_data of ['new', 'mixed', 'rehearse 50 %']) {
    const name = `asked-${continue_data.replace(/\W/g, '')}`;
    const settings = { ...texts, continue_from: at('first'), continue_data, validation_split: 0.5 };
    await run(name, { ...settings, train_data_dir: data });
    const held = readData(name).samples.filter((one) => one.heldOut === true);
    assert.ok(held.length >= 2);
    for (const path of [data, grown])
      for (const adapter of [at(name), join(at(name), 'adapter_model.safetensors')]) {
        const asked = { sources: [{ path }], share: 0.5, seed: 42, adapter };
        const { questions } = await heldOutSet(asked, format);
        const lines = questions.map(({ expected }) => /hat \d+/.exec(expected ?? '')?.[0]);
        const there = readFileSync(data, 'utf8').split('\n');
        const wanted = held.map(
          ({ name: place }) => /hat \d+/.exec(there[Number(place.split(':')[1]) - 1])?.[0],
        );
        assert.deepEqual(lines, wanted);
      }
  }
  const strange = { sources: [{ path: at('strange.jsonl') }], share: 0.5, seed: 42 };
  writeFileSync(at('strange.jsonl'), [30, 31].map(sample).join(''));
  await assert.rejects(heldOutSet({ ...strange, adapter: at('asked-new') }, format), /./);
});

test('a run that went on from an adapter survives an interruption without that adapter', async () => {
  const settings = { ...texts, max_train_steps: 4, continue_from: at('second') };
  await run('whole', settings);
  const stopping = new AbortController();
  const job = parseConfig({ output_dir: at('cut'), ...settings });
  for await (const event of train(job, { signal: stopping.signal }))
    if (event.type === 'step' && event.step === 2) stopping.abort();
  rmSync(at('second'), { recursive: true });
  await run('cut', settings);
  const bytes = (name: string) => readFileSync(join(at(name), 'adapter_model.safetensors'));
  assert.deepEqual(bytes('cut'), bytes('whole'));
});

test('such a run goes on with its own ranks where another backend computes it than before', async () => {
  const settings = { ...texts, max_train_steps: 4, lora_rank: 8, continue_from: at('first') };
  const stopping = new AbortController();
  const job = parseConfig({ output_dir: at('moved'), ...settings });
  for await (const event of train(job, { signal: stopping.signal }))
    if (event.type === 'step' && event.step === 2) stopping.abort();
  const path = join(at('moved'), 'run.json');
  const facts = JSON.parse(readFileSync(path, 'utf8')) as object;
  writeFileSync(path, JSON.stringify({ ...facts, device: 'webgpu' }));
  const { plan, warnings } = await run('moved', { ...settings, device: 'cpu' });
  assert.equal(plan.firstStep, 2);
  assert.match(warnings, /something else computes the run .*device: cpu, before webgpu/);
});
