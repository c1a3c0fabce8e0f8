// An export that nobody imports is dead code, or work that was left half done.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { exportsOf, type Export } from './exports.test-util.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What tests alone import, by the reason why it is exported. */
const forTests: Readonly<Record<string, readonly string[]>> = {
  'judges that only tests ask': [
    'src/graph/evaluate.ts kernels evaluate toFloat64',
    'src/graph/verify.ts verify',
    'src/graph/ops.ts opNames',
  ],
  'formulas compared one by one with PyTorch, diffusers, transformers, kohya or tables': [
    'src/dataset/buckets.ts selectBucket selectBucketNoUpscale',
    'src/doctor/estimate.ts secondsOf',
    'src/eval/statistics.ts studentWithin',
    'src/eval/verdict.ts trendOfSet',

    'src/generate/text/sampling.ts processed drawn',
    'src/models/noise-schedule.ts velocity',
    'src/util/philox.ts philox',
  ],
  'ways to compute that large shapes alone would take': [
    'src/graph/decompositions/attention.ts attentionInBlocks attentionGradInBlocks',
    'src/graph/decompositions/products.ts convGradInputBy',
  ],
  'what is written is read back, or made again': [
    'src/eval/page.ts evaluationPage',
    'src/storage/lock.ts LOCK_FILE',
    'src/tensor/gguf.ts parseGguf decodeGguf scalarOf',
    'src/train/records/tensorboard.ts scalarEvent record',
  ],
  'parts of a whole that tests give inputs which no model file or terminal can be made to give': [
    'src/checkpoints/single-file.ts nameWeights readConfig',
    'src/account/machine-load.ts processorUse competition',
    'src/doctor/machine.ts linuxFeatures windowsFeatures appleFeatures',
    'src/runtime/graphics/system.ts distributionsOf controllersOf',
    'src/cli/progress.ts advance draw liveProgress plainProgress',
    'src/cli/runs.ts runLines',
    'src/cli/runs-show.ts showLines',
    'src/cli/runs-compare.ts comparisonLines',
    'src/account/account.ts costOf',
    'src/train/forecast.ts typicalStep',
    'src/train/memory-check.ts proposal',
    'src/train/disk-check.ts diskNeed',
    'src/runs/backup.ts backupFolder',
    'src/config/hub-names.ts hubCacheFolder',
    'src/eval/answerer.ts withoutThoughts',
    'src/eval/open-model.ts adapterOf',
    'src/runtime/onnxruntime/webgpu-weights.ts asKept',
    'src/storage/write-file.ts writeAll',
    'src/train/image/samples.ts illFitting',
  ],
  'tables whose every row is tried': [
    'src/train/given-settings.ts refusedForBatches',
    'src/checkpoints/language-kinds.ts languageKinds',
    'src/adapter-files/peft-config.ts fields',
  ],
};
const allowed = new Set(
  Object.values(forTests)
    .flat()
    .flatMap((line) => {
      const [file, ...names] = line.split(' ');
      return names.map((name) => `${file} ${name}`);
    }),
);

const unused = (all: readonly Export[]): string[] =>
  all.filter(({ users, isPartOfSignature }) => users.size === 0 && !isPartOfSignature).map(nameOf);
const ofTests = (all: readonly Export[]): string[] =>
  all
    .filter(
      ({ users, isPartOfSignature }) =>
        users.size === 1 && users.has('tests') && !isPartOfSignature,
    )
    .map(nameOf);
const nameOf = ({ name }: Export): string => name;

test('every export of src is imported: by src, by a tool, or by a test that says why', () => {
  const all = exportsOf(root);
  assert.ok(all.length > 500, `${all.length} exports were found`);
  assert.deepEqual(unused(all), [], 'nobody imports these: delete them, or the word export');
  const tested = ofTests(all);
  assert.deepEqual(
    tested.filter((name) => !allowed.has(name)),
    [],
    'tests alone import these: use them, delete them, or say above why they are exported',
  );
  assert.deepEqual(
    [...allowed].filter((name) => !tested.includes(name)),
    [],
    'the list above names exports that are gone, or that more than tests import',
  );
});

test('the search finds what is dead, and only that', () => {
  const folder = mkdtempSync(join(tmpdir(), 'exports-'));
  const files = {
    'src/index.ts': "export { used } from './a.ts';",
    'src/a.ts': [
      'export interface Shown { readonly part: Part }',
      'export interface Part { readonly x: number }',
      'interface Own { readonly y: number }',
      'export type Lost = Own;',
      'export const used = (shown: Shown): number => { const lost: Lost2 = 1; return lost; };',
      'export type Lost2 = number;',
      'export const [one, { two, three }] = [1, { two: 2, three: 3 }];',
      'export function tested() {}',
      'export class Dead {}',
    ].join('\n'),
    'src/b.ts': "import { one as first } from './a.ts'; type T = import('./c.ts').C; first as T;",
    'src/c.ts': 'export type C = number;',
    'src/d/e.ts': "import * as all from '../f.ts'; all;",
    'src/f.ts': 'export const f = 1;',
    'src/a.test.ts': "import { tested } from './a.ts'; tested(); import './g.ts';",
    'src/g.ts': 'export const g = 1;',
    'scripts/tool.ts': "import { two } from '../src/a.ts'; two;",
  };
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
    const all = exportsOf(folder, Object.keys(files));
    const dead = ['Lost', 'Lost2', 'three', 'Dead'].map((name) => `src/a.ts ${name}`);
    assert.deepEqual(unused(all), [...dead, 'src/g.ts g']);
    assert.deepEqual(ofTests(all), ['src/a.ts tested']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
