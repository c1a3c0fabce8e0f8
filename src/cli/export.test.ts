// `lora merge` and `lora export` as a person calls them.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { golden, tinyLora, writeTinyModel } from '../export/language-model.test-util.ts';
import { writePeftFolder } from '../adapter-files/peft.ts';
import { exportCommand } from './export.ts';
import { mergeCommand } from './merge.ts';
import { newFolder, runCommand } from './run.test-util.ts';

const lora = (...words: string[]) => runCommand([exportCommand, mergeCommand], words);

test('adapter → merged folder → GGUF', async (t) => {
  const folder = newFolder(t);
  const [base, adapter, merged] = ['base', 'adapter', 'merged'].map((name) => join(folder, name));
  writeTinyModel(base, 'qwen2');
  writePeftFolder(adapter, {
    ...tinyLora(golden.cases.qwen2.config),
    dtype: 'float32',
    baseModel: base,
  });
  const gguf = join(adapter, 'adapter-lora.gguf');
  assert.deepEqual(await lora('export', '--to', 'gguf', adapter), {
    code: 0,
    text: `✓ ${gguf}: qwen2 adapter of 14 layers, f32, 32 KiB\n  llama-cli -m <base model>.gguf --lora ${gguf}\n`,
  });
  const result = await lora(
    'merge',
    adapter,
    '--base',
    base,
    '--output',
    merged,
    '--dtype',
    'bfloat16',
  );
  assert.deepEqual(result, {
    code: 0,
    text: `✓ ${join(merged, 'model-00001-of-00002.safetensors')} and 1 more: 14 layers of ${base} changed\n  lora export --to gguf ${merged}\n`,
  });
  assert.match(
    (await lora('export', merged, '--to', 'gguf', '--type', 'q8_0', '-o', join(folder, 'x.gguf')))
      .text,
    /x\.gguf: qwen2 model with its tokenizer, q8_0/,
  );
});

test('mistakes: one message, exit code 1, nothing written', async (t) => {
  const folder = newFolder(t);
  writeTinyModel(join(folder, 'base'), 'llama');
  const cases: [words: string[], message: RegExp][] = [
    [['export', '--to', 'onnx', folder], /unknown format "onnx"; the only one is gguf/],
    [
      ['export', '--to', 'gguf', '--type', 'q4_0', folder],
      /--type: unknown value "q4_0"; expected one of f32, f16, bf16, q8_0/,
    ],
    [
      ['merge', join(folder, 'base'), '--base', folder, '--output', join(folder, 'out')],
      /this is a complete model, not an adapter/,
    ],
    [
      [
        'merge',
        'reference/golden/peft_adapter',
        '--base',
        join(folder, 'nowhere'),
        '--output',
        join(folder, 'out'),
      ],
      /--base .*nowhere: there is no such folder/,
    ],
    [
      ['merge', 'models', '--base', folder, '--output', join(folder, 'out')],
      /neither adapter_config\.json nor config\.json/,
    ],
  ];
  for (const [words, message] of cases) {
    const { code, text } = await lora(...words);
    assert.equal(code, 1, text);
    assert.match(text, message);
  }
  assert.deepEqual(readdirSync(folder), ['base']);
  assert.ok(!existsSync(join(folder, 'out')));
});

test('an --output with a blank at its end, or of a name that is kept for a device, is not made', async (t) => {
  const folder = newFolder(t);
  writeTinyModel(join(folder, 'base'), 'llama');
  mkdirSync(join(folder, 'on:3'));
  writePeftFolder(join(folder, 'on:3'), {
    ...tinyLora(golden.cases.llama.config),
    dtype: 'float32',
    baseModel: '../base',
  });
  const adapter = join(folder, 'on:3');
  for (const [name, message] of [
    ['merged ', /has blanks or[^]*Write ".*merged"/],
    ['nul', /"nul", that is a name that Windows reserves for a device/],
    ['a:b', /contains :/],
  ] as const) {
    const output = join(folder, name);
    for (const words of [
      ['merge', adapter, '-o', output],
      ['export', '--to', 'gguf', adapter, '-o', output],
    ]) {
      const { code, text } = await lora(...words);
      assert.equal(code, 1);
      assert.match(text, message);
    }
  }
  const derived = await lora('export', '--to', 'gguf', adapter);
  assert.match(derived.text, /the file would be called "on:3-lora.gguf", which contains :/);
  assert.deepEqual(readdirSync(folder).sort(), ['base', 'on:3']);
});
