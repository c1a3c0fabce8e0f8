// What people give as a base model: a level too high or too low, of another kind, or half there.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { baseFolder } from '../export/base-folder.ts';
import { serialize } from '../tensor/safetensors.ts';
import { loadLanguageModel } from './hf-folder.ts';
import { singleFileTensors, writeFolder } from './small-model.test-util.ts';
import { loadStableDiffusion } from './stable-diffusion.ts';

const root = mkdtempSync(join(tmpdir(), 'model levels '));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

function folderOf(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = join(root, `${count++}`);
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof Error);
    return error.message.replaceAll(root, '…');
  }
  return 'nothing';
}
const asLanguage = (path: string) => refusal(() => loadLanguageModel(path));
const asPictures = (path: string) => refusal(() => loadStableDiffusion(path));

const model = (folder: string) => ({
  [`${folder}config.json`]: '{"model_type":"llama"}',
  [`${folder}tokenizer.json`]: '{}',
  [`${folder}model.safetensors`]: serialize(new Map()),
});
const diffusers = join(root, 'diffusers');
mkdirSync(diffusers);
writeFolder(diffusers);
writeFileSync(join(diffusers, 'model_index.json'), '{"_class_name":"StableDiffusionPipeline"}');
const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 988097824\n';

test("Hugging Face's cache: its root, a model in it, snapshots and blobs lead to the snapshot", () => {
  const files = model('hub/models--acme--tiny/snapshots/0123/');
  const folder = folderOf({
    ...files,
    'hub/models--acme--tiny/blobs/aa': '',
    'hub/models--acme--tiny/refs/main': '0123',
    'hub/models--acme--other/refs/main': '4567',
  });
  const ours = join('hub', 'models--acme--tiny');
  const found = /base_model: …\/\d+\/hub\/models--acme--tiny\/snapshots\/0123$/;
  assert.match(asLanguage(join(folder, 'hub')), /this is Hugging Face's cache, not one model/);
  for (const part of ['hub', ours, join(ours, 'snapshots'), join(ours, 'blobs')])
    assert.match(asLanguage(join(folder, part)), found, part);
  assert.match(asPictures(join(folder, 'hub')), /There is no Stable Diffusion model in it/);
});

test('a cache that was copied without its blobs says that its links lead nowhere', () => {
  const folder = folderOf({ 'tokenizer.json': '{}' });
  symlinkSync('../../blobs/aa', join(folder, 'config.json'));
  assert.match(
    asLanguage(folder),
    /config\.json cannot be read: it is a link to .*blobs\/aa, which is/,
  );
  const weights = folderOf({ 'config.json': '{"model_type":"llama"}' });
  symlinkSync('../../blobs/bb', join(weights, 'model.safetensors'));
  const file = join(weights, 'model.safetensors');
  assert.match(asPictures(file), /no such file or folder|is a link to/);
});

test('a folder above the model, and folders and files within it', () => {
  const above = folderOf(model('x/llm/'));
  assert.match(asLanguage(above), /one lies below it\n.*base_model: …\/\d+\/x\/llm$/);
  const two = folderOf({ ...model('a/'), ...model('b/') });
  assert.match(asLanguage(two), /2 lie below it\n.*base_model: \S+\/a, or base_model: \S+\/b$/);
  const llm = folderOf(model(''));
  for (const file of ['model.safetensors', 'tokenizer.json'])
    assert.match(
      asLanguage(join(llm, file)),
      /one file of a language model.*\n.*base_model: …\/\d+$/,
    );
  assert.match(asPictures(root), /base_model: …\/diffusers/);
  for (const part of ['unet', 'vae', 'text_encoder']) {
    assert.match(asPictures(join(diffusers, part)), /one part .*\n.*base_model: …\/diffusers$/);
    assert.match(asLanguage(join(diffusers, part)), /one part .*\n.*base_model: …\/diffusers$/);
  }
  assert.match(asPictures(join(diffusers, 'unet', 'config.json')), /base_model: …\/diffusers$/);
});

test('a folder that holds a single-file checkpoint names the file', () => {
  const folder = folderOf({ 'm.safetensors': serialize(singleFileTensors('float16')) });
  assert.match(asPictures(folder), /base_model: …\/\d+\/m\.safetensors$/);
  assert.match(asLanguage(join(folder, 'm.safetensors')), /its weights are a model for pictures/);
});

test('an adapter says which base it wants, and where that is', () => {
  const base = folderOf(model(''));
  const named = (name: string) =>
    folderOf({ 'adapter_config.json': JSON.stringify({ base_model_name_or_path: name }) });
  assert.match(
    asLanguage(named(base)),
    /this folder is an adapter \(PEFT\), not a model\n.*trained on …\/\d+\. Name that: base_model: …\/\d+$/,
  );
  assert.match(
    asPictures(named('Qwen/Qwen2.5-0.5B')),
    /trained on Qwen.*Nothing is downloaded here/,
  );
  const folder = named('Qwen/Qwen2.5-0.5B');
  const asBase = (given?: string) =>
    refusal(() => baseFolder({ folder, named: 'Qwen/Qwen2.5-0.5B', ...(given && { given }) }));
  assert.match(
    asBase(),
    /is not a folder on this machine[^]*on Hugging Face is meant[^]*then --base models\/Qwen2\.5-0\.5B$/,
  );
  assert.match(asBase(dirname(join(folderOf(model('llm/')), 'x'))), /--base …\/\d+\/llm$/);
  assert.match(asBase(folder), /this folder is an adapter/);
});

test("a language model's adapter as base for pictures was told to name its language model", () => {
  const config = { base_model_name_or_path: 'models/tiny-llm', task_type: 'CAUSAL_LM' };
  const folder = folderOf({ 'adapter_config.json': JSON.stringify(config) });
  assert.match(
    asPictures(folder),
    /the adapter of a language model .*\n.*Name a Stable Diffusion model; or write task_type: text-generation/,
  );
  assert.match(asLanguage(folder), /an adapter \(PEFT\), not a model/);
});

test("a base that its config.json names is found again by the adapter's commands", () => {
  const base = folderOf(model(''));
  assert.equal(baseFolder({ folder: root, named: join(base, 'config.json') }), base);
  assert.equal(
    baseFolder({ folder: root, named: undefined, given: join(base, 'config.json') }),
    base,
  );
});

test('a model of the other kind is told as such, with task_type', () => {
  assert.match(asLanguage(diffusers), /a model for pictures.*\n.*leave out task_type/);
  assert.match(
    asPictures(folderOf(model(''))),
    /a language model \(llama\).*\n.*task_type: text-generation/,
  );
  assert.match(
    asPictures(folderOf({ 'transformer/config.json': '{}' })),
    /a diffusion transformer/,
  );
});

test('other forms, data, and nothing', () => {
  assert.match(asLanguage(folderOf({ 'q4.gguf': 'GGUF' })), /has a GGUF file, q4\.gguf/);
  assert.match(asPictures(folderOf({ 'v1.ckpt': '' })), /has a Python pickle, v1\.ckpt/);
  assert.match(asLanguage(folderOf({ 'a.safetensors': '' })), /has a\.safetensors, but no config/);
  assert.match(asLanguage(folderOf({ 'a.jsonl': '', 'b.txt': '' })), /a folder of data/);
  assert.match(asLanguage(folderOf({})), /this folder is empty/);
  for (const [name, said] of [
    ['m.gguf', /a GGUF file, as llama\.cpp/],
    ['m.bin', /a Python pickle/],
    ['m.safetensors.part', /download of this file is not finished/],
    ['m.safetensors.crdownload', /download of this file is not finished/],
  ] as const) {
    const path = join(folderOf({ [name]: 'x' }), name);
    assert.match(asLanguage(path), said, name);
    if (name !== 'm.gguf') assert.match(asPictures(path), said, name);
  }
  const aria = folderOf({ 'm.safetensors': '\0'.repeat(99), 'm.safetensors.aria2': '' });
  assert.match(asPictures(join(aria, 'm.safetensors')), /download of this file is not finished/);
});

test('downloads that broke off, shards that are missing, pointers in place of files', () => {
  const { 'model.safetensors': weights, ...rest } = model('');
  const config = { ...rest, 'config.json': SMALL };
  for (const name of ['model.safetensors.incomplete', '.cache/huggingface/download/x.incomplete'])
    assert.match(
      asLanguage(folderOf({ ...config, [name]: '' })),
      /download of \S+ is not finished/,
    );
  const shards = { 'model-00001-of-00003.safetensors': weights };
  assert.match(
    asLanguage(folderOf({ ...config, ...shards })),
    /no model-00002-of-00003\.safetensors, model-00003-of-00003\.safetensors/,
  );
  for (const name of ['config.json', 'model.safetensors'])
    assert.match(
      asLanguage(folderOf({ ...config, [name]: pointer })),
      /this is a Git LFS pointer, .* of 988 MB\n.*git lfs pull/,
    );
  const page = folderOf({ 'm.safetensors': '<!DOCTYPE html><html>' });
  assert.match(asPictures(join(page, 'm.safetensors')), /this is a web page/);
  const answer = folderOf({ 'm.safetensors': 'Entry not found' });
  assert.match(asPictures(join(answer, 'm.safetensors')), /a short text, "Entry not found"/);
});

/** The least that a llama's config.json has. */
const SMALL = JSON.stringify({
  model_type: 'llama',
  vocab_size: 8,
  hidden_size: 8,
  intermediate_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  max_position_embeddings: 16,
  rms_norm_eps: 1e-5,
});
