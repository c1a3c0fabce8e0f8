import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ConfigError } from '../errors.ts';
import { loadConfig, parseConfig } from './load.ts';

const root = mkdtempSync(join(tmpdir(), 'lora-paths-'));
after(() => rmSync(root, { recursive: true }));
mkdirSync(join(root, 'pictures'));
mkdirSync(join(root, 'base'));
writeFileSync(join(root, 'faq.jsonl'), '');

const good = { train_data_dir: join(root, 'pictures'), base_model: join(root, 'base') };
const text = {
  task_type: 'text-generation',
  train_data_dir: join(root, 'faq.jsonl'),
  base_model: join(root, 'base'),
};
const at = (name: string) => join(root, name);
const load = (values: object) => parseConfig({ ...good, output_dir: at('out'), ...values });
const warningsOf = (values: object) =>
  load(values).warnings.map(({ where, what }) => `${where}: ${what}`);

function problemOf(values: object): string {
  try {
    load(values);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  return 'none';
}

test('an output_name with a blank at its end made a file that no other program opened', () => {
  for (const name of ['neon ', ' neon', 'neon.', 'neon .safetensors', 'neon.safetensors ']) {
    assert.equal(load({ output_name: name }).config.output_name, 'neon');
    assert.match(warningsOf({ output_name: name })[0], /^output_name: ".*" is used as "neon": /);
  }
  assert.deepEqual(warningsOf({ output_name: 'neon.safetensors' }), []);
});

test('output names that Windows, or a file system, does not take are refused', () => {
  for (const name of ['CON', 'con.safetensors', 'nul.txt', 'COM1', 'a:b', 'a\\b', 'a\nb', '..', ''])
    assert.match(problemOf({ output_name: name }), /^output_name: expected a file name; "/, name);
});

test('a name that is derived from output_dir obeys the rules of one that is written', () => {
  for (const dir of ['on:3', 'CON', 'x/aux', 'a?', 'a\u200bb', 'x'.repeat(300)])
    assert.match(problemOf({ output_dir: dir }), /^output_dir: "/, dir);
  assert.match(
    problemOf({ output_dir: 'x'.repeat(230) }),
    /would be the adapter's name, and is 230/,
  );
  mkdirSync(at('there: 3'));
  assert.match(
    problemOf({ output_dir: at('there: 3') }),
    /^output_dir: its last part, "there: 3", would be the adapter's name, and contains :.*\n.*output_name/,
  );
  assert.equal(
    load({ output_dir: at('there: 3'), output_name: 'x' }).config.output_dir,
    at('there: 3'),
  );
  mkdirSync(at('blank '));
  const { config, warnings } = load({ output_dir: at('blank ') });
  assert.deepEqual([config.output_dir, config.output_name], [at('blank '), 'blank']);
  assert.match(warnings[0].what, /"blank " is used as "blank"/);
});

test('an output_dir with blanks at its ends made another folder than the one that is seen', () => {
  for (const [dir, used] of [
    [' ./x', './x'],
    ['./x ', './x'],
    ['./x. /y', './x/y'],
    ['./x.', './x'],
  ]) {
    const { config, warnings } = load({ output_dir: dir });
    assert.deepEqual([config.output_dir, config.output_name], [used, used.slice(-1)]);
    assert.match(warnings[0].what, /is used as/);
  }
  assert.deepEqual(
    parseConfig({ ...text, output_dir: ' ./x ' }).warnings.map(({ where }) => where),
    ['output_dir'],
  );
  assert.match(
    problemOf({ ...text, output_dir: 'out/lpt1' }),
    /"lpt1", that is a name that Windows/,
  );
});

test('a path to read with blanks around it is the one without them, unless it is there', () => {
  const { config, warnings } = load({ train_data_dir: ` ${at('pictures')} ` });
  assert.equal(config.train_data_dir, at('pictures'));
  assert.match(warnings[0].what, /pictures " is used as/);
  mkdirSync(at('pictures '));
  assert.equal(load({ train_data_dir: at('pictures ') }).config.train_data_dir, at('pictures '));
  assert.deepEqual(warningsOf({ train_data_dir: at('pictures ') }), []);
});

test('paths are published as they were written, and used as they were found', () => {
  const home = process.env.HOME;
  process.env.HOME = root;
  after(() => (process.env.HOME = home));
  writeFileSync(
    at('run.yaml'),
    'task_type: text-generation\nbase_model: ~/base\ntrain_data: [./faq.jsonl, { path: ~/faq.jsonl, weight: 2 }]\noutput_dir: ~/out\neval_path: ./faq.jsonl\n',
  );
  const { config, published } = loadConfig(at('run.yaml'));
  assert.deepEqual(
    [config.base_model, config.output_dir, config.eval_path],
    [at('base'), at('out'), at('faq.jsonl')],
  );
  assert.deepEqual(
    [published.base_model, published.output_dir, published.train_data[0].path],
    ['~/base', '~/out', './faq.jsonl'],
  );
  assert.ok(!JSON.stringify(published).includes(root), JSON.stringify(published));
});
