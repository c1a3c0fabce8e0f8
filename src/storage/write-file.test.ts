import assert from 'node:assert/strict';
import fs, { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SystemError } from '../errors.ts';
import { withFolder } from '../checkpoints/small-model.test-util.ts';
import { writeError, writeFileAtomically } from './write-file.ts';

const is = (message: RegExp) => (error: unknown) =>
  error instanceof SystemError && message.test(error.message);

test('writes bytes and text, makes folders, replaces, leaves nothing beside', () => {
  withFolder((folder) => {
    const path = join(folder, 'a', 'b', '名.safetensors');
    writeFileAtomically(path, 'old');
    writeFileAtomically(path, new Uint8Array([0, 1, 2, 3]).subarray(1, 3));
    assert.deepEqual([...readFileSync(path)], [1, 2]);
    assert.deepEqual(readdirSync(join(folder, 'a', 'b')), ['名.safetensors']);
  });
});

test('a path through a file, or onto a folder, is refused and leaves nothing', () => {
  withFolder((folder) => {
    writeFileSync(join(folder, 'file'), '');
    assert.throws(
      () => writeFileAtomically(join(folder, 'file', 'x'), 'text'),
      is(/file.x: cannot be written: part of the path is a file/),
    );
    mkdirSync(join(folder, 'taken'));
    assert.throws(
      () => writeFileAtomically(join(folder, 'taken'), 'text'),
      is(/a folder of that name is there/),
    );
    assert.deepEqual(readdirSync(folder).sort(), ['file', 'taken']);
  });
});

test(
  'a folder without permission is refused',
  {
    skip:
      process.getuid?.() === 0 || process.platform === 'win32'
        ? 'root and Windows write anywhere'
        : false,
  },
  () => {
    withFolder((folder) => {
      chmodSync(folder, 0o500);
      assert.throws(() => writeFileAtomically(join(folder, 'x'), 'text'), is(/permission denied/));
      chmodSync(folder, 0o700);
    });
  },
);

test('a disk that fills up while writing leaves the old file, and nothing beside it', (t) => {
  withFolder((folder) => {
    const path = join(folder, 'x');
    writeFileAtomically(path, 'old');
    t.mock.method(fs, 'writeSync', () => {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    });
    assert.throws(() => writeFileAtomically(path, 'new'), is(/the disk is full/));
    t.mock.restoreAll();
    assert.equal(readFileSync(path, 'utf8'), 'old');
    assert.deepEqual(readdirSync(folder), ['x']);
  });
});

test('each refusal of the system says what to do', () => {
  const failure = (code: string) =>
    writeError('/out/x', Object.assign(new Error(`${code}: refused`), { code }));
  assert.match(
    failure('ENOSPC').message,
    /^\/out\/x: cannot be written: the disk is full\n {4}Free some space/,
  );
  assert.match(failure('EROFS').message, /the disk is read-only/);
  assert.match(failure('EACCES').message, /permission denied/);
  assert.match(failure('EODD').message, /cannot be written: EODD: refused/);
  assert.match(writeError('/out/x', 'text').message, /cannot be written: text/);
});
