import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { inspectAdapter } from '../index.ts';
import { inspectLines } from './inspect-lines.ts';

const report = inspectAdapter('reference/golden/adapter_formats/kohya.safetensors');
const textOf = (options: Parameters<typeof inspectLines>[1]) =>
  stripVTControlCharacters(inspectLines(report, options).join('\n'));

test('a report says format, sizes, scales, blocks, hashes and programs', () => {
  const text = textOf({});
  for (const part of [
    "format  a file with kohya's keys",
    'size    6 modules',
    'rank    2 (5×), 1 (1×)',
    'scale   1',
    'unet.mid_block',
    'AutoV3',
    '✓ diffusers 0.42.1',
    '✗ PEFT 0.21.2',
    'lora convert --to peft',
  ])
    assert.ok(text.includes(part), `${part}\n${text}`);
  const lines = text.split('\n').filter((line) => !line.includes('sshs_'));
  assert.ok(lines.every((line) => line.length <= 100));
});

test('modules one by one, when asked for', () => {
  assert.ok(!textOf({}).includes('mid_block.resnets.0.conv1 '));
  assert.match(textOf({ modules: true }), /unet\.mid_block\.resnets\.0\.conv1\s+160×160×3×3\s+2/);
});

test('a dead module and a name that is not known are to be noted', () => {
  const [first] = report.modules;
  const odd = { ...report, modules: [{ ...first, path: null, dead: 'B is zero' }] };
  const text = stripVTControlCharacters(inspectLines(odd, {}).join('\n'));
  assert.match(text, /1× adds nothing, because B is zero: lora_/);
  assert.match(text, /1× has a name that is not known here/);
});
