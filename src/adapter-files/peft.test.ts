import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withFolder, write } from '../checkpoints/small-model.test-util.ts';
import { readFloat32 } from '../checkpoints/safetensors-file.ts';
import { CheckpointError, UserError } from '../errors.ts';
import { hashedWeight } from '../models/hashed-weights.test-util.ts';
import { fromFloat32, toFloat32 } from '../tensor/half.ts';
import { deserialize, serialize } from '../tensor/safetensors.ts';
import { float32, type Tensor } from '../tensor/tensor.ts';
import { openModelFiles } from '../export/model-files.ts';
import {
  golden,
  goldenTensor,
  linearPaths,
  tinyLora,
  writeTinyModel,
} from '../export/language-model.test-util.ts';
import { lora as loraKind } from '../adapters/lora.ts';
import { loraScale } from './language-lora.ts';
import { mergeLora } from '../export/merge.ts';
import { peftConfig, writePeftFolder } from './peft.ts';
import { readPeftFolder } from './peft-folder.ts';

const { config } = golden.cases.llama;
const lora = tinyLora(config);

function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < actual.length; i++)
    assert.ok(
      Math.abs(actual[i] - expected[i]) <= tolerance,
      `${i}: ${actual[i]} and ${expected[i]}`,
    );
}

test('a folder comes back as it was written', () => {
  withFolder((folder) => {
    const modules = lora.modules.map((module, i) => (i === 3 ? { ...module, alpha: 7 } : module));
    writePeftFolder(folder, {
      modules,
      rslora: true,
      dtype: 'float32',
      baseModel: 'a/b',
      dropout: 0.05,
    });
    const read = readPeftFolder(folder);
    assert.deepEqual(
      { ...read, modules: undefined, targets: undefined },
      {
        rslora: true,
        baseModel: 'a/b',
        revision: undefined,
        dropout: 0.05,
        modules: undefined,
        chatTemplate: undefined,
        templateDate: undefined,
        targets: undefined,
        start: undefined,
        warnings: [],
      },
    );
    const byPath = new Map(read.modules.map((module) => [module.path, module]));
    for (const module of modules) assert.deepEqual(byPath.get(module.path), module);
  });
});

test('the configuration has only old keys, and patterns where modules differ', () => {
  const modules = lora.modules.map((module, i) =>
    i === 0
      ? {
          ...module,
          alpha: 8,
          down: float32([1, 64], new Float32Array(64)),
          up: float32([64, 1], new Float32Array(64)),
        }
      : module,
  );
  const written = peftConfig({
    modules,
    rslora: false,
    dtype: 'float32',
    adaptable: linearPaths(config),
  });
  assert.deepEqual(written, {
    alpha_pattern: { 'model.layers.0.self_attn.q_proj': 8 },
    base_model_name_or_path: null,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: 2,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: 'LORA',
    r: 4,
    rank_pattern: { 'model.layers.0.self_attn.q_proj': 1 },
    revision: null,
    target_modules: ['down_proj', 'gate_proj', 'k_proj', 'o_proj', 'q_proj', 'up_proj', 'v_proj'],
    task_type: 'CAUSAL_LM',
  });
  const first = peftConfig({
    modules: modules.slice(0, 1),
    rslora: false,
    dtype: 'float32',
    adaptable: linearPaths(config),
  });
  // q_proj would mean both layers
  assert.deepEqual(first.target_modules, ['model.layers.0.self_attn.q_proj']);
});

test('reads what PEFT saved, with its patterns', () => {
  const { modules, rslora } = readPeftFolder('reference/golden/peft_adapter');
  assert.equal(rslora, false);
  assert.deepEqual(modules.map(({ path, alpha, down }) => [path, alpha, down.shape[0]]).sort(), [
    ['model.layers.0.self_attn.q_proj', 4, 2],
    ['model.layers.0.self_attn.v_proj', 4, 3],
    ['model.layers.1.self_attn.q_proj', 6, 2],
    ['model.layers.1.self_attn.v_proj', 4, 3],
  ]);
  const path = 'model.layers.1.self_attn.q_proj';
  const module = modules.find((candidate) => candidate.path === path);
  assert.ok(module);
  const merged = loraKind.merge(
    float32([64, 64], hashedWeight(`${path}.weight`, [64, 64])),
    module,
    loraScale(module, rslora),
  );
  // float32 sums in another order
  assertClose(merged.data, goldenTensor('peft.merged').data as Float32Array, 2e-6);
});

test('an adapter of the output layer has the weight of the base beside it, as PEFT saves it', () => {
  withFolder((folder) => {
    const head = {
      path: 'lm_head',
      alpha: 2,
      down: float32([2, 3], new Float32Array(6)),
      up: float32([5, 2], new Float32Array(10)),
    };
    writePeftFolder(folder, { modules: [head], rslora: false, dtype: 'float32' });
    const { tensors } = deserialize(
      new Uint8Array(readFileSync(join(folder, 'adapter_model.safetensors'))),
    );
    write(
      join(folder, 'adapter_model.safetensors'),
      serialize(
        new Map([
          ...tensors,
          ['base_model.model.lm_head.base_layer.weight', float32([5, 3], new Float32Array(15))],
        ]),
      ),
    );
    assert.deepEqual(readPeftFolder(folder).modules, [head]);
  });
});

test('names what is wrong in an adapter: rank, numbers, patterns, nothing at all', () => {
  const [first] = lora.modules;
  const faults: [modules: (typeof first)[], config: object, message: RegExp][] = [
    [[first], { r: 8 }, /q_proj: it has rank 4, but rank 8 according to adapter_config\.json/],
    [[first], { rank_pattern: { q_proj: 2 } }, /it has rank 4, but rank 2/],
    [[first], { alpha_pattern: { '(': 2 } }, /the pattern "\(" is not a regular expression/],
    [[], { r: 4 }, /adapter_model\.safetensors: it contains no layers/],
  ];
  for (const [modules, config, message] of faults) {
    withFolder((folder) => {
      writePeftFolder(folder, { modules, rslora: false, dtype: 'float32' });
      const path = join(folder, 'adapter_config.json');
      write(
        path,
        JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...config }),
      );
      assert.throws(
        () => readPeftFolder(folder),
        (error: unknown) => error instanceof CheckpointError && message.test(error.message),
      );
    });
  }
});

test('names the layer of an adapter that has NaN', () => {
  withFolder((folder) => {
    const [{ path, down, up }] = lora.modules;
    writePeftFolder(folder, { modules: lora.modules.slice(0, 1), rslora: false, dtype: 'float32' });
    const broken = float32(up.shape, new Float32Array(up.data.length).fill(NaN));
    const tensors = new Map<string, Tensor>([
      [`base_model.model.${path}.lora_A.weight`, down],
      [`base_model.model.${path}.lora_B.weight`, broken],
    ]);
    write(join(folder, 'adapter_model.safetensors'), serialize(tensors));
    assert.throws(() => readPeftFolder(folder), /q_proj: it has values that are not finite/);
  });
});

test('names what is not plain LoRA', () => {
  withFolder((folder) => {
    const source = 'reference/golden/peft_adapter';
    copyFileSync(
      join(source, 'adapter_model.safetensors'),
      join(folder, 'adapter_model.safetensors'),
    );
    const saved = JSON.parse(readFileSync(join(source, 'adapter_config.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    for (const [change, message] of [
      [{ use_dora: true, bias: 'all' }, /DoRA[^]*trained biases/],
      [{ modules_to_save: ['lm_head'] }, /whole modules/],
      [{ peft_type: 'LOHA' }, /LOHA, not LORA/],
    ] as const) {
      write(join(folder, 'adapter_config.json'), JSON.stringify({ ...saved, ...change }));
      assert.throws(
        () => readPeftFolder(folder),
        (error: unknown) => error instanceof CheckpointError && message.test(error.message),
      );
    }
  });
});

for (const dtype of ['float32', 'bfloat16'] as const) {
  test(`merges into ${dtype} as PEFT's merge_and_unload`, () => {
    withFolder((folder) => {
      writeTinyModel(join(folder, 'base'), 'llama', dtype);
      mergeLora({ base: join(folder, 'base'), lora, output: join(folder, 'merged') });
      const [base, merged] = [
        openModelFiles(join(folder, 'base')),
        openModelFiles(join(folder, 'merged')),
      ];
      assert.deepEqual([...merged.tensors.keys()], [...base.tensors.keys()]);
      const key = 'model.layers.0.self_attn.k_proj.weight';
      const [tensor, norm] = [key, 'model.norm.weight'].map((name) => merged.tensors.get(name));
      assert.ok(tensor && norm);
      assert.equal(tensor.dtype, dtype);
      const expected = goldenTensor(`merged.${dtype}`).data as Float32Array;
      // One unit in the last place of numbers below 1, where the sums end on either side of a
      // rounding.
      assertClose(readFloat32(tensor).data, expected, dtype === 'float32' ? 2e-6 : 2 ** -7);
      assert.deepEqual(
        readFloat32(norm).data,
        toFloat32(fromFloat32(float32([64], hashedWeight('model.norm.weight', [64])), dtype)).data,
      );
      assert.equal(
        readFileSync(join(folder, 'merged', 'tokenizer.json'), 'utf8'),
        readFileSync(join(folder, 'base', 'tokenizer.json'), 'utf8'),
      );
    });
  });
}

test('merges into another type, and says so in the files beside', () => {
  withFolder((folder) => {
    const [base, output] = [join(folder, 'base'), join(folder, 'a/merged')];
    writeTinyModel(base, 'llama', 'bfloat16');
    mergeLora({ base, lora, output, dtype: 'float16' });
    const { tensors } = openModelFiles(output);
    assert.ok([...tensors.values()].every(({ dtype }) => dtype === 'float16'));
    assert.match(readFileSync(join(output, 'config.json'), 'utf8'), /"torch_dtype": "float16"/);
    const { metadata } = JSON.parse(
      readFileSync(join(output, 'model.safetensors.index.json'), 'utf8'),
    ) as { metadata: object };
    assert.deepEqual(metadata, {
      total_size: [...tensors.values()].reduce((sum, { length }) => sum + length, 0),
    });
    assert.throws(() => mergeLora({ base, lora, output }), /this folder is not empty/);
  });
});

test("a base in Hugging Face's cache, whose files are links to others of another name", () => {
  withFolder((folder) => {
    const [base, blobs] = [join(folder, 'base'), join(folder, 'blobs')];
    writeTinyModel(base, 'llama');
    renameSync(base, blobs);
    mkdirSync(base);
    for (const [i, name] of readdirSync(blobs).entries()) {
      renameSync(join(blobs, name), join(blobs, `${i}`));
      symlinkSync(`../blobs/${i}`, join(base, name));
    }
    mergeLora({ base, lora, output: join(folder, 'merged') });
    assert.deepEqual(readdirSync(join(folder, 'merged')), readdirSync(base));
    assert.equal(
      openModelFiles(join(folder, 'merged')).tensors.size,
      openModelFiles(base).tensors.size,
    );
  });
});

test('another type changes one word of config.json: numbers stay as they were written', () => {
  withFolder((folder) => {
    const [base, output] = [join(folder, 'base'), join(folder, 'merged')];
    writeTinyModel(base, 'llama');
    for (const [told, expected] of [
      ['"dtype": null, ', '"dtype": "bfloat16", '],
      ['', '\n  "torch_dtype": "bfloat16",'],
    ] as const) {
      write(
        join(base, 'config.json'),
        JSON.stringify(config)
          .replace(/"(torch_)?dtype":"\w+",?/g, '')
          .replace('{', `{${told}"cap": 30.0, `),
      );
      mergeLora({ base, lora, output, dtype: 'bfloat16' });
      assert.ok(
        readFileSync(join(output, 'config.json'), 'utf8').startsWith(`{${expected}"cap": 30.0, `),
      );
      rmSync(output, { recursive: true });
    }
  });
});

test('a merged weight beyond float16 is named, and no folder is left', () => {
  withFolder((folder) => {
    const [base, output] = [join(folder, 'base'), join(folder, 'a/merged')];
    writeTinyModel(base, 'llama');
    const huge = { ...lora, modules: lora.modules.map((module) => ({ ...module, alpha: 1e8 })) };
    assert.throws(
      () => mergeLora({ base, lora: huge, output, dtype: 'float16' }),
      /float16 would lose numbers[^]*bfloat16/,
    );
    assert.ok(!existsSync(join(folder, 'a')));
  });
});

test('refuses to merge what does not fit, each layer by name', () => {
  withFolder((folder) => {
    writeTinyModel(folder, 'llama');
    const [first] = lora.modules;
    const wrong = [
      { ...first, path: 'model.layers.9.self_attn.q_proj' },
      { ...first, path: 'model.layers.0.mlp.up_proj' },
    ];
    const isOurs = (error: unknown) =>
      error instanceof UserError &&
      /layers\.9\.self_attn\.q_proj: the base model has no such layer[^]*up_proj: its weight is \[96, 64\]/.test(
        error.message,
      );
    assert.throws(
      () =>
        mergeLora({
          base: folder,
          lora: { modules: wrong, rslora: false },
          output: join(folder, 'out'),
        }),
      isOurs,
    );
    assert.throws(() => mergeLora({ base: folder, lora, output: folder }), /overwrite its base/);
    write(
      join(folder, 'config.json'),
      JSON.stringify({ ...config, quantization_config: { quant_method: 'gptq' } }),
    );
    assert.throws(
      () => mergeLora({ base: folder, lora, output: join(folder, 'out') }),
      /quantization_config: its weights are quantized/,
    );
    assert.ok(!existsSync(join(folder, 'out')) && !existsSync(join(folder, 'out.part')));
  });
});

test('the date that the template wrote in training travels with the adapter', () => {
  withFolder((folder) => {
    writePeftFolder(folder, { ...lora, dtype: 'float32', templateDate: '2026-05-03T04:05:06' });
    assert.equal(readPeftFolder(folder).templateDate, '2026-05-03T04:05:06');
    writePeftFolder(folder, { ...lora, dtype: 'float32' });
    assert.equal(readPeftFolder(folder).templateDate, undefined);
  });
});
