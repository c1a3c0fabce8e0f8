import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ConfigError } from '../errors.ts';
import { parseConfig } from './load.ts';

const root = mkdtempSync(join(tmpdir(), 'alike-'));
after(() => rmSync(root, { recursive: true, force: true }));
const composed = 'caf\u00e9';
const decomposed = 'cafe\u0301';
for (const name of [decomposed, 'a\u00a0b', 'lantern style'])
  mkdirSync(join(root, name, 'pictures'), { recursive: true });

const read = (path: string) =>
  parseConfig({ train_data_dir: path, base_model: root, output_dir: join(root, 'out') });

test('a path whose é is the other one on the disk is found', () => {
  assert.equal(
    read(join(root, composed, 'pictures')).config.train_data_dir,
    join(root, decomposed, 'pictures'),
  );
});

test('a path that only looks like one that is there is answered with that one', () => {
  for (const [written, shown, meant] of [
    ['a b', 'a b', 'a\\u00a0b'],
    ['Lantern Style', 'Lantern Style', 'lantern style'],
    ['lanter style', 'lanter style', 'lantern style'],
    ['lantern\u202fstyle', 'lantern\\u202fstyle', 'lantern style'],
  ])
    assert.throws(
      () => read(join(root, written, 'pictures')),
      (error) =>
        error instanceof ConfigError &&
        error.message.includes(`no such folder: ${root}/${shown}/pictures`) &&
        error.message.includes(`Did you mean ${root}/${meant}/pictures?`),
      written,
    );
});
