// Every writer of the product, run in a folder where it cannot finish; prints what it said. Started
// by torn-files.test.ts under a limit on the size of files, or on a small disk:
// node --import tsx torn-files.test-util.ts <sources> <folder>
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { SystemError } from '../src/errors.ts';
import { exportGguf } from '../src/export/export-gguf.ts';
import { golden, tinyLora } from '../src/export/language-model.test-util.ts';
import { mergeLora } from '../src/export/merge.ts';
import { readPeftFolder } from '../src/adapter-files/peft-folder.ts';
import { writePeftFolder } from '../src/adapter-files/peft.ts';
import { openCache } from '../src/storage/tensor-cache.ts';
import { appendToFile, writeFileAtomically } from '../src/storage/write-file.ts';
import { float32 } from '../src/tensor/tensor.ts';
import { RunFolder } from '../src/runs/run-folder.ts';

const large = new Uint8Array(1 << 18).fill(65);
const facts = {
  id: '20260101-000000',
  started: '2026-01-01T00:00:00.000Z',
  seed: 0,
  device: 'cpu',
  threads: 1,
  versions: {},
};

type Writer = (folder: string, sources: string) => void | Promise<void>;

/** Name → what it writes into a folder, all of it larger than the limit. */
export const writers: Readonly<Record<string, Writer>> = {
  'a page, a picture, the state of a training': (folder) =>
    writeFileAtomically(join(folder, 'page.html'), large),
  'the adapters of a run': (folder) =>
    inRun(folder, (run) => {
      run.writeCheckpoint(
        new Map([
          ['neon.safetensors', large.subarray(0, 2000)],
          ['pytorch_lora_weights.safetensors', large],
        ]),
        { step: 1, at: facts.started, final: true },
      );
    }),
  'a sheet of a run': (folder) => inRun(folder, (run) => void run.write('sheet.png', large)),
  'the log of a run': (folder) =>
    inRun(folder, (run) => {
      run.append('logs/train.log', 'first line\n');
      run.append('logs/train.log', large);
    }),
  'a PEFT folder': (folder) =>
    writePeftFolder(folder, {
      ...tinyLora(golden.cases.llama.config),
      dtype: 'float32',
      baseModel: 'x'.repeat(large.length),
    }),
  'an adapter as GGUF': (folder, sources) =>
    void exportGguf({
      path: join(sources, 'adapter'),
      base: join(sources, 'base'),
      output: join(folder, 'adapter.gguf'),
      type: 'f32',
    }),
  'a model as GGUF': (folder, sources) =>
    void exportGguf({ path: join(sources, 'base'), output: join(folder, 'model.gguf') }),
  'a merged model': (folder, sources) =>
    void mergeLora({
      base: join(sources, 'base'),
      lora: readPeftFolder(join(sources, 'adapter')),
      output: join(folder, 'merged'),
    }),
  'an entry of the cache': async (folder) => {
    const cache = await openCache(folder);
    await cache.put('ab', new Map([['latents', float32([1 << 16], new Float32Array(1 << 16))]]));
  },
  'a file that is appended to': (folder) => appendToFile(join(folder, 'events'), large),
};

function inRun(folder: string, use: (run: RunFolder) => void): void {
  const run = RunFolder.begin(folder, facts);
  try {
    use(run);
  } finally {
    run.close();
  }
}

export interface Outcome {
  readonly name: string;
  /** What was thrown; undefined where nothing was. */
  readonly message?: string;
  readonly isSystemError: boolean;
  /** Files that lie there afterwards, and how long they are. */
  readonly files: Readonly<Record<string, number>>;
}

/** A good file of an earlier run, where a writer would replace one. */
const earlier: Readonly<Record<string, string>> = {
  'a page, a picture, the state of a training': 'page.html',
  'an adapter as GGUF': 'adapter.gguf',
  'a PEFT folder': 'adapter_model.safetensors',
};

async function outcomeOf(name: string, folder: string, sources: string): Promise<Outcome> {
  mkdirSync(folder, { recursive: true });
  if (name in earlier) writeFileSync(join(folder, earlier[name]), 'GGUF earlier');
  try {
    await writers[name](folder, sources);
    return { name, isSystemError: false, files: filesIn(folder) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { name, message, isSystemError: error instanceof SystemError, files: filesIn(folder) };
  }
}

const filesIn = (folder: string): Record<string, number> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .map((path) => [relative(folder, path), readFileSync(path).length]),
  );

const [sources, folder] = process.argv.slice(2);
if (folder !== undefined && existsSync(dirname(folder))) {
  const outcomes: Outcome[] = [];
  for (const [i, name] of Object.keys(writers).entries())
    outcomes.push(await outcomeOf(name, join(folder, String(i)), sources));
  console.log(JSON.stringify(outcomes));
}
