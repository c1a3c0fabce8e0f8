// Adapters that other programs wrote, or that are none: each is read right, or has its own answer.

import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadLanguageModel } from '../checkpoints/hf-folder.ts';
import { withFolder, write } from '../checkpoints/small-model.test-util.ts';
import { AdapterError, CheckpointError, UserError } from '../errors.ts';
import { openModel } from '../eval/open-model.ts';
import { toFloat32 } from '../tensor/half.ts';
import { deserialize, serialize } from '../tensor/safetensors.ts';
import { float32, type Tensor } from '../tensor/tensor.ts';
import { trainTextWithBatches } from '../train/text/given-batches.ts';
import { readAdapterFolder } from './adapter-folder.ts';
import { exportGguf } from '../export/export-gguf.ts';
import {
  golden,
  linearPaths,
  tinyLora,
  writeTinyModel,
} from '../export/language-model.test-util.ts';
import { loraScale } from './language-lora.ts';
import { mergeLora } from '../export/merge.ts';
import { writePeftFolder } from './peft.ts';

const { config } = golden.cases.llama;
const lora = tinyLora(config);

function withAdapter(use: (folder: string, adapter: string, base: string) => void): void {
  withFolder((folder) => {
    const [adapter, base] = [join(folder, 'adapter'), join(folder, 'base')];
    writeTinyModel(base, 'llama');
    const adaptable = linearPaths(config);
    writePeftFolder(adapter, { ...lora, dtype: 'float32', baseModel: base, adaptable });
    use(folder, adapter, base);
  });
}

function change(folder: string, changes: object): void {
  const path = join(folder, 'adapter_config.json');
  const saved = JSON.parse(readFileSync(path, 'utf8')) as object;
  write(path, JSON.stringify({ ...saved, ...changes }));
}

/** Takes tensors out of the file. */
function without(folder: string, pattern: RegExp): void {
  const path = join(folder, 'adapter_model.safetensors');
  const { tensors } = deserialize(new Uint8Array(readFileSync(path)));
  write(path, serialize(new Map([...tensors].filter(([name]) => !pattern.test(name))), {}));
}

/** What each way of using an adapter says of it. */
function answers(folder: string, adapter: string, base: string): Readonly<Record<string, string>> {
  const uses = {
    eval: () => openModel({ adapter, baseModel: base }),
    merge: () => {
      const read = readAdapterFolder(adapter);
      mergeLora({ base, lora: read, output: join(folder, 'merged') });
    },
    gguf: () => exportGguf({ path: adapter, base }),
    initial: () =>
      trainTextWithBatches(
        { base_model: base, max_train_steps: 1, lora_rank: 4, target_modules: 'all-linear' },
        { initial: adapter, batchesAt: () => [] },
      ),
  };
  const said = Object.entries(uses).map(([name, use]) => {
    try {
      use();
      return [name, 'accepted'];
    } catch (error) {
      if (error instanceof UserError) return [name, error.message];
      throw error;
    }
  });
  return Object.fromEntries(said) as Record<string, string>;
}

function eachSays(pattern: RegExp, ...folders: [string, string, string]): void {
  for (const [use, message] of Object.entries(answers(...folders)))
    assert.match(message, pattern, use);
}

test('a pair that is missing is refused by eval, merge, exports and training alike', () => {
  withAdapter((folder, adapter, base) => {
    without(adapter, /layers\.1\.self_attn\.k_proj/);
    eachSays(
      /target_modules: the adapter has no weights for model\.layers\.1\.self_attn\.k_proj, which its configuration names/,
      folder,
      adapter,
      base,
    );
    change(adapter, { exclude_modules: ['layers.1.self_attn.k_proj'] });
    assert.equal(answers(folder, adapter, base).eval, 'accepted');
    change(adapter, { exclude_modules: null, target_modules: 'all-linear' });
    eachSays(/no weights for model\.layers\.1\.self_attn\.k_proj/, folder, adapter, base);
  });
});

test('half a pair, a whole layer, or all but one layer that are missing are refused by all', () => {
  for (const [gone, message] of [
    [/layers\.1\.mlp\.up_proj\.lora_B/, /up_proj: incomplete: its lora_B\.weight is missing/],
    [/layers\.1\./, /no weights for model\.layers\.1\.\S+, \S+, \S+ and 4 more/],
    [/(?<!q_proj)\.lora_[AB]\.weight$/, /no weights for .* and 9 more/],
  ] as const)
    withAdapter((folder, adapter, base) => {
      without(adapter, gone);
      eachSays(message, folder, adapter, base);
    });
});

test('layers_to_transform says which layers an adapter is on', () => {
  withAdapter((folder, adapter, base) => {
    without(adapter, /layers\.1\./);
    change(adapter, { layers_to_transform: [0] });
    assert.equal(answers(folder, adapter, base).eval, 'accepted');
  });
});

test('an adapter of another base is refused by all, with both shapes', () => {
  withAdapter((folder, adapter) => {
    const other = join(folder, 'other');
    writeTinyModel(other, 'qwen3');
    eachSays(
      /its weight is \[\d+, \d+\], but the adapter is for \[\d+, \d+\]/,
      folder,
      adapter,
      other,
    );
  });
});

test('adapters of other kinds have each its own answer', () => {
  for (const [changes, message] of [
    [{ use_dora: true }, /use_dora: the adapter has DoRA, which is not supported/],
    [{ modules_to_save: ['lm_head'] }, /modules_to_save: the adapter has whole modules/],
    [{ bias: 'all' }, /bias: the adapter has trained biases/],
    [{ peft_type: 'LOHA' }, /peft_type: this adapter is of type LOHA, not LORA/],
    [{ peft_type: undefined }, /it is neither PEFT's, .* nor mlx-lm's/],
    [{ lora_alpha: 'much' }, /lora_alpha: expected a number; found "much"\n.*copy the adapter/],
    [{ rank_pattern: { q_proj: 2 } }, /q_proj: it has rank 4, but rank 2/],
  ] as const)
    withAdapter((folder, adapter, base) => {
      change(adapter, changes);
      eachSays(message, folder, adapter, base);
    });
  withAdapter((folder, adapter, base) => {
    renameSync(join(adapter, 'adapter_model.safetensors'), join(adapter, 'adapter_model.bin'));
    eachSays(/its weights are in adapter_model\.bin, a PyTorch file/, folder, adapter, base);
  });
});

test('starts that changed the base beyond what its files tell are refused by their names', () => {
  withAdapter((folder, adapter, base) => {
    for (const [init, message] of [
      [
        'pissa_niter_16',
        /began with a part of its base .* \(pissa_niter_16\)[^]*path_initial_model/,
      ],
      ['corda', /CorDA[^]*path_initial_model_for_weight_conversion/],
      ['lora_ga', /LoRA-GA[^]*set init_lora_weights to true/],
      ['loftq', /LoftQ quantized[^]*merge_and_unload/],
      ['PISSA', /init_lora_weights: "PISSA" is not known/],
      [{ a: 1 }, /init_lora_weights: \{"a":1\} is not known/],
    ] as const) {
      change(adapter, { init_lora_weights: init });
      eachSays(message, folder, adapter, base);
    }
  });
});

test('fields with which PEFT computes something else than plain LoRA are refused, each by its name', () => {
  // not from our own table: what it calls "without effect" would be believed
  const given = {
    alora_invocation_tokens: [1, 2],
    arrow_config: { top_k: 3 },
    enable_lora: [true, false, true],
    kasa_config: { beta: 1e-4 },
    layer_replication: [[0, 1]],
    lora_bias: true,
    megatron_config: { tp: 2 },
    modules_to_save: ['lm_head'],
    monteclora_config: { samples: 4 },
    target_parameters: ['mlp.experts.gate_up_proj'],
    trainable_token_indices: [7],
    use_bdlora: { blocks: 2 },
    use_dora: true,
    use_qalora: true,
  };
  withAdapter((_, adapter) => {
    for (const [name, value] of Object.entries(given)) {
      change(adapter, { ...undone(given), [name]: value });
      assert.throws(() => readAdapterFolder(adapter), new RegExp(`${name}: the adapter has`), name);
    }
    change(adapter, undone(given));
    readAdapterFolder(adapter);
  });
});

const undone = (given: object) =>
  Object.fromEntries(Object.keys(given).map((name) => [name, undefined]));

test('starts that leave the base as it is are plain LoRA', () => {
  const starts = [true, false, null, 'gaussian', 'Gaussian', 'eva', 'orthogonal', 'mica'];
  withAdapter((_, adapter) => {
    for (const init of starts) {
      change(adapter, { init_lora_weights: init });
      assert.equal(readAdapterFolder(adapter).start, undefined, String(init));
    }
    for (const [init, start] of [
      ['pissa', 'pissa'],
      ['olora', 'olora'],
      ['OLoRA', 'olora'],
    ]) {
      change(adapter, { init_lora_weights: init });
      assert.equal(readAdapterFolder(adapter).start, start);
    }
  });
});

test('target_modules as names, paths, all-linear or an expression of Python mean the same layers', () => {
  withAdapter((folder, adapter, base) => {
    const all = String.raw`(?i)\A.*\.(?P<kind>self_attn|mlp)\.\w+_PROJ\Z`;
    for (const target of ['all-linear', 'All-Linear', all, linearPaths(config), null]) {
      change(adapter, { target_modules: target });
      assert.equal(answers(folder, adapter, base).eval, 'accepted', String(target));
    }
    change(adapter, { target_modules: all, layers_to_transform: [] });
    assert.equal(answers(folder, adapter, base).eval, 'accepted');
    for (const target of [
      String.raw`model\.layers\.\d+\.(?P<q>self_attn)\..*`,
      ['q_proj', 'v_proj'],
    ]) {
      change(adapter, { target_modules: target });
      eachSays(/its weights are in the file, but .* does not name it/, folder, adapter, base);
    }
  });
});

test('an adapter without r and lora_alpha has 8 of each, as in PEFT', () => {
  withAdapter((_, adapter) => {
    change(adapter, { r: undefined, lora_alpha: undefined });
    assert.throws(() => readAdapterFolder(adapter), /it has rank 4, but rank 8/);
    change(adapter, { r: 4 });
    assert.equal(readAdapterFolder(adapter).modules[0].alpha, 8);
  });
});

test('an adapter of another task, or of another kind with fields of the same names, is called so', () => {
  withAdapter((folder, adapter, base) => {
    change(adapter, { task_type: 'SEQ_CLS' });
    eachSays(
      /task_type: the adapter is for a model of another task \(SEQ_CLS\)/,
      folder,
      adapter,
      base,
    );
    change(adapter, { peft_type: 'ADALORA', rank_pattern: { q_proj: [true, false] } });
    eachSays(/peft_type: this adapter is of type ADALORA, not LORA/, folder, adapter, base);
  });
});

test('rsLoRA and patterns of ranks and alphas keep their meaning', () => {
  withAdapter((folder, adapter, base) => {
    change(adapter, { use_rslora: true, alpha_pattern: { 'layers.0.self_attn.q_proj': 6 } });
    const { modules, rslora } = readAdapterFolder(adapter);
    const scales = new Map(modules.map((module) => [module.path, loraScale(module, rslora)]));
    assert.equal(scales.get('model.layers.0.self_attn.q_proj'), 3); // 6 / √4
    assert.equal(scales.get('model.layers.1.self_attn.q_proj'), 1);
    assert.equal(answers(folder, adapter, base).eval, 'accepted');
  });
});

const turned = (tensor: Tensor): Tensor => {
  const [rows, columns] = tensor.shape;
  const { data } = toFloat32(tensor);
  const at = (i: number) => data[(i % rows) * columns + Math.floor(i / rows)];
  return float32(
    [columns, rows],
    Float32Array.from(data, (_, i) => at(i)),
  );
};

function writeMlx(
  folder: string,
  parameters: object,
  tensors = new Map<string, Tensor>(),
  without = /^$/,
): void {
  const modules = lora.modules.filter(({ path }) => !without.test(path));
  const pairs = modules.flatMap(({ path, down, up }) => [
    [`${path}.lora_a`, turned(down)] as const,
    [`${path}.lora_b`, turned(up)] as const,
  ]);
  write(
    join(folder, 'adapters.safetensors'),
    serialize(new Map([...pairs, ...tensors]), { format: 'mlx' }),
  );
  write(join(folder, 'adapter_config.json'), JSON.stringify(parameters));
}

test("mlx-lm's folder is read: its matrices turned, its scale that of every layer", () => {
  withAdapter((folder, _, base) => {
    const mlx = join(folder, 'mlx');
    writeMlx(mlx, {
      fine_tune_type: 'lora',
      num_layers: 2,
      lora_parameters: { rank: 4, scale: 20, dropout: 0 },
      model: base,
    });
    const read = readAdapterFolder(mlx);
    assert.equal(read.baseModel, base);
    for (const [i, module] of lora.modules.entries()) {
      const found = read.modules.find(({ path }) => path === module.path);
      assert.deepEqual(found, { ...module, alpha: 80 }, `${i}`);
      assert.equal(found && loraScale(found, read.rslora), 20);
    }
    assert.deepEqual(Object.values(answers(folder, mlx, base)), [
      'accepted',
      'accepted',
      'accepted',
      'accepted',
    ]);
    writeMlx(mlx, { fine_tune_type: 'dora', lora_parameters: { rank: 4, scale: 20 } });
    assert.throws(() => readAdapterFolder(mlx), /mlx-lm's adapter of type dora, not lora/);
    writeMlx(mlx, { fine_tune_type: 'lora' });
    assert.throws(
      () => readAdapterFolder(mlx),
      /lora_parameters: is missing; expected an object\n.*copy the adapter's folder/,
    );
    writeMlx(mlx, { lora_parameters: { scale: 1 } }, new Map([['x.m', float32([1], [1])]]));
    assert.throws(() => readAdapterFolder(mlx), /x\.m: this tensor is not part of a plain LoRA/);
  });
});

test("mlx-lm's folder that is not whole, or is more than LoRA, was answered by a validator or not at all", () => {
  withAdapter((folder, _, base) => {
    const mlx = join(folder, 'mlx');
    const of = (parameters: object, tensors?: Map<string, Tensor>): string => {
      writeMlx(mlx, { lora_parameters: { scale: 20, ...parameters }, num_layers: 2 }, tensors);
      return answers(folder, mlx, base)['merge'];
    };
    assert.match(of({ scale: undefined }), /lora_parameters\.scale: is missing; expected a number/);
    assert.match(of({ scale: '20' }), /scale: expected a number; found "20"\n.*mlx-lm/);
    assert.match(of({ scale: null }), /scale: expected a number; found null/);
    assert.match(of({ keys: 'q_proj' }), /keys: expected a list; found "q_proj"/);
    const half = new Map([
      ['model.layers.0.mlp.other.lora_a', float32([64, 4], new Float32Array(256))],
    ]);
    assert.match(of({}, half), /other: incomplete: lora_b is missing\n.*copy the adapter/);
    const words = ['lora_a', 'lora_b'].map((part) => `model.embed_tokens.${part}`);
    const embedding = new Map(words.map((name) => [name, float32([4, 4], new Float32Array(16))]));
    assert.match(of({}, embedding), /embed_tokens: this is a LoRA of the embeddings/);
    const saved = join(mlx, '0000200_adapters.safetensors');
    of({});
    renameSync(join(mlx, 'adapters.safetensors'), saved);
    assert.throws(
      () => readAdapterFolder(mlx),
      /weights that were saved during training: 0000200_adapters/,
    );
  });
});

test("layers that mlx-lm's keys name and the file lacks were taken as not trained", () => {
  withAdapter((folder, _, base) => {
    const mlx = join(folder, 'mlx');
    const names = lora.modules.map(({ path }) => path.replace(/^.*layers\.\d+\./, ''));
    const given = (keys: readonly string[] | null, without = /^$/) => {
      const parameters = { lora_parameters: { scale: 20, keys }, model: base };
      writeMlx(mlx, parameters, new Map(), without);
      rmSync(join(folder, 'merged'), { recursive: true, force: true });
      return Object.values(answers(folder, mlx, base));
    };
    const missing = /lora_parameters\.keys: the adapter has no weights for .*up_proj/;
    for (const answer of given(names, /up_proj/)) assert.match(answer, missing);
    for (const answer of given(names.filter((name) => name !== 'mlp.up_proj')))
      assert.match(answer, /does not name it, and mlx-lm leaves such layers out/);
    for (const keys of [null, names, [...names, 'block_sparse_moe.gate']])
      assert.deepEqual(new Set(given(keys)), new Set(['accepted']));
  });
});

test('an adapter named as base model is reported so', () => {
  withAdapter((_, adapter) => {
    assert.throws(
      () => loadLanguageModel(adapter),
      (error: unknown) =>
        error instanceof CheckpointError &&
        /this folder is an adapter \(PEFT\), not a model/.test(error.message),
    );
  });
});

test('weights of PEFT without their adapter_config.json ask for it', () => {
  withAdapter((folder, adapter, base) => {
    const alone = join(folder, 'alone');
    write(join(alone, 'x'), '');
    copyFileSync(join(adapter, 'adapter_model.safetensors'), join(alone, 'a.safetensors'));
    const { eval: said } = answers(folder, join(alone, 'a.safetensors'), base);
    assert.match(said, /adapter without its adapter_config\.json/);
  });
});

test('an expression that JavaScript does not have skipped the check of pairs without a word', () => {
  for (const expression of ['.*[qkvo]_proj++', '(?x) .* (q|v)_proj', '(a)?(?(1)b|.*_proj)'])
    withAdapter((_, adapter, base) => {
      change(adapter, { target_modules: expression });
      const said = (problems: readonly { readonly where: string; readonly what: string }[]) =>
        problems.filter(({ what }) => what.includes('cannot be evaluated here'));
      const [told, ...more] = said(readAdapterFolder(adapter).warnings);
      assert.ok(told.where.endsWith('adapter_config.json target_modules') && more.length === 0);
      assert.ok(told.what.startsWith(JSON.stringify(expression)));
      assert.equal(said(openModel({ adapter, baseModel: base }).warnings).length, 1);
      assert.match(String(exportGguf({ path: adapter, base }).notes), /cannot be evaluated here/);
      const { warnings } = trainTextWithBatches(
        { base_model: base, max_train_steps: 1, lora_rank: 4, target_modules: 'all-linear' },
        { initial: adapter, batchesAt: () => [] },
      );
      assert.equal(said(warnings).length, 1);
    });
  withAdapter((_, adapter) => assert.deepEqual(readAdapterFolder(adapter).warnings, []));
});

test('the faults of an adapter are its own, in plain words, with a remedy that helps', () => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ lora_alpha: '8' }, /lora_alpha: expected a number; found "8"/],
    [{ target_modules: 3 }, /target_modules: expected text or a list; found 3/],
    [{ target_modules: [3] }, /target_modules: expected text or a list of such; found \[3\]/],
    [{ layers_to_transform: 'a' }, /layers_to_transform: expected a number or a list; found "a"/],
    [{ r: 3 }, /has rank 4, but rank 3[^]*otherwise correct r in adapter_config\.json/],
    [{ rank_pattern: { '.*': 2 } }, /has rank 4, but rank 2[^]*correct rank_pattern in/],
  ];
  for (const [changes, pattern] of cases)
    withAdapter((_, adapter) => {
      change(adapter, changes);
      assert.throws(
        () => readAdapterFolder(adapter),
        (error) => error instanceof AdapterError && pattern.test(error.message),
        JSON.stringify(changes),
      );
    });
});

test('an adapter without its weights was answered with advice on spelling', () => {
  withAdapter((folder, adapter, base) => {
    rmSync(join(adapter, 'adapter_model.safetensors'));
    eachSays(/the weights are missing: [^]*Copy the adapter again/, folder, adapter, base);
    write(join(adapter, 'adapter_config.json'), JSON.stringify({ lora_parameters: { scale: 1 } }));
    eachSays(/adapters\.safetensors: the weights are missing/, folder, adapter, base);
  });
});

test('embeddings saved beside the layers are called so, with what to do', () => {
  withAdapter((folder, adapter, base) => {
    const path = join(adapter, 'adapter_model.safetensors');
    const { tensors } = deserialize(new Uint8Array(readFileSync(path)));
    for (const name of ['model.embed_tokens', 'lm_head'])
      tensors.set(`base_model.model.${name}.weight`, float32([2, 2], [1, 2, 3, 4]));
    write(path, serialize(tensors, {}));
    eachSays(/whole embeddings beside it[^]*save_embedding_layers=False/, folder, adapter, base);
  });
});
