// Where an adapter is due: a file in it, a folder above several, a run without one, a model.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { openSafetensors } from '../checkpoints/safetensors-file.ts';
import { readAdapterFolder } from './adapter-folder.ts';
import { requireAdapterFolder } from './adapter-levels.ts';
import { serialize } from '../tensor/safetensors.ts';
import { float32 } from '../tensor/tensor.ts';
import { adapterSource, exportSource } from '../export/source.ts';

const root = mkdtempSync(join(tmpdir(), 'adapter levels '));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

function folderOf(...names: readonly string[]): string {
  const folder = join(root, `${count++}`);
  for (const name of ['.keep', ...names]) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), '{}');
  }
  return folder;
}

test('a file of an adapter stands for its folder', () => {
  const folder = folderOf('adapter_config.json', 'adapter_model.safetensors', 'run.json');
  assert.equal(requireAdapterFolder(join(folder, 'adapter_model.safetensors')), folder);
  assert.equal(requireAdapterFolder(folder), folder, 'a run folder');
});

test('a folder above runs names the adapters in it, for every command', () => {
  const two = folderOf('runs/20260101-000000/adapter_config.json', 'support/adapter_config.json');
  for (const work of [() => exportSource(two), () => readAdapterFolder(two)])
    assert.throws(work, /support,? .*runs\/20260101-000000\.$/);
});

test('a folder above nine runs named all nine adapters', () => {
  const nine = folderOf(...Array.from({ length: 9 }, (_, i) => `run${i}/adapter_config.json`));
  for (const work of [() => exportSource(nine), () => readAdapterFolder(nine)])
    assert.throws(work, /Name .*run0, or .*run1, or .*run2 \(or one of 6 others\)\.$/);
});

test('what is for pictures was answered in lora merge with GGUF', () => {
  const base = folderOf('model_index.json', 'unet/config.json');
  assert.throws(
    () => adapterSource(base, 'merged'),
    /a model for pictures \(diffusers\), not a language model\n.*Name the folder of a language/,
  );
  const adapter = join(folderOf(), 'style.safetensors');
  const name = 'lora_unet_mid_block_attentions_0_proj_in.lora_down.weight';
  writeFileSync(adapter, serialize(new Map([[name, float32([1, 1], [1])]])));
  for (const verb of ['merged', 'evaluated'])
    assert.throws(
      () => adapterSource(adapter, verb),
      new RegExp(`pictures .*1 layer\\); only .* can be ${verb}\\n.*WebUI`),
    );
  const model = folderOf('config.json', 'checkpoint-9/adapter_config.json');
  assert.throws(() => adapterSource(model, 'merged'), /complete model.*\n.*checkpoint-9\.$/);
});

test('a run without an adapter, a model, nothing', () => {
  const refuses = (path: string, said: RegExp) =>
    assert.throws(() => readAdapterFolder(path), said);
  refuses(folderOf('run.json', 'config.yaml'), /a run that saved no adapter/);
  refuses(folderOf('config.json'), /a complete model, not an adapter/);
  refuses(folderOf('a.txt'), /there is no adapter_config\.json in it/);
  refuses(join(root, 'nowhere'), /there is no such file or folder/);
});

test('a folder in place of a .safetensors file names the files in it', () => {
  assert.throws(
    () => openSafetensors(folderOf('b.safetensors')),
    /Name the file in it: .*b\.safetensors$/,
  );
  assert.throws(() => openSafetensors(folderOf()), /There is none in it/);
});
