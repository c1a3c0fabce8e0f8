// The same prompts and seeds to two runs and to their base: pictures, or answers.

import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { readPictureLora } from '../adapter-files/picture-lora.ts';
import { stableDiffusionPaths } from '../adapters/stable-diffusion-paths.ts';
import { loadStableDiffusion } from '../checkpoints/stable-diffusion.ts';
import { withHome } from '../config/output-path.ts';
import { encodePng, enlarged, type Picture } from '../dataset/image.ts';
import { UserError } from '../errors.ts';
import { openModel, type OpenModel } from '../eval/open-model.ts';
import type { Question } from '../eval/questions.ts';
import { phase, type PhaseEvent } from '../events.ts';
import type { PictureRequest } from '../generate/picture-request.ts';
import { createImageGenerator, type ImageGenerator } from '../generate/text-to-image.ts';
import type { Device } from '../runtime/devices.ts';
import { openRuntime, type Runtime } from '../runtime/runtime.ts';
import { createClipTokenizer } from '../tokenizer/clip.ts';
import type { Compared, Comparison } from './compare.ts';
import type { KnownRun } from './known-run.ts';

export interface SampleOptions {
  /** By default those of the second run, or of the first. */
  readonly prompts?: readonly string[];
  /** Of both; by default each run's own, as it was written. */
  readonly base?: string;
  /** Default auto. */
  readonly device?: Device;
  readonly threads?: number;
}

export type SampleCell =
  | { readonly kind: 'picture'; readonly png: Uint8Array }
  | { readonly kind: 'answer'; readonly text: string };

export interface SampleRow {
  readonly prompt: string;
  /** Of pictures. */
  readonly seed?: number;
  /** Without an adapter, with the first, with the second. */
  readonly cells: readonly SampleCell[];
}

export interface ComparedSamples {
  readonly columns: readonly string[];
  readonly rows: readonly SampleRow[];
}

/**
 * Draws or answers. Throws UserError where the runs are of two kinds or have no prompts, where an
 * adapter or its base is not there, and what the models throw.
 */
export async function* compareSamples(
  { runs }: Comparison,
  options: SampleOptions = {},
): AsyncGenerator<PhaseEvent, ComparedSamples> {
  const [a, b] = runs;
  requireSameTask(a.run, b.run);
  const prompts = promptsOf(a.run, b.run, options);
  for (const one of runs) {
    adapterPath(one); // what is missing is found before anything is loaded
    basePath(one.run, options.base);
  }
  const runtime = await openRuntime({
    device: options.device ?? 'auto',
    ...(options.threads !== undefined && { threads: options.threads }),
  });
  const context = { runtime, options, settings: b.run.settings };
  try {
    const rows =
      a.run.task === 'image'
        ? yield* pictureRows([a, b], prompts, context)
        : yield* answerRows([a, b], prompts, context);
    return { columns: ['without an adapter', a.title, b.title], rows };
  } finally {
    await runtime.release();
  }
}

interface Context {
  readonly runtime: Runtime;
  readonly options: SampleOptions;
  /** Of the second run: both are asked in the same way. */
  readonly settings: KnownRun['settings'];
}

function requireSameTask(a: KnownRun, b: KnownRun): void {
  if (a.task === b.task) return;
  const what = 'one of these runs is for pictures and the other for texts: no prompt suits both';
  throw new UserError([{ where: '--samples', what, fix: 'Leave --samples out.' }]);
}

function promptsOf(a: KnownRun, b: KnownRun, { prompts }: SampleOptions): readonly string[] {
  const found = prompts ?? [b, a].map(ownPrompts).find((list) => list.length > 0) ?? [];
  if (found.length > 0) return found;
  const what = 'neither run has sample_prompts';
  throw new UserError([{ where: '--samples', what, fix: 'Give some: --prompt "a red lamp".' }]);
}

const ownPrompts = ({ settings: { sample_prompts: prompts } }: KnownRun): string[] =>
  Array.isArray(prompts) ? prompts.map(String) : [];

const numberOf = (value: unknown): number | undefined =>
  typeof value === 'number' ? value : undefined;

// ---- files

/** Where the adapter lies: the file of pictures, the folder of texts. */
function adapterPath({ run, checkpoint }: Compared): string {
  const files = checkpoint?.saved.at(-1)?.files;
  if (files === undefined)
    throw new UserError([{ where: run.dir, what: 'has no adapter: nothing was saved yet' }]);
  const path = join(run.dir, files[0].name);
  return run.task === 'image' ? path : dirname(path);
}

/** A relative path is taken from the current folder, else from the nearest above the run's. */
function basePath({ dir, base }: KnownRun, given: string | undefined): string {
  const named = given ?? base;
  const fix = 'Name it: --base <file or folder>.';
  if (named === undefined)
    throw new UserError([{ where: dir, what: 'does not say what its base model is', fix }]);
  const path = withHome(named);
  const places =
    isAbsolute(path) || given !== undefined
      ? [path]
      : [path, ...upwards(resolve(dir)).map((above) => join(above, path))];
  const found = places.find((one) => existsSync(one));
  if (found !== undefined) return found;
  if (given !== undefined)
    throw new UserError([{ where: '--base', what: `${given}: there is no such file or folder` }]);
  const what = `its base model, ${named}, is not on this machine`;
  if (isAbsolute(path)) throw new UserError([{ where: dir, what, fix }]);
  throw new UserError([
    {
      where: dir,
      what: `its base model, ${named}, is neither in the current folder nor in one around the run`,
      fix: 'Call lora where the run began, or name it: --base <file or folder>.',
    },
  ]);
}

const upwards = (folder: string): string[] =>
  dirname(folder) === folder ? [folder] : [folder, ...upwards(dirname(folder))];

// ---- pictures

const DRAWING = 'drawing the pictures';

async function* pictureRows(
  pair: readonly [Compared, Compared],
  prompts: readonly string[],
  context: Context,
): AsyncGenerator<PhaseEvent, SampleRow[]> {
  const asked = requestsOf(prompts, context);
  const without = asked.map((request) => ({ ...request, mix: [] }));
  const total = 3 * asked.length;
  const [first, second] = pair;
  const before = yield* drawn(first, [...without, ...asked], context, { done: 0, total });
  const done = before.length;
  const after = yield* drawn(second, asked, context, { done, total });
  return asked.map(({ prompt, seed }, i) => ({
    prompt,
    ...(seed !== undefined && { seed }),
    cells: [before[i], before[asked.length + i], after[i]],
  }));
}

/** Every prompt with two seeds, as on the contact sheet. */
function requestsOf(prompts: readonly string[], { settings }: Context): PictureRequest[] {
  const seed = numberOf(settings.sample_seed) ?? numberOf(settings.seed) ?? 0;
  const { sample_negative_prompt: negative } = settings;
  const common = {
    negativePrompt: typeof negative === 'string' ? negative : undefined,
    steps: numberOf(settings.sample_steps),
    guidance: numberOf(settings.sample_cfg),
  };
  return prompts.flatMap((prompt) => [0, 1].map((n) => ({ prompt, seed: seed + n, ...common })));
}

async function* drawn(
  compared: Compared,
  requests: readonly PictureRequest[],
  context: Context,
  { done, total }: { readonly done: number; readonly total: number },
): AsyncGenerator<PhaseEvent, SampleCell[]> {
  yield phase(DRAWING, done, total);
  const generator = await pictureGenerator(compared, context);
  const cells: SampleCell[] = [];
  let count = done;
  try {
    for await (const event of generator.generate(requests)) {
      if (event.type !== 'image') continue;
      cells[event.index] = { kind: 'picture', png: await pngOf(event.picture) };
      yield phase(DRAWING, ++count, total);
    }
  } finally {
    await generator.release();
  }
  return cells;
}

async function pictureGenerator(
  compared: Compared,
  { runtime, options }: Context,
): Promise<ImageGenerator> {
  const { run } = compared;
  const useEma = run.settings.use_ema === true;
  const checkpoint = loadStableDiffusion(basePath(run, options.base), { useEma });
  const paths = stableDiffusionPaths(checkpoint.config);
  const { modules } = readPictureLora(adapterPath(compared), paths);
  const folder = join(checkpoint.path, 'tokenizer');
  const own = checkpoint.layout === 'diffusers' && existsSync(folder) ? folder : undefined;
  const clipSkip = numberOf(run.settings.clip_skip);
  return createImageGenerator({
    checkpoint,
    tokenizer: await createClipTokenizer(own),
    mix: [{ adapter: { name: run.name, modules }, strength: 1 }],
    runtime,
    ...(clipSkip !== undefined && { clipSkip }),
  });
}

/** Pictures of small models are enlarged: a person is to see something. */
const SMALL = 192;

async function pngOf(picture: Picture): Promise<Uint8Array> {
  const { rgb, width, height } =
    picture.width < SMALL ? await enlarged(picture, Math.ceil(SMALL / picture.width)) : picture;
  return encodePng(rgb, width, height);
}

// ---- answers

const ASKING = 'answering the prompts';

async function* answerRows(
  pair: readonly [Compared, Compared],
  prompts: readonly string[],
  context: Context,
): AsyncGenerator<PhaseEvent, SampleRow[]> {
  const [first, second] = pair;
  const [without, before] = yield* answered(first, prompts, [false, true], context);
  const [after] = yield* answered(second, prompts, [true], context);
  return prompts.map((prompt, i) => ({
    prompt,
    cells: [without, before, after].map((said) => ({ kind: 'answer', text: said[i] })),
  }));
}

/** A list of answers for each of `parts`: with the adapter, or without. */
async function* answered(
  compared: Compared,
  prompts: readonly string[],
  parts: readonly boolean[],
  { runtime, options, settings }: Context,
): AsyncGenerator<PhaseEvent, string[][]> {
  const { run } = compared;
  yield phase(ASKING);
  const model = openModel(
    {
      adapter: adapterPath(compared),
      baseModel: basePath(run, options.base),
      maxNewTokens: numberOf(settings.sample_max_tokens),
    },
    runtime,
  );
  try {
    const questions = prompts.map((prompt) => questionOf(prompt, model));
    const said: string[][] = [];
    for (const part of parts) said.push(await model.answerer.answers(questions, part));
    return said;
  } finally {
    await model.answerer.close?.();
  }
}

/** To the assistant where the model has a chat template, else the beginning of a text. */
const questionOf = (prompt: string, { promptFormat }: OpenModel): Question => ({
  where: JSON.stringify(prompt),
  prompt:
    promptFormat.template === undefined
      ? { kind: 'completion', text: prompt }
      : { kind: 'chat', messages: [{ role: 'user', content: prompt }] },
  facts: [],
  forbidden: [],
});
