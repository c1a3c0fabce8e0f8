// CHANGELOG.md: versions newest first, and each entry after the first version says what was before
// and what is now.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

/** What is wrong with a page of changes. */
function faults(page: string): string[] {
  const [, ...sections] = page.split(/^## /m);
  const parts = sections.map((section) => section.split(/\n\n?/));
  const versions = parts.map(([heading]) =>
    /^(\d+)\.(\d+)\.(\d+)( \(unreleased\))?$/.exec(heading)?.slice(1, 4).map(Number),
  );
  const isNewer = (a: readonly number[], b: readonly number[]) =>
    Math.sign(a[0] - b[0] || a[1] - b[1] || a[2] - b[2]) > 0;
  return [
    ...parts.flatMap(([heading], i) =>
      versions[i] === undefined ? [`no version: ${heading}`] : [],
    ),
    ...versions.flatMap((version, i) =>
      version && versions[i + 1] && !isNewer(version, versions[i + 1] ?? [])
        ? [`not newest first: ${version.join('.')}`]
        : [],
    ),
    ...sections.slice(0, -1).flatMap(entriesWithoutBoth),
  ];
}

/** Entries are list items; lines that belong to one are indented. */
function entriesWithoutBoth(section: string): string[] {
  const entries = section.split(/^- /m).slice(1);
  return entries
    .filter((entry) => !/^\*\*.+?\*\* Before: [^]+ Now: /.test(entry.replace(/\s+/g, ' ')))
    .map((entry) => `without before and now: ${entry.split('\n')[0]}`);
}

test('CHANGELOG.md keeps its form', () => {
  assert.deepEqual(faults(readFileSync(new URL('../CHANGELOG.md', import.meta.url), 'utf8')), []);
});

test('the check finds each fault', () => {
  const good =
    '# Changes\n\n## 0.2.0 (unreleased)\n\n- **Resuming.** Before: a stopped run began anew.\n  Now: it goes on.\n\n## 0.1.0\n\nThe first version.\n';
  assert.deepEqual(faults(good), []);
  assert.deepEqual(faults(good.replace('  Now:', '  And:')), [
    'without before and now: **Resuming.** Before: a stopped run began anew.',
  ]);
  assert.deepEqual(faults(good.replace('## 0.2.0 (unreleased)', '## Next')), ['no version: Next']);
  assert.deepEqual(faults(good.replace('## 0.1.0', '## 0.3.0')), ['not newest first: 0.2.0']);
});
