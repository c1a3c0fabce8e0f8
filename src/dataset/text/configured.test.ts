import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { textSources } from './configured.ts';
import { withFolder } from './text.test-util.ts';

test('a folder is its files; what is named to judge or to validate is not trained', () =>
  withFolder(
    {
      'b.jsonl': '',
      'a.txt': '',
      'notes.md': '',
      '.hidden.txt': '',
      'eval.jsonl': '',
      'held.csv': '',
    },
    (folder) => {
      const path = (name: string) => join(folder, name);
      const none = { validation_data: [], eval_path: undefined, eval_general_path: undefined };
      const named = {
        ...none,
        train_data: [{ path: folder, weight: 2 }],
        validation_data: [path('held.csv')],
        eval_path: path('eval.jsonl'),
      };
      assert.deepEqual(textSources(named), {
        sources: ['a.txt', 'b.jsonl'].map((name) => ({ path: path(name), weight: 2 })),
        validationSources: [{ path: path('held.csv') }],
        warnings: [],
      });
      assert.deepEqual(
        textSources({ ...none, train_data: [{ path: path('notes.md'), weight: 1 }] }).sources,
        [{ path: path('notes.md'), weight: 1 }],
      );
      mkdirSync(path('empty'));
      assert.deepEqual(
        textSources({ ...none, train_data: [{ path: path('empty'), weight: 1 }] }).sources,
        [{ path: path('empty'), weight: 1 }],
      );
    },
  ));

test('of a folder with a file called train, those called valid and test are not trained', () =>
  withFolder(
    {
      'train.jsonl': '',
      'valid.jsonl': '',
      'test.jsonl': '',
      'more.csv': '',
      'dataset_info.json': '',
      'LICENSE.txt': '',
      'README.txt': '',
      'old.parquet': '',
    },
    (folder) => {
      const names = (validation_split: number, validation_data: string[] = []): string[][] => {
        const found = textSources({
          train_data: [{ path: folder, weight: 1 }],
          validation_data,
          validation_split,
        });
        return [found.sources, found.validationSources].map((list) =>
          list.map(({ path }) => path.slice(folder.length + 1)),
        );
      };
      assert.deepEqual(names(0), [['more.csv', 'train.jsonl'], ['valid.jsonl']]);
      assert.deepEqual(names(0.1), [['more.csv', 'train.jsonl'], []]);
      assert.deepEqual(names(0, [join(folder, 'more.csv')]), [['train.jsonl'], ['more.csv']]);
      const both = textSources({
        train_data: [folder, join(folder, 'test.jsonl')].map((path) => ({ path, weight: 1 })),
        validation_data: [],
      });
      assert.deepEqual([both.sources.length, both.warnings.length], [3, 2]);
      assert.match(both.warnings[1].what, /is not used/);
      assert.deepEqual(names(0, [folder]), [['more.csv', 'train.jsonl'], ['valid.jsonl']]);
      assert.match(
        textSources({ train_data: [{ path: folder, weight: 1 }], validation_data: [] })
          .warnings.map(({ where, what }) => `${where}: ${what}`)
          .join('\n'),
        /valid\.jsonl: is validated on[^]*test\.jsonl: is not trained/,
      );
    },
  ));
