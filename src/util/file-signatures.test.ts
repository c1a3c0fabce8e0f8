import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeText, unicodeText } from './encoding/decode-text.ts';
import { foreignFile, shortAnswer } from './file-signatures.ts';

const latin = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const tar = latin('10_lamp/'.padEnd(257, '\0') + 'ustar\x0000');
const pointer = (size: number) =>
  latin(
    `version https://git-lfs.github.com/spec/v1\noid sha256:${'4d'.repeat(32)}\nsize ${size}\n`,
  );

test('a Git LFS pointer is known in every file that is read as text, with the size of the real one', () => {
  assert.equal(
    foreignFile(pointer(988097824))?.name,
    'a Git LFS pointer, a small text that stands for the real file of 988 MB',
  );
  assert.match(foreignFile(pointer(0))?.name ?? '', /of 0 bytes$/);
  const decoded = decodeText(pointer(12));
  assert.match('what' in decoded ? decoded.what : '', /^is a Git LFS pointer/);
  assert.throws(() => unicodeText(pointer(12)), /is a Git LFS pointer/);
});

test('web pages, refusals and packed files are known by their first bytes', () => {
  const kinds: readonly (readonly [string, Uint8Array])[] = [
    ['web-page', latin('<!DOCTYPE html>\n<html>')],
    ['web-page', latin('\n<!-- saved -->\n<HTML lang="en">')],
    ['web-page', latin('\xef\xbb\xbf<html><body>404')],
    ['refusal', latin('<?xml version="1.0"?><Error><Code>AccessDenied</Code>')],
    ['zip', latin('PK\x03\x04\x14')],
    ['gzip', latin('\x1f\x8b\x08')],
    ['zstd', latin('\x28\xb5\x2f\xfd')],
    ['7z', latin('7z\xbc\xaf\x27\x1c')],
    ['tar', tar],
    ['parquet', latin('PAR1\x15')],
    ['arrow', latin('\xff\xff\xff\xff\x80\x01\0\0')],
    ['pickle', latin('\x80\x02}q\0.')],
    ['safetensors', latin('\x40\0\0\0\0\0\0\0{"a"')],
  ];
  for (const [kind, bytes] of kinds) assert.equal(foreignFile(bytes)?.kind, kind, kind);
});

test('texts that only talk of such files are texts', () => {
  for (const text of [
    'A tar archive, said the customer.',
    '<htmlish> is a word',
    'We version https://git-lfs.github.com/spec/v1 files',
    '{"text": "<!DOCTYPE html>"}',
    'PARIS',
    '',
  ])
    assert.equal(foreignFile(latin(text)), undefined, text);
});

test('what a server answered in place of a file is repeated; a longer text is no answer', () => {
  assert.equal(shortAnswer(latin('Entry not found'), 15), '"Entry not found"');
  assert.equal(
    shortAnswer(latin('{"error":"Repository not found"}'), 32),
    '"{\\"error\\":\\"Repository not found\\"}"',
  );
  assert.equal(shortAnswer(latin('Entry not found'), 5000), undefined);
  assert.equal(shortAnswer(latin('a lamp'), 6), undefined);
});
