// A base of a language model with tensors that are not part of it, of any type: merge and export
// take it as training does.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadLanguageModel } from '../checkpoints/hf-folder.ts';
import { withFolder, write } from '../checkpoints/small-model.test-util.ts';
import { exportGguf } from './export-gguf.ts';
import { golden, tinyLora, writeTinyModel } from './language-model.test-util.ts';
import { mergeLora } from './merge.ts';

const { config } = golden.cases.llama;
const lora = tinyLora(config);

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>;

/** Changes the header of the base's last file, whose tensors' bytes are followed by `more`. */
function change(base: string, changed: (header: Header, end: number) => void, more = 0): void {
  const name =
    readdirSync(base)
      .sort()
      .filter((one) => one.endsWith('.safetensors'))
      .at(-1) ?? '';
  const bytes = readFileSync(join(base, name));
  const length = Number(bytes.readBigUInt64LE());
  // the file was written by this program
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Header;
  changed(header, bytes.length - 8 - length);
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  const content = [size, text, bytes.subarray(8 + length), Buffer.alloc(more)];
  write(join(base, name), Buffer.concat(content));
}

const EXTRAS = ['model.layers.0.mlp.up_proj.input_amax', 'trainer.scale', 'ema.weight'];

function addFloat8(base: string): void {
  const add = (header: Header, end: number) =>
    EXTRAS.forEach((name, i) => {
      const [from, to] = [end + 4 * i, end + 4 * i + 4];
      header[name] = { dtype: 'F8_E4M3', shape: [2, 2], data_offsets: [from, to] };
    });
  change(base, add, 4 * EXTRAS.length);
  const index = join(base, 'model.safetensors.index.json');
  if (!existsSync(index)) return;
  const listed = JSON.parse(readFileSync(index, 'utf8')) as { weight_map: Record<string, string> };
  const [file] = Object.values(listed.weight_map).sort().slice(-1);
  for (const name of EXTRAS) listed.weight_map[name] = file;
  write(index, JSON.stringify(listed));
}

test('one float8 leftover in a base, which training ignores, stopped merge and export', () => {
  for (const dtype of [undefined, 'bfloat16'] as const)
    withFolder((folder) => {
      const [base, output] = [join(folder, 'base'), join(folder, 'merged')];
      writeTinyModel(base, 'llama');
      const before = [...loadLanguageModel(base).weights.keys()].sort();
      addFloat8(base);
      const losses = mergeLora({ base, lora, output, ...(dtype !== undefined && { dtype }) });
      assert.match(losses.warnings[0].what, /^3 tensors .*ignored: .*input_amax, trainer\.scale/);
      const merged = loadLanguageModel(output);
      assert.deepEqual([...merged.weights.keys()].sort(), before);
      assert.deepEqual(merged.warnings, [], 'they are no part of the merged model');
      const index = join(output, 'model.safetensors.index.json');
      if (existsSync(index)) assert.doesNotMatch(readFileSync(index, 'utf8'), /trainer|amax/);
      const { notes } = exportGguf({ path: base });
      assert.match(String(notes), /3 tensors that are not part of the model are ignored/);
    });
});

test('a float8 weight of the model itself is refused, and leaves no folder', () => {
  withFolder((folder) => {
    const [base, output] = [join(folder, 'base'), join(folder, 'merged')];
    writeTinyModel(base, 'llama');
    change(base, (header) => {
      const [name] = Object.keys(header).filter((one) => one.endsWith('down_proj.weight'));
      header[name] = { ...header[name], dtype: 'F8_E4M3' };
    });
    assert.throws(() => mergeLora({ base, lora, output }), /fewer than 16 bits \(float8\)/);
    assert.deepEqual(readdirSync(folder), ['base']);
  });
});

test('a base of an unknown family is merged with a word on what was not checked', () => {
  withFolder((folder) => {
    const [base, output] = [join(folder, 'base'), join(folder, 'merged')];
    writeTinyModel(base, 'llama');
    assert.deepEqual(mergeLora({ base, lora, output: join(folder, 'known') }).warnings, []);
    const path = join(base, 'config.json');
    // the file was written by this program
    const file = JSON.parse(readFileSync(path, 'utf8')) as object;
    write(path, JSON.stringify({ ...file, model_type: 'stablelm' }));
    const { warnings } = mergeLora({ base, lora, output });
    assert.deepEqual(
      warnings.map(({ what }) => what),
      [
        'stablelm is none of the types known here, so nothing but the layers of the adapter was checked',
      ],
    );
  });
});

test('a base of an unknown family with float8 tensors is refused: nobody knows whether it needs them', () => {
  withFolder((folder) => {
    const [base, output] = [join(folder, 'base'), join(folder, 'merged')];
    writeTinyModel(base, 'llama');
    addFloat8(base);
    write(join(base, 'config.json'), JSON.stringify({ ...config, model_type: 'unheard_of' }));
    assert.throws(() => mergeLora({ base, lora, output }), /"F8_E4M3" is not supported/);
    assert.deepEqual(readdirSync(folder), ['base']);
  });
});

test('a merge copied scripts and tables that lay beside the base: what is left is told', () => {
  withFolder((folder) => {
    const [base, output] = [join(folder, 'base'), join(folder, 'merged')];
    writeTinyModel(base, 'llama');
    const own = [
      'LICENSE',
      'merges.txt',
      'modeling_x.py',
      'tokenizer.model',
      'chat_template.jinja',
    ];
    const left = ['a.ts', 'b.csv', 'c.png', 'd.md'];
    for (const name of [...own, ...left, 'README.md', 'old.bin']) write(join(base, name), 'x');
    const { warnings } = mergeLora({ base, lora, output });
    const found = readdirSync(output);
    for (const name of own) assert.ok(found.includes(name), name);
    for (const name of [...left, 'README.md', 'old.bin']) assert.ok(!found.includes(name), name);
    assert.equal(
      warnings.at(-1)?.what,
      '4 files not copied, as no part of a model: a.ts, b.csv, c.png and 1 more',
    );
  });
});
