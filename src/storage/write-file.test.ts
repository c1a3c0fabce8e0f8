import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SystemError, UserError } from '../errors.ts';
import { withFolder } from '../checkpoints/small-model.test-util.ts';
import { partialName, removePartial } from './folders.ts';
import { writeError } from './write-error.ts';
import {
  appendToFile,
  writeAll,
  writeFileAtomically,
  writeFilesTogether,
  type FileContent,
} from './write-file.ts';
import { writeFolder } from './write-folder.ts';

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
      is(/there is already a folder of that name/),
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

test('a system that takes a few bytes at a time gets all of them; one that takes none is full', () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i);
  const taken: number[] = [];
  const few = (_: number, from: Uint8Array, offset: number, length: number): number => {
    const part = from.subarray(offset, offset + Math.min(length, 7));
    taken.push(...part);
    return part.length;
  };
  let counted = 0;
  writeAll(0, bytes, (count) => (counted += count), few);
  assert.deepEqual(taken, [...bytes]);
  assert.equal(counted, 1000);
  assert.throws(() => writeAll(0, bytes, undefined, () => 0), { code: 'ENOSPC' });
});

test('files that belong together appear together or not at all', () => {
  withFolder((folder) => {
    const [first, second] = [join(folder, 'config.json'), join(folder, 'model.safetensors')];
    writeFilesTogether(new Map([[first, 'old']]));
    const refuse = (): never => {
      throw new UserError([{ where: 'q_proj', what: 'is not finite' }]);
    };
    assert.throws(
      () =>
        writeFilesTogether(
          new Map<string, FileContent>([
            [first, 'new'],
            [second, refuse],
          ]),
        ),
      /q_proj: is not finite/,
    );
    assert.equal(readFileSync(first, 'utf8'), 'old');
    assert.deepEqual(readdirSync(folder), ['config.json']);
  });
});

test('a file is written through a link to it, with the permissions that it had', (t) => {
  if (process.platform === 'win32') return t.skip('links need rights there');
  withFolder((folder) => {
    writeFileSync(join(folder, 'real'), 'old', { mode: 0o600 });
    symlinkSync('real', join(folder, 'link'));
    writeFileAtomically(join(folder, 'link'), 'new');
    assert.equal(readFileSync(join(folder, 'real'), 'utf8'), 'new');
    assert.ok(lstatSync(join(folder, 'link')).isSymbolicLink());
    assert.equal(statSync(join(folder, 'real')).mode & 0o777, 0o600);
  });
});

test('a disk that gives back other bytes, or fewer, leaves no file under its name', () => {
  withFolder((dir) => {
    for (const [kept, told] of [
      ['abX', /its 3 bytes, when read back, differ/],
      ['ab', /when read back, it has 2 of 3 bytes/],
    ] as const) {
      assert.throws(
        () =>
          writeFileAtomically(join(dir, 'a.bin'), (write) => {
            write(new TextEncoder().encode('abc'));
            for (const partial of readdirSync(dir)) writeFileSync(join(dir, partial), kept);
          }),
        told,
      );
      assert.deepEqual(readdirSync(dir), []);
    }
  });
});

test('a device is not replaced by a file', { skip: process.platform === 'win32' }, () => {
  assert.throws(() => writeFileAtomically('/dev/null', 'x'), is(/this is a device, not a file/));
  assert.ok(statSync('/dev/null').isCharacterDevice());
});

test('what is appended is there whole, after what was there', () => {
  withFolder((folder) => {
    const path = join(folder, 'logs', 'train.log');
    appendToFile(path, 'one\n');
    appendToFile(path, new Uint8Array([50, 10]));
    assert.equal(readFileSync(path, 'utf8'), 'one\n2\n');
  });
});

test('a folder appears when all is written, and is refused where one with files is', () => {
  withFolder((folder) => {
    const path = join(folder, 'merged');
    assert.throws(() => writeFolder(path, () => assert.fail('half-way')), /half-way/);
    assert.deepEqual(readdirSync(folder), []);
    writeFolder(path, (inside) => writeFileAtomically(join(inside, 'config.json'), '{}'));
    assert.deepEqual(readdirSync(path), ['config.json']);
    assert.throws(() => writeFolder(path, () => undefined), /this folder is not empty/);
    assert.deepEqual(readdirSync(folder), ['merged']);
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
  assert.match(failure('EFBIG').message, /ulimit -f/);
  assert.match(failure('EODD').message, /cannot be written: EODD: refused/);
  assert.match(writeError('/out/x', 'text').message, /cannot be written: text/);
});

test('a disk that refuses a file of a new folder: its name is told, not that of its first place', () => {
  withFolder((folder) => {
    const path = join(folder, 'merged');
    const refused = (where: string) => new SystemError([{ where, what: 'the disk is full' }]);
    const writeInto = (inside: string) => {
      throw refused(join(inside, 'model.safetensors'));
    };
    assert.throws(
      () => writeFolder(path, writeInto),
      (error: unknown) =>
        error instanceof SystemError && error.problems[0].where === join(path, 'model.safetensors'),
    );
    assert.deepEqual(readdirSync(folder), []);
  });
});

test('a run removes unfinished files of another, and no adapter whose name only begins like theirs', () => {
  withFolder((folder) => {
    const kept = ['.part-neon.safetensors', '.part-0123', '.part-0123456789abcdef.safetensors'];
    for (const name of [...kept, partialName()]) writeFileSync(join(folder, name), 'x');
    mkdirSync(join(folder, '.part-merged')); // a merge at work
    removePartial(folder);
    assert.deepEqual(readdirSync(folder).sort(), [...kept, '.part-merged'].sort());
  });
});

test('what a dead process left half written goes when the next file is written there; of a live one, it stays', () => {
  withFolder((folder) => {
    const kill = `process.kill(process.pid, 'SIGKILL')`;
    const module = JSON.stringify(new URL('./write-file.ts', import.meta.url).href);
    const dying = `import(${module}).then(({ writeFileAtomically }) => writeFileAtomically('model.gguf', (write) => { write(new Uint8Array(5)); ${kill}; }))`;
    spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), '-e', dying], {
      cwd: folder,
    });
    const mine = partialName();
    writeFileSync(join(folder, mine), 'x');
    assert.equal(readdirSync(folder).length, 2);
    writeFileAtomically(join(folder, 'other'), 'x');
    assert.deepEqual(readdirSync(folder).sort(), [mine, 'other'].sort());
  });
});
