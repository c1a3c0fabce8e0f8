import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { textSources } from './configured.ts';
import { withFolder } from './text.test-util.ts';

test('a folder is its files; what is named to judge or to validate is not trained', () =>
  withFolder({ 'b.jsonl': '', 'a.txt': '', 'notes.md': '', '.hidden.txt': '', 'eval.jsonl': '', 'held.csv': '' }, (folder) => {
    const path = (name: string) => join(folder, name);
    const none = { validation_data: [], eval_path: undefined, eval_general_path: undefined };
    const named = { ...none, train_data: [{ path: folder, weight: 2 }], validation_data: [path('held.csv')], eval_path: path('eval.jsonl') };
    assert.deepEqual(textSources(named), { sources: ['a.txt', 'b.jsonl'].map((name) => ({ path: path(name), weight: 2 })), validationSources: [{ path: path('held.csv') }] });
    assert.deepEqual(textSources({ ...none, train_data: [{ path: path('notes.md'), weight: 1 }] }).sources, [{ path: path('notes.md'), weight: 1 }]);
    mkdirSync(path('empty'));
    assert.deepEqual(textSources({ ...none, train_data: [{ path: path('empty'), weight: 1 }] }).sources, [{ path: path('empty'), weight: 1 }]);
  }));
