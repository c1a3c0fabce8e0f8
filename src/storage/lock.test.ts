// One run in a folder at a time; what a dead one left does not keep others out.
import assert from 'node:assert/strict';
import fs, { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { withFolder } from '../checkpoints/small-model.test-util.ts';
import { LOCK_FILE, lockFolder } from './lock.ts';

const linux = { skip: process.platform !== 'linux' && 'needs /proc' };

const lock = (folder: string, pid: number, since = Date.now(), host = hostname()) =>
  writeFileSync(join(folder, LOCK_FILE), JSON.stringify({ pid, host, since }));

test('a folder is taken and given back', () => {
  withFolder((folder) => {
    const release = lockFolder(folder);
    assert.throws(() => lockFolder(folder), /another run is using this folder: process \d+/);
    release();
    assert.ok(!existsSync(join(folder, LOCK_FILE)));
  });
});

test('two runs with one output_dir: the second is refused while the first lives', () => {
  withFolder((folder) => {
    lock(folder, process.ppid);
    assert.throws(() => lockFolder(folder), new RegExp(`process ${process.ppid}\\n.*output_dir`));
    lock(folder, 1, Date.now(), 'another-machine');
    assert.throws(() => lockFolder(folder), /process 1 on another-machine/);
  });
});

test(
  'a process id that is used again does not keep a run out, nor does a restarted machine',
  linux,
  () => {
    withFolder((folder) => {
      const path = join(folder, LOCK_FILE);
      const release = lockFolder(folder);
      const mine: object = JSON.parse(readFileSync(path, 'utf8'));
      release();
      for (const other of [{ began: '1' }, { boot: 'another' }]) {
        writeFileSync(path, JSON.stringify({ ...mine, ...other }));
        lockFolder(folder)();
      }
      writeFileSync(path, JSON.stringify(mine));
      assert.throws(() => lockFolder(folder), /another run/);
    });
  },
);

test('a clock that jumps ahead takes no folder from a run that lives', linux, () => {
  withFolder((folder) => {
    const release = lockFolder(folder);
    const path = join(folder, LOCK_FILE);
    const mine: object = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify({ ...mine, since: 0 }));
    assert.throws(() => lockFolder(folder), /another run/);
    release();
  });
});

test('a lock that a killed run, a power cut or a torn write left is taken over', () => {
  withFolder((folder) => {
    const gone = 2 ** 22 + 1; // above the largest process id of Linux
    for (const leave of [
      () => lock(folder, gone),
      () => lock(folder, process.ppid, 0),
      () => writeFileSync(join(folder, LOCK_FILE), '{"pid":'),
    ]) {
      leave();
      const release = lockFolder(folder);
      assert.match(readFileSync(join(folder, LOCK_FILE), 'utf8'), /"pid":\d+/);
      release();
    }
  });
});

test('a lock that cannot be taken away, as on a disk that became read-only, does not end the run in an error', () => {
  withFolder((folder) => {
    const release = lockFolder(folder);
    const { rmSync } = fs;
    fs.rmSync = () => {
      throw Object.assign(new Error('EROFS: read-only file system, unlink'), { code: 'EROFS' });
    };
    syncBuiltinESMExports();
    try {
      release();
    } finally {
      Object.assign(fs, { rmSync });
      syncBuiltinESMExports();
    }
    assert.ok(existsSync(join(folder, LOCK_FILE)));
  });
});
