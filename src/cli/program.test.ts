import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { ConfigError, UserError } from '../errors.ts';
import type { Command } from './command.ts';
import { commands } from './commands.ts';
import { createProgram } from './program.ts';
import { report } from './report.ts';

/** Parses `line` against the real table, and tells what `lora train` was given. */
async function given(line: string): Promise<Readonly<Record<string, unknown>>> {
  let values: Readonly<Record<string, unknown>> = {};
  const spied = commands.map((command): Command => ({
    ...command,
    run: (found) => ((values = found), 0),
  }));
  const program = createProgram(spied, '1.2.3', () => {});
  await program.parseAsync(line.split(' '), { from: 'user' });
  return values;
}

test('flags arrive under the keys of the configuration', async () => {
  const line =
    'train --config a.yaml --learning-rate 2e-4 --train-text-encoder false --enable-bucket --sample-prompts a --sample-prompts b';
  assert.deepEqual(await given(line), {
    config: 'a.yaml',
    learning_rate: '2e-4',
    train_text_encoder: 'false',
    enable_bucket: true,
    sample_prompts: ['a', 'b'],
  });
});

for (const [line, problem] of [
  ['train -c a --lora-rank 4 --lora-rank 5', '--lora-rank: is given twice, as 4 and as 5'],
  ['train -c a --config b', '--config: is given twice, as a and as b'],
  [
    'train -c a --resolution 512 --resolution 256',
    '--resolution: is given twice, as 512 and as 256',
  ],
  ['train -c a --betas 0.9,0.99 --betas 0.8,0.9', '--betas: is given twice'],
  ['train -c a --rank-pattern q_proj=2 --rank-pattern v_proj=3', '--rank-pattern: is given twice'],
  ['train -c a --enable-bucket --enable-bucket false', 'is given twice, as true and as false'],
  ['train -c a --enable-bucket false --enable-bucket', 'is given twice, as false and as true'],
  ['merge a --output b -o c', '--output: is given twice, as b and as c'],
] as const) {
  test(`a flag with two values is refused: ${line}`, async () => {
    await assert.rejects(
      given(line),
      (error: unknown) => error instanceof UserError && error.message.includes(problem),
      problem,
    );
  });
}

test('a flag may repeat what it said, and lists may have several values', async () => {
  const line =
    'train -c a --lora-rank 4 --lora-rank 4 --target-modules q --target-modules v --resolution 64,32';
  assert.deepEqual(await given(line), {
    config: 'a',
    lora_rank: '4',
    target_modules: ['q', 'v'],
    resolution: '64,32',
  });
});

test('what the user can correct is reported without a stack; a fault of ours with one', () => {
  const theirs = report(
    new ConfigError([
      { where: 'a.yaml:3 epocs', what: 'there is no such key', fix: 'Did you mean epochs?' },
    ]),
  );
  assert.equal(theirs.exitCode, 1);
  assert.equal(
    stripVTControlCharacters(theirs.text),
    'The configuration cannot be used\n  a.yaml:3 epocs: there is no such key\n      Did you mean epochs?\n',
  );
  const ours = report(new TypeError('x'));
  assert.equal(ours.exitCode, 70);
  assert.match(ours.text, /TypeError: x\n {4}at [\s\S]*This is a bug/);
});

test('the program itself: help, version, exit codes, a closed pipe', () => {
  const main = ['--import', 'tsx', 'src/cli/main.ts'];
  const lora = (...args: string[]) =>
    spawnSync(process.execPath, [...main, ...args], { encoding: 'utf8' });
  assert.match(lora('--version').stdout, /^\d+\.\d+\.\d+\n$/);
  assert.match(lora('train', '--help').stdout, /--learning-rate <number>/);
  const missing = lora('train', '--config', 'nowhere.yaml');
  assert.equal(missing.status, 1);
  assert.equal(
    stripVTControlCharacters(missing.stderr),
    'The configuration cannot be used\n  nowhere.yaml: there is no such file\n      Examples are in configs/.\n',
  );
  const pipe = spawnSync(
    'sh',
    ['-c', `"${process.execPath}" ${main.join(' ')} config schema | head -1`],
    { encoding: 'utf8' },
  );
  assert.equal(pipe.stdout, '{\n');
  assert.equal(pipe.stderr, '');
});

test('the help of lora train is wrapped, and not cut by the terminal, in 80 columns', () => {
  const program = createProgram(commands, '1.2.3', () => {});
  const train = program.commands.find((command) => command.name() === 'train');
  assert.ok(train);
  let text = '';
  train.configureOutput({ getOutHelpWidth: () => 80, writeOut: (part) => (text += part) });
  train.outputHelp();
  assert.match(text, /--learning-rate/);
  const [usage] = text.split('\nExamples:'); // commands are not wrapped
  for (const line of usage.split('\n')) assert.ok(line.length <= 80, line);
});

test('the file of a run without --config is answered with the help of lora train and an example', async () => {
  let text = '';
  const program = createProgram(commands, '1.2.3', () => {});
  for (const command of program.commands)
    command.exitOverride().configureOutput({ writeErr: (part) => (text += part) });
  await assert.rejects(program.parseAsync(['train', 'configs/brand_lora.yaml'], { from: 'user' }));
  assert.match(
    text,
    /--config <file>' not specified\n\n?\(lora train --help lists its options; an example: lora train --config configs\/brand_lora\.yaml\)/,
  );
});
