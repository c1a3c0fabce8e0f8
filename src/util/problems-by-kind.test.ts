import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultsByKind, problemsByKind } from './problems-by-kind.ts';

test('sixty warnings of one kind are one, with the first three places and the count', () => {
  const lines = Array.from({ length: 60 }, (_, i) => ({
    where: `${i + 1}.txt`,
    what: 'the caption has several lines, which are joined into one',
  }));
  assert.deepEqual(problemsByKind(lines), [
    {
      where: '1.txt, 2.txt, 3.txt and 57 more (60 in all)',
      what: 'the caption has several lines, which are joined into one',
    },
  ]);
});

test('kinds keep the order in which they are found, and a single problem its words', () => {
  const one = { where: 'a.png', what: 'is small', fix: 'Use a larger one.' };
  const found = [
    one,
    { where: 'b.png', what: 'is long', detail: '10x900' },
    { where: 'c.png', what: 'is long', detail: '900x10' },
  ];
  assert.deepEqual(problemsByKind(found), [
    one,
    { where: 'b.png (10x900), c.png (900x10)', what: 'is long' },
  ]);
  assert.deepEqual(problemsByKind([]), []);
});

test('"a, b, c: has no effect" spoke of three keys as of one', () => {
  const idle = ['a', 'b', 'c'].map((where) => ({
    where,
    what: 'has no effect: x is off',
    plural: 'have no effect: x is off',
  }));
  assert.deepEqual(problemsByKind(idle), [{ where: 'a, b, c', what: 'have no effect: x is off' }]);
  assert.deepEqual(problemsByKind(idle.slice(0, 1)), [
    { where: 'a', what: 'has no effect: x is off' },
  ]);
});

test('problems with other words are of one kind where they say so', () => {
  const found = ['<s>', '</s>'].map((token, i) => ({
    where: `data.jsonl:${i + 1}`,
    what: `the prompt holds ${token}`,
    kind: 'special tokens',
  }));
  assert.deepEqual(problemsByKind(found), [
    {
      where: 'data.jsonl:1, data.jsonl:2',
      what: 'the prompt holds <s> (the first; the others are similar)',
    },
  ]);
});

test('thirty faults of one kind were listed one by one, and hid those of another', () => {
  const missing = (count: number) =>
    Array.from({ length: count }, (_, i) => ({
      where: `data.csv:${i + 2}`,
      what: `names "${i}.pgn", which is no picture`,
      fix: `Did you mean "${i}.png"?`,
    }));
  const other = { where: 'a.png', what: 'the file is empty', fix: 'Delete it.' };
  assert.deepEqual(faultsByKind([...missing(30), other, { ...other, where: 'b.png' }]), [
    {
      where: 'data.csv:2, data.csv:3, data.csv:4 and 27 more (30 in all)',
      what: 'names "0.pgn", which is no picture (the first; the others are similar)',
      fix: 'For the first: Did you mean "0.png"?',
    },
    { ...other, where: 'a.png, b.png' },
  ]);
  // a few keep each their own words
  assert.deepEqual(faultsByKind(missing(3)), missing(3));
});
