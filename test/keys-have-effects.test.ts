// Every key of the configuration in whole runs, of pictures and of texts: another value shows where
// the table says, or is refused, or told as without effect; from a file and from the command line.

import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { after, test } from 'node:test';
import { openSafetensors, readFloat32 } from '../src/checkpoints/safetensors-file.ts';
import { createProgram } from '../src/cli/program.ts';
import { trainCommand } from '../src/cli/train.ts';
import { flagName } from '../src/config/flags.ts';
import { isOfTask, loadConfig, parseConfig, type LoadedConfig } from '../src/config/load.ts';
import { configJsonSchema, configKeys, type ConfigKey } from '../src/config/schema.ts';
import { ConfigError } from '../src/errors.ts';
import type { TrainEvent } from '../src/train/events.ts';
import { train } from '../src/train/run.ts';
import { writePictures, writeSmallBase } from '../src/train/testing/small-base.ts';
import { writeSmallLanguageModel } from '../src/train/testing/small-language-model.ts';
import { keysOf, type Settings, type Shown } from './keys.test-util.ts';

const root = mkdtempSync(join(tmpdir(), 'keys-'));
after(() => rmSync(root, { recursive: true, force: true }));

type Task = 'image' | 'text-generation';
const tasks: readonly Task[] = ['image', 'text-generation'];
const folderOf = (task: Task): string => join(root, task);

async function writeImageFiles(folder: string): Promise<void> {
  writeSmallBase(join(folder, 'base'), { tokens: 16 });
  writeSmallBase(join(folder, 'other-base'), { tokens: 16, dtype: 'float16' });
  await writePictures(join(folder, 'data'), [
    [64, 64],
    [64, 64],
  ]);
  await writePictures(join(folder, 'other-data'), [[64, 64]]);
  await writePictures(join(folder, 'shapes'), [
    [64, 64],
    [48, 48],
    [32, 128],
  ]);
  cpSync(join(folder, 'data'), join(folder, 'captioned'), { recursive: true });
  rmSync(join(folder, 'captioned', 'metadata.csv'));
  for (const i of [0, 1]) {
    writeFileSync(join(folder, 'captioned', `p${i}.txt`), 'cat');
    writeFileSync(join(folder, 'captioned', `p${i}.cap`), 'hat');
  }
  const table = readFileSync(join(folder, 'data', 'metadata.csv'), 'utf8');
  writeFileSync(join(folder, 'other.csv'), table.replaceAll('cat', 'dog'));
}

function writeTextFiles(folder: string): void {
  writeSmallLanguageModel(join(folder, 'base'));
  writeSmallLanguageModel(join(folder, 'other-base'), { dtype: 'float16' });
  const lines = (pairs: readonly (readonly [string, string])[]): string =>
    pairs.map(([prompt, completion]) => `${JSON.stringify({ prompt, completion })}\n`).join('');
  const write = (name: string, pairs: readonly (readonly [string, string])[]): void =>
    writeFileSync(join(folder, name), lines(pairs));
  const long = 'a cat in a hat, a dog on a log';
  mkdirSync(join(folder, 'data'));
  write('data/a.jsonl', [
    ['who', 'me'],
    ['a', long],
    ['why', 'so'],
    ['no', long],
    ['b', 'yes'],
  ]);
  write('other.jsonl', [
    ['what', 'that'],
    ['when', 'now'],
  ]);
  write('questions.jsonl', [['who', 'me']]);
  write('general.jsonl', [['sky', 'blue']]);
  mkdirSync(join(folder, 'other-data'));
  cpSync(join(folder, 'other.jsonl'), join(folder, 'other-data', 'other.jsonl'));
}

for (const task of tasks) mkdirSync(folderOf(task));
await writeImageFiles(folderOf('image'));
writeTextFiles(folderOf('text-generation'));

const STEPS = 2;
const settingsOf = (task: Task): Settings => ({
  task_type: task,
  base_model: join(folderOf(task), 'base'),
  train_data_dir: join(folderOf(task), 'data'),
  output_dir: join(folderOf(task), 'run'),
  max_train_steps: STEPS,
  lora_rank: 2,
  num_threads: 1,
  // what takes long
  ...(task === 'image' ? { train_text_encoder: false, sample_steps: 2 } : { sample_max_tokens: 4 }),
});

const valueOf = (key: ConfigKey, task: Task): unknown => {
  const { value } = keysOf(folderOf(task))[key];
  return key === 'task_type' ? tasks.find((one) => one !== task) : value;
};

type Outcome = Readonly<Record<Exclude<Shown, 'refused'>, unknown>>;

/** Known before the first step. */
const early: readonly Shown[] = ['plan', 'told', 'refused'];
/** Known after the last step. */
const inSteps: readonly Shown[] = ['losses', 'rates', 'states'];

async function runOf(settings: Settings, shows: Shown): Promise<Outcome> {
  const task = settings.task_type === 'image' ? 'image' : 'text-generation';
  rmSync(join(folderOf(task), 'run'), { recursive: true, force: true });
  process.env.LORA_SCRIPTS_CACHE =
    shows === 'cached' ? mkdtempSync(join(root, 'cache-')) : join(root, 'cache');
  const events: TrainEvent[] = [];
  for await (const event of train(parseConfig(settings), {
    signal: new AbortController().signal,
  })) {
    events.push(event);
    if (event.type === 'plan' && early.includes(shows)) break;
    // nothing is saved
    if (event.type === 'step' && event.step === STEPS && inSteps.includes(shows)) break;
  }
  return outcomeOf(events, task);
}

const listed = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();

const statesIn = (folder: string): string[] => (existsSync(folder) ? listed(folder) : []);

function outcomeOf(events: readonly TrainEvent[], task: Task): Outcome {
  const ofType = <K extends TrainEvent['type']>(type: K) =>
    events.filter((event): event is Extract<TrainEvent, { type: K }> => event.type === type);
  const steps = ofType('step');
  const [{ adapter, results = {} } = { adapter: undefined }] = ofType('done');
  const { LORA_SCRIPTS_CACHE: cache } = process.env;
  const pathOf = (path: string) => relative(folderOf(task), path);
  return {
    plan: ofType('plan'),
    told: ofType('warning').map(({ problem }) => problem.what),
    losses: steps.map(({ loss }) => loss),
    states: statesIn(join(folderOf(task), 'run', 'state')),
    rates: steps.map(({ learningRates }) => learningRates),
    validation: ofType('validation'),
    answers: ofType('sample'),
    evaluation: ofType('evaluated'),
    saved: ofType('saved').map(({ files }) => files.map(pathOf)),
    account: ofType('account').map(({ costs, power }) => ({
      power,
      currencies: costs.map(({ currency }) => currency ?? ''),
    })),
    folder: adapter && pathOf(dirname(adapter)),
    // the event file of TensorBoard has the time in its name
    files: adapter && listed(dirname(adapter)).map((name) => name.replaceAll(/\d{9,}.*/g, 'time')),
    drawn: Object.values(results).map((path) => readFileSync(path, 'base64')),
    weights: adapter && weightsOf(adapter),
    cached: cache !== undefined && existsSync(cache) ? listed(cache).length : 0,
  };
}

const weightsOf = (path: string): unknown =>
  [...openSafetensors(path).tensors].map(([name, tensor]) => [
    name,
    tensor.dtype,
    [...readFloat32(tensor).data],
  ]);

const plain = new Map<string, Promise<Outcome>>();
/** Of the run without the key; those of one kind once. */
function plainOf(settings: Settings, shows: Shown): Promise<Outcome> {
  const name = JSON.stringify([settings, early.includes(shows), inSteps.includes(shows)]);
  const known = plain.get(name) ?? runOf(settings, shows);
  plain.set(name, known);
  return known;
}

for (const task of tasks)
  for (const key of configKeys) {
    const { beside, shows } = keysOf(folderOf(task))[key];
    const settings = { ...settingsOf(task), ...beside };
    const changed = { ...settings, [key]: valueOf(key, task) };
    if (!isOfTask(key, task))
      test(`${task}: ${key} is told as the other task's`, () => {
        const [owner] = tasks.filter((one) => one !== task);
        const { warnings } = parseConfig({ ...settingsOf(task), [key]: valueOf(key, owner) });
        const told = warnings.filter(({ where }) => where === key).map(({ what }) => what);
        assert.match(told.join(), /^is a key of task_type: .* has no effect/);
      });
    else if (shows === 'refused')
      test(`${task}: ${key}: ${String(valueOf(key, task))} is refused`, async () => {
        await assert.rejects(async () => runOf(changed, shows));
      });
    else
      test(`${task}: ${key} shows in the run: ${shows}`, async () => {
        const before = (await plainOf(settings, shows))[shows];
        const now = (await runOf(changed, shows))[shows];
        assert.notDeepEqual(now, before);
      });
  }

/** `--learning-rate 0.003`, as it would be typed. */
function flagsOf(key: ConfigKey, value: unknown): string[] {
  const texts = (given: unknown): string[] => {
    if (!Array.isArray(given)) return [textOf(given)];
    const all = given.map((one: unknown) => textOf(one));
    return configJsonSchema.properties[key].prefixItems === undefined ? all : [all.join(',')];
  };
  return texts(value).flatMap((text) => [flagName(key), text]);
}

function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  if ('path' in value) return String(value.path);
  return Object.entries(value)
    .map(([name, one]) => `${name}=${String(one)}`)
    .join(',');
}

/** What the command makes of its words. */
async function loadedBy(words: readonly string[]): Promise<LoadedConfig['config']> {
  let given: Settings = {};
  const command = { ...trainCommand, run: (values: Settings) => ((given = values), 0) };
  await createProgram([command], '0', () => {}).parseAsync(['node', 'lora', 'train', ...words]);
  const { config, ...overrides } = given;
  return loadConfig(String(config), overrides, { nameOverride: flagName }).config;
}

for (const key of configKeys)
  test(`${flagName(key)} on the command line is ${key} in the file`, async () => {
    const task = isOfTask(key, 'image') ? 'image' : 'text-generation';
    const { beside } = keysOf(folderOf(task))[key];
    const { [key]: _, ...settings }: Record<string, unknown> = {
      ...settingsOf(task),
      ...beside,
    };
    const value = valueOf(key, task);
    const write = (content: Settings) => writeFileSync(join(root, 'run.yaml'), yamlOf(content));
    const file = ['--config', join(root, 'run.yaml')];
    // a weight cannot be typed
    const same = key === 'train_data' ? [join(folderOf(task), 'other-data')] : value;
    write({ ...settings, [key]: same });
    const inFile = await loadedBy(file).catch((error: unknown) => error);
    write(settings);
    const typed = await loadedBy([...file, ...flagsOf(key, value)]).catch((e: unknown) => e);
    if (inFile instanceof ConfigError) return assert.ok(typed instanceof ConfigError);
    assert.ok(!(inFile instanceof Error), String(inFile));
    assert.deepEqual(typed, inFile);
  });

const yamlOf = (content: Settings): string =>
  Object.entries(content)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('');
