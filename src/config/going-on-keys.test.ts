// The keys with which other trainers go on: understood, or refused with what does the same here.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from './load.ts';
import { file, good, problemsOf, text, yaml } from './load.test-util.ts';
import { otherTrainersKey } from './suggest-key.ts';

const ofPictures = [
  ['network_weights', /Here it is called continue_from: it begins a new run/],
  ['lora_network_weights', /continue_from/],
  ['pretrained_lora_path', /continue_from/],
  ['init_from_existing', /continue_from/],
  ['init_lora', /continue_from/],
  ['resume', /the same command goes on .* --resume RUN names another run.* continue_from/],
  ['resume_from_checkpoint', /--resume RUN/],
  ['continue_last_backup', /--resume RUN/],
  ['auto_resume', /--resume RUN/],
  ['initial_step', /knows its step/],
  ['initial_epoch', /knows its step/],
  ['start_step', /knows its step/],
  ['skip_until_initial_step', /keeps its place in the data/],
  ['dim_from_weights', /the ranks of that adapter/],
  ['save_state', /the state is saved by itself.* save_minutes/],
  ['checkpoint_every_n_minutes', /save_minutes/],
  ['save_total_limit', /lora runs prune RUN --keep N/],
  ['checkpoints_total_limit', /lora runs prune/],
  ['max_step_saves_to_keep', /lora runs prune/],
  ['save_last_n_steps', /lora runs prune/],
  ['overwrite_output_dir', /--fresh/],
  ['base_weights', /lora merge/],
  ['early_stopping_patience', /stop_when_overfit/],
  ['steps', /max_train_steps/],
] as const;

for (const [key, remedy] of ofPictures)
  test(`pictures: ${key} is refused with what does the same here`, () => {
    for (const value of ['x', "''"]) {
      const [problem, ...others] = problemsOf(yaml({ ...good, [key]: value }));
      assert.equal(others.length, 0);
      assert.match(problem, new RegExp(`:\\d+ ${key}: there is no such key`));
      assert.match(problem, remedy);
    }
  });

test('as a flag such a key is answered with our flag', () => {
  const asFlag = (key: string) => otherTrainersKey(key, (ours) => `--${ours.replaceAll('_', '-')}`);
  assert.match(asFlag('network-weights') ?? '', /called --continue-from/);
  assert.match(asFlag('resume_from_checkpoint') ?? '', /--resume RUN/);
  assert.equal(asFlag('no_such_thing'), undefined);
});

const texts = { ...text, train_data_dir: './faq.jsonl' };
const loaded = (values: object) => loadConfig(file(yaml({ ...texts, ...values })));
const notes = (values: object) =>
  loaded(values).warnings.map(({ where, what, fix }) => `${where}: ${what} ${fix ?? ''}`);

test('texts: the adapter that axolotl, LLaMA-Factory and mlx-lm go on from is understood', () => {
  for (const key of ['lora_model_dir', 'adapter_name_or_path', 'resume_adapter_file'])
    assert.equal(loaded({ [key]: './adapter' }).config.continue_from, './adapter');
  for (const empty of ["''", 'null', 'none', 'false'])
    assert.equal(loaded({ lora_model_dir: empty }).config.continue_from, undefined);
  assert.match(
    problemsOf(yaml({ ...texts, adapter_name_or_path: './a,./b' }))[0],
    /adapter_name_or_path: names several adapters; a run can go on from one[^]*lora merge/,
  );
  assert.match(
    problemsOf(yaml({ ...texts, lora_model_dir: './a', continue_from: './b' }))[0],
    /lora_model_dir: means the same as continue_from, which is there too/,
  );
});

test('texts: to go on with the newest state is what happens anyway; another place is refused', () => {
  for (const value of ['true', 'latest', 'auto', "''", text.output_dir])
    assert.deepEqual(notes({ resume_from_checkpoint: value }), [], value);
  assert.match(
    problemsOf(yaml({ ...texts, resume_from_checkpoint: './other/checkpoint-400' }))[0],
    /resume_from_checkpoint: a run that is to go on is not named in this file[^]*--resume RUN[^]*continue_from/,
  );
  assert.match(
    notes({ auto_resume_from_checkpoints: 'false' })[0],
    /goes on all the same.*--fresh/,
  );
});

test('texts: what is otherwise here is told with what to do', () => {
  const told = (key: string, value: unknown) => notes({ [key]: value }).join('\n');
  assert.match(told('overwrite_output_dir', true), /goes on all the same.*--fresh/);
  assert.match(told('save_total_limit', 3), /no adapter is removed by itself.*lora runs prune/);
  assert.match(told('early_stopping_patience', 3), /stop_when_overfit/);
  assert.match(told('load_best_model_at_end', true), /RUN@best/);
  assert.equal(told('overwrite_output_dir', false), '');
  assert.match(problemsOf(yaml({ ...texts, initial_step: 500 }))[0], /initial_step: .*itself/);
  assert.match(problemsOf(yaml({ ...texts, reset_optimizer: true }))[0], /continue_from/);
  const both = { create_new_adapter: true, adapter_name_or_path: './a' };
  assert.match(problemsOf(yaml({ ...texts, ...both }))[0], /a new adapter on top of another/);
});
