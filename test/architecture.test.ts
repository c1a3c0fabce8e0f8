// ARCHITECTURE.md shows the code as it is: printed graphs, law of imports, folders, files; the
// decisions keep their form.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { withPrintedGraphs } from '../scripts/training-step.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(`${root}/${path}`, 'utf8');
const page = read('ARCHITECTURE.md');
const rows = [...page.matchAll(/^\| `(src\/[^`]+)\/` \|(.*)$/gm)].map(([, folder, cells]) => ({
  folder,
  cells,
}));

test('the printed graphs are what the code prints (npm run docs writes them)', () => {
  assert.equal(page, withPrintedGraphs(page));
  assert.equal([...page.matchAll(/<!-- printed: /g)].length, 6);
});

test('the law of imports is the one that is enforced', () => {
  const { forbidden } = createRequire(import.meta.url)('../.dependency-cruiser.cjs') as {
    forbidden: { name: string }[];
  };
  const groups = forbidden.flatMap(
    ({ name }) => /^left-of-(.*)/.exec(name)?.[1].split('+').join(', ') ?? [],
  );
  const law = /```text\n(errors, [^`]*)```/
    .exec(page)?.[1]
    .trim()
    .split(/\s*→\s*/);
  assert.deepEqual(law, [...groups, 'cli']);
});

test('the folders are those of the README, in its order, and the files named in them exist', () => {
  const inReadme = [...read('README.md').matchAll(/^\| `(src\/[^`]+)\/` \|/gm)].map(
    (match) => match[1],
  );
  assert.deepEqual(
    rows.map(({ folder }) => folder),
    inReadme,
  );
  for (const { folder, cells } of rows) {
    for (const [, file] of cells.matchAll(/`([\w/-]+(?:\.ts|\/))`/g))
      assert.ok(existsSync(`${root}/${folder}/${file}`), `${folder}/${file}`);
  }
});

test('files and pages named in the text exist', () => {
  const links = [...page.matchAll(/\]\(([^)#]+)\)/g)].map((match) => match[1]);
  const tests = [...page.matchAll(/`((?:\w[\w-]*\/)+[\w.-]+\.test\.ts)`/g)].map(
    (match) => match[1],
  );
  for (const path of links) assert.ok(existsSync(`${root}/${path}`), path);
  for (const path of tests)
    assert.ok(existsSync(`${root}/${path}`) || existsSync(`${root}/src/${path}`), path);
});

const decisions = readdirSync(`${root}/docs/decisions`).sort();

test('decisions are numbered without gaps', () => {
  assert.deepEqual(
    decisions.map((name) => name.slice(0, 4)),
    decisions.map((_, i) => String(i + 1).padStart(4, '0')),
  );
});

for (const name of decisions) {
  test(`${name} has a title, the four parts, and at most a page`, () => {
    const text = read(`docs/decisions/${name}`);
    assert.match(text, new RegExp(`^# ${name.slice(0, 4)} `));
    assert.deepEqual(
      [...text.matchAll(/^## (.*)$/gm)].map((match) => match[1]),
      ['Summary', 'Motivation', 'Implementation', 'Discussion'],
    );
    assert.ok(text.split('\n').length <= 70);
    for (const [, file] of text.matchAll(/`((?:src|test|models|bench)\/[\w./-]+\.ts)`/g))
      assert.ok(existsSync(`${root}/${file}`), file);
  });
}
