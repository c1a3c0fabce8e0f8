import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../errors.ts';
import { parseConfig } from './load.ts';

const settings = {
  image: { base_model: '.', train_data_dir: '.', output_dir: './out' },
  'text-generation': {
    task_type: 'text-generation',
    base_model: '.',
    train_data_dir: '.',
    output_dir: './out',
  },
};

for (const [task, given] of Object.entries(settings)) {
  const ofOptimiser = (optimizer: string) => {
    const { config, warnings } = parseConfig({ ...given, optimizer });
    const told = warnings.filter(({ where }) => where === 'optimizer').map(({ what }) => what);
    return [config.optimizer, ...told];
  };

  test(`${task}: names of other trainers that are the same optimiser are taken as they are`, () => {
    for (const name of ['adamw', 'AdamW', 'adamw_torch', 'adamw_torch_fused', 'adamw_hf'])
      assert.deepEqual(ofOptimiser(name), ['adamw'], name);
    for (const name of ['SGDNesterov', 'sgd-nesterov'])
      assert.deepEqual(ofOptimiser(name), ['sgd_nesterov'], name);
    assert.deepEqual(ofOptimiser('SGD'), ['sgd']);
  });

  test(`${task}: an optimiser that saves memory elsewhere is told what runs instead`, () => {
    for (const [name, ours] of [
      ['AdamW8bit', 'adamw'],
      ['PagedAdamW8bit', 'adamw'],
      ['PagedAdamW32bit', 'adamw'],
      ['adamw_bnb_8bit', 'adamw'],
      ['ao_adamw_4bit', 'adamw'],
      ['SGDNesterov8bit', 'sgd_nesterov'],
    ])
      assert.deepEqual(ofOptimiser(name), [
        ours,
        `${name} is not supported: ${ours} runs instead, with its state in float32`,
      ]);
  });

  test(`${task}: an optimiser that is not there is refused with those that are`, () => {
    for (const name of ['Lion', 'Prodigy', 'AdaFactor', 'DAdaptAdam', 'constructor', 'adamw9'])
      assert.throws(
        () => parseConfig({ ...given, optimizer: name }),
        (error) =>
          error instanceof ConfigError &&
          error.problems.some(
            ({ where, what }) =>
              where === 'optimizer' && /^expected one of adamw, sgd, sgd_nesterov/.test(what),
          ),
        name,
      );
  });
}

test('decay and momentum that are not given are those of the optimiser', () => {
  const of = (given: object) => {
    const { weight_decay, momentum } = parseConfig({ ...settings.image, ...given }).config;
    return { weight_decay, momentum };
  };
  assert.deepEqual(of({}), { weight_decay: 0.01, momentum: 0 });
  assert.deepEqual(of({ optimizer: 'sgd' }), { weight_decay: 0, momentum: 0 });
  assert.deepEqual(of({ optimizer: 'SGDNesterov' }), { weight_decay: 0, momentum: 0.9 });
  const both = { weight_decay: 0.2, momentum: 0.5 };
  assert.deepEqual(of({ optimizer: 'sgd_nesterov', ...both }), both);
});
