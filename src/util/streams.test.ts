import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { seedHalves, streamOf, streams } from './streams.ts';

test('no two purposes share a random stream: what is held back is not what answers draw from', () => {
  const ranges = Object.entries(streams).sort(([, a], [, b]) => a.first - b.first);
  ranges.forEach(([name, { first, count }], i) => {
    assert.ok(count >= 1 && first + count <= 2 ** 32, name);
    const next = ranges.at(i + 1);
    if (next !== undefined)
      assert.ok(first + count <= next[1].first, `${name} runs into ${next[0]}`);
  });
});

test('no two purposes share the upper half of a seed, and none has that of a plain seed', () => {
  const halves = Object.values(seedHalves);
  assert.equal(new Set<number>([0, ...halves]).size, halves.length + 1);
});

test('a stream never leaves its purpose, after however many epochs', () => {
  for (const index of [0, 1, 0x0fff_ffff, 0x1000_0000, 1024 * 1_000_000, 2 ** 40 + 3]) {
    for (const purpose of ['pictureOrder', 'textOrder', 'dropout', 'answers'] as const) {
      const { first, count } = streams[purpose];
      const stream = streamOf(purpose, index);
      assert.ok(stream >= first && stream < first + count, `${purpose} ${index}`);
    }
  }
});

// ---- nobody draws from elsewhere

const source = fileURLToPath(new URL('..', import.meta.url));
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.ts') && !/\.test(-util)?\.ts$|(^|\/)testing\//.test(name),
);
const textOf = (name: string): string => readFileSync(`${source}/${name}`, 'utf8');

/** Calls `draw(seed, stream, …)`: the text of the second argument. */
const streamArgument =
  /\b(?:random|uniforms|permutation|philox)\(\s*[\w.]+(?:\([^()]*\))?,\s*([\w.]+)|\bsequence\(\s*[\w.]+,\s*([\w.]+)\s*[,)]/g;

test('no file but the table has a constant of a random stream', () => {
  for (const name of files.filter((one) => !/^util\/(streams|philox)\.ts$/.test(one))) {
    const text = textOf(name);
    assert.doesNotMatch(text, /const (?!STREAMS_PER_EPOCH)\w*STREAM\w* = \d/i, name);
    if (!text.includes('/philox.ts')) continue;
    for (const [call, one, other] of text.matchAll(streamArgument))
      assert.doesNotMatch(one ?? other, /^\d/, `${name}: ${call} names its stream by a number`);
    assert.doesNotMatch(text, /\bhi: \d/, `${name} makes a seed's upper half`);
  }
});

test('every file that draws takes its stream from the table', () => {
  // normals draw from no stream: their seeds are pictures' own, counted by call
  const withoutStream = ['generate/noise/noise-sources.ts'];
  const drawing = files.filter((name) =>
    /import \{[^}]*\b(random|uniforms|sequence|permutation|normals)\b[^}]*\} from '[^']*\/philox\.ts'/.test(
      textOf(name),
    ),
  );
  assert.ok(drawing.length >= 8, drawing.join(', '));
  for (const name of drawing.filter((one) => !withoutStream.includes(one)))
    assert.match(textOf(name), /from '[^']*\/streams\.ts'/, name);
});
