// What the README says of the tree is true, and the generated page is up to date.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { configDocs } from '../src/config/flags.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(`${root}/${path}`, 'utf8');
const foldersNamedIn = (page: string) =>
  [...read(page).matchAll(/^\| `([^`]+)\/` \|/gm)].map((match) => match[1]);

/** Folders that git knows (or, in an unpacked copy, that lie there) at the root and in src/. */
function realFolders(): string[] {
  const tracked = existsSync(`${root}/.git`)
    ? execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' })
    : listing();
  const folders = tracked
    .split('\n')
    .flatMap((path) => [/^([^./][^/]*)\//.exec(path)?.[1], /^(src\/[^/]+)\//.exec(path)?.[1]]);
  return [...new Set(folders.filter((folder) => folder !== undefined))].sort();
}

function listing(): string {
  const ignored = new Set(['node_modules', 'dist', 'output']);
  const foldersIn = (folder: string) =>
    readdirSync(`${root}/${folder}`, { withFileTypes: true }).filter(
      (entry) => entry.isDirectory() && !ignored.has(entry.name),
    );
  return [
    ...foldersIn('.').map(({ name }) => `${name}/x`),
    ...foldersIn('src').map(({ name }) => `src/${name}/x`),
  ].join('\n');
}

for (const page of ['README.md', 'README.zh.md']) {
  test(`${page} has a line for each folder and no other`, () => {
    assert.deepEqual(foldersNamedIn(page).sort(), realFolders());
  });
}

test('both READMEs name the folders in the same order', () => {
  assert.deepEqual(foldersNamedIn('README.zh.md'), foldersNamedIn('README.md'));
});

test('docs/config.md is what the schema says (npm run docs writes it)', () => {
  assert.equal(read('docs/config.md'), configDocs());
});

test('the first line of each example is the command that runs it', () => {
  for (const name of readdirSync(`${root}/configs`)) {
    assert.equal(read(`configs/${name}`).split('\n')[0], `# ./lora train --config configs/${name}`);
  }
});
