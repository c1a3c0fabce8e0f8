import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withFolder, write } from '../checkpoints/small-model.test-util.ts';
import { UserError } from '../errors.ts';
import { fromFloat32 } from '../tensor/half.ts';
import { float32 } from '../tensor/tensor.ts';
import { exportGguf, type GgufExportOptions } from './export-gguf.ts';
import { writeKohyaLora } from '../adapter-files/kohya.ts';
import { golden, tinyLora, writeTinyModel } from './language-model.test-util.ts';
import { writePeftFolder } from '../adapter-files/peft.ts';

/** A folder with `base`, a tiny llama, and `adapter`, trained on it. */
function withBoth(use: (folder: string) => void, baseModel: string | undefined = '../base'): void {
  withFolder((folder) => {
    writeTinyModel(join(folder, 'base'), 'llama');
    writePeftFolder(join(folder, 'adapter'), {
      ...tinyLora(golden.cases.llama.config),
      dtype: 'float16',
      ...(baseModel !== undefined && { baseModel }),
    });
    use(folder);
  });
}

const refuses = (options: GgufExportOptions, pattern: RegExp) =>
  assert.throws(
    () => exportGguf(options),
    (error: unknown) =>
      error instanceof UserError && pattern.test(error.message) ? true : assert.fail(String(error)),
  );

test('an adapter, with the base that it names, in the type it has', () => {
  withBoth((folder) => {
    const file = join(folder, 'adapter/adapter-lora.gguf');
    assert.deepEqual(exportGguf({ path: join(folder, 'adapter') }), {
      kind: 'adapter',
      file,
      bytes: readFileSync(file).length,
      architecture: 'llama',
      type: 'f16',
      layers: 14,
    });
    const other = exportGguf({
      path: join(folder, 'adapter/adapter_model.safetensors'),
      base: join(folder, 'base'),
      output: folder,
      type: 'f32',
    });
    assert.equal(other.file, join(folder, 'adapter-lora.gguf'));
    assert.ok(other.bytes > 1.5 * readFileSync(file).length);
  });
});

test('a model', () => {
  withBoth((folder) => {
    const { file, kind, type } = exportGguf({ path: join(folder, 'base') });
    assert.deepEqual([file, kind, type], [join(folder, 'base/base-f16.gguf'), 'model', 'f16']);
    assert.equal(
      exportGguf({ path: join(folder, 'base/config.json'), type: 'q8_0' }).file,
      join(folder, 'base/base-q8_0.gguf'),
    );
  });
});

test('what cannot be exported is reported in one message, and nothing is written', () => {
  withBoth((folder) => {
    const [adapter, base] = [join(folder, 'adapter'), join(folder, 'base')];
    refuses({ path: join(folder, 'nowhere') }, /^[^\n]*nowhere: there is no such file or folder/);
    refuses(
      { path: folder },
      /neither adapter_config\.json nor config\.json in this folder\n.*Name .*adapter\./,
    );
    refuses({ path: adapter, base: folder }, /--base .*: this folder is /);
    refuses({ path: adapter, type: 'q8_0' }, /an adapter cannot be quantized/);
    refuses({ path: base, base }, /complete model, which needs no base model/);
    refuses(
      { path: adapter, output: join(base, 'config.json') },
      /config\.json: there is already a file of that name, and it is not a GGUF file/,
    );
    write(
      join(folder, 'gpt2/config.json'),
      JSON.stringify({ ...golden.cases.llama.config, model_type: 'gpt2' }),
    );
    assert.throws(
      () => exportGguf({ path: adapter, base: join(folder, 'gpt2') }),
      /config\.json model_type: models of type gpt2 are not supported/,
    );
    write(
      join(folder, 'wide/config.json'),
      JSON.stringify({
        ...golden.cases.llama.config,
        intermediate_size: 128,
        num_hidden_layers: 1,
      }),
    );
    refuses(
      { path: adapter, base: join(folder, 'wide') },
      /layers\.0\.mlp\.\w+_proj: its weight is \[(64, 128|128, 64)\], but the adapter is for \[(64, 96|96, 64)\] \(the first; the others are similar\)[^]*layers\.1\.\S+ and 4 more \(7 in all\): the base model has no such layer/,
    );
    write(
      join(base, 'config.json'),
      JSON.stringify({ ...golden.cases.llama.config, intermediate_size: 128 }),
    );
    assert.throws(
      () => exportGguf({ path: base }),
      /of the wrong shape:\s+model\.layers\.0\.mlp\.gate_proj\.weight is \[96, 64\], should be \[128, 64\]/,
    );
    assert.deepEqual(
      [...readdirSync(adapter), ...readdirSync(base)].filter((name) => /gguf|part/.test(name)),
      [],
    );
  });
});

test('an adapter whose base is not here asks for it', () => {
  for (const [baseModel, message] of [
    ['meta/llama', /its base model, meta\/llama, is not a folder on this machine\n.*--base/],
    [undefined, /does not name its base model\n.*--base/],
  ] as const) {
    withFolder((folder) => {
      writePeftFolder(folder, {
        ...tinyLora(golden.cases.llama.config),
        dtype: 'float32',
        ...(baseModel !== undefined && { baseModel }),
      });
      refuses({ path: folder }, message);
    });
  }
});

test('an adapter for pictures: what is there, and that nothing is to be done', () => {
  withFolder((folder) => {
    const path = join(folder, 'style.safetensors');
    const factor = fromFloat32(float32([4, 4], new Float32Array(16).fill(0.5)), 'float16');
    write(
      path,
      writeKohyaLora({
        modules: [
          { path: 'unet.mid_block.attentions.0.proj_in', down: factor, up: factor, alpha: 4 },
        ],
        metadata: {},
        dtype: 'float16',
      }),
    );
    for (const given of [path, folder])
      refuses(
        { path: given },
        /style\.safetensors: this is an adapter for pictures \(Stable Diffusion, 1 layers\), and GGUF is for language models\n.*load the file as it is/,
      );
    assert.ok(!existsSync(join(folder, 'style.gguf')));
  });
});
