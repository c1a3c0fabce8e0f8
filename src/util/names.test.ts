import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkName, checkPath, quoted, type PathRules } from './names.ts';

const faultOf = (name: string) => checkName(name).fault;

test('names of all scripts, and those that only look like devices, are taken as they are', () => {
  for (const name of [
    'neon',
    'neon v1.5 (final)',
    '红',
    'café',
    'икона',
    '.hidden',
    'a..b',
    'con-lora',
    'console',
    'icon',
    'com10',
    'lpt',
    'nullable',
    'auxiliary.txt',
    'can’t',
    '👩\u200d🎨',
    'می\u200cخواهم',
  ])
    assert.deepEqual(checkName(name), { value: name });
});

test('blanks, dots and what cannot be seen at the ends of a name are left out', () => {
  for (const name of [
    'neon ',
    ' neon',
    'neon.',
    'neon...',
    'neon . ',
    '\u3000neon\u00a0',
    'neon\n',
    '\tneon',
    '\ufeffneon\u200b',
    'neon\u202e',
    'neon\u2028',
  ])
    assert.deepEqual(checkName(name), { value: 'neon' }, quoted(name));
});

test('names that Windows reserves for devices are refused on every machine', () => {
  for (const name of [
    'CON',
    'con',
    'Prn',
    'AUX',
    'nul',
    'COM0',
    'com9',
    'LPT1',
    'COM¹',
    'lpt³',
    'CONIN$',
    'conout$',
    'con.txt',
    'CON.tar.gz',
    'nul .txt',
    ' con',
    'con.',
  ])
    assert.match(faultOf(name) ?? '', /Windows reserves for a device/, name);
});

test('characters that no name may have are refused and named', () => {
  for (const char of '<>:"|?*\\/') assert.match(faultOf(`a${char}b`) ?? '', /^contains ./);
  const hidden = ['\0', '\n', '\x1b', '\x7f', '\x85', '\u00ad', '\u200b', '\u200d', '\u2028'];
  for (const char of [...hidden, '\u202e', '\u2066', '\u3164', '\ufeff', '\ud800'])
    assert.match(faultOf(`a${char}b`) ?? '', /invisible character, U\+[0-9A-F]{4}$/, quoted(char));
});

test('names that are empty, or nothing but blanks and dots', () => {
  for (const name of ['', ' ', '.', '..', '...', ' . ', '\u200b'])
    assert.match(faultOf(name) ?? '', /^is not a name/, quoted(name));
});

test('a name is measured in bytes of UTF-8', () => {
  assert.equal(faultOf('x'.repeat(255)), undefined);
  assert.match(faultOf('x'.repeat(256)) ?? '', /256 bytes long; names have at most 255/);
  assert.equal(faultOf('红'.repeat(85)), undefined);
  assert.match(faultOf('红'.repeat(86)) ?? '', /258 bytes/);
});

const rules = (windows: boolean, ...folders: string[]): PathRules => ({
  windows,
  isFolder: (path) => folders.includes(path),
});
const unix = (path: string, ...folders: string[]) => checkPath(path, rules(false, ...folders));
const windows = (path: string, ...folders: string[]) => checkPath(path, rules(true, ...folders));

test('each folder of a path that is to be made has a name that every system takes', () => {
  for (const path of ['./x', '../x/y', '/a/b/', 'a//b', '.', '..', '~/x', '/', './a.b/c'])
    assert.deepEqual(unix(path), { value: path });
  assert.deepEqual(unix(' ./x'), { value: './x' });
  assert.deepEqual(unix('./x '), { value: './x' });
  assert.deepEqual(unix('./a /b./c'), { value: './a/b/c' });
  for (const [path, fault] of [
    ['on:3', /^contains :/],
    ['out/on:3', /^has a part, "on:3", that contains :/],
    ['out/aux/x', /"aux", that is a name that Windows reserves/],
    ['C:\\runs\\x', /^contains [:\\]/],
    ['out/.../x', /"\.\.\.", that is not a name/],
    ['out/a\u200bb', /"a\\u200bb", that contains an invisible/],
    ['out/a\nb', /"a\\nb", that/],
    [`out/${'x'.repeat(300)}`, /300 bytes/],
    ['\u200b', /is empty/],
    ['$HOME/x', /begins with \$HOME, which only a shell expands/],
    ['${OUT}', /begins with \$\{OUT\}/],
    ['%USERPROFILE%/x', /begins with %USERPROFILE%/],
    ['~somebody/x', /begins with ~somebody/],
  ] as const)
    assert.match(unix(path).fault ?? '', fault, path);
});

test('a folder that is there may be called anything', () => {
  assert.deepEqual(unix('/mnt/disk: 2/x', '/', '/mnt', '/mnt/disk: 2'), {
    value: '/mnt/disk: 2/x',
  });
  assert.match(unix('/mnt/disk: 2/x', '/', '/mnt').fault ?? '', /contains :/);
});

test('drives and shares are paths of Windows', () => {
  for (const path of ['C:\\runs\\x', 'c:/runs/x', 'D:', '\\\\host\\share\\x', 'runs\\x'])
    assert.deepEqual(windows(path), { value: path });
  assert.match(windows('C:\\runs\\on:3').fault ?? '', /"on:3", that contains :/);
  assert.match(windows('C:x').fault ?? '', /contains :/);
  assert.deepEqual(windows('C:\\runs\\x '), { value: 'C:\\runs\\x' });
});
