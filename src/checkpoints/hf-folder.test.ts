import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CheckpointError } from '../errors.ts';
import type { FloatDType } from '../tensor/half.ts';
import { serialize } from '../tensor/safetensors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { loadLanguageModel } from './hf-folder.ts';
import { languageKinds } from './language-kinds.ts';
import { singleFileTensors, values, withFolder, write } from './small-model.test-util.ts';

const golden: {
  cases: Record<string, { config: Record<string, unknown>; parameters: Record<string, number[]> }>;
} = JSON.parse(readFileSync('reference/golden/language_models.json', 'utf8'));
const { qwen3: tied, phi3 } = golden.cases;

const tensorsOf = ({ parameters }: typeof tied, dtype: FloatDType = 'float32') =>
  new Map<string, Tensor>(
    Object.entries(parameters).map(([name, shape]) => [name, values(name, shape, dtype)]),
  );

function writeModel(folder: string, config: object, tensors: ReadonlyMap<string, Tensor>): void {
  write(join(folder, 'config.json'), JSON.stringify(config));
  write(join(folder, 'model.safetensors'), serialize(tensors, { format: 'pt' }));
}

const failsWith = (folder: string, ...patterns: RegExp[]) =>
  assert.throws(
    () => loadLanguageModel(folder),
    (error) => {
      assert.ok(error instanceof CheckpointError);
      for (const pattern of patterns) assert.match(error.message, pattern);
      return true;
    },
  );

test('one file in half precision, with left-overs that are not parameters', () => {
  for (const dtype of ['float32', 'float16', 'bfloat16'] as const) {
    withFolder((folder) => {
      const tensors = tensorsOf(tied, dtype);
      tensors
        .set('lm_head.weight', tensors.get('model.embed_tokens.weight') ?? assert.fail())
        .set('model.layers.0.self_attn.rotary_emb.inv_freq', values('f', [2]));
      writeModel(folder, tied.config, tensors);
      const { config, weights } = loadLanguageModel(join(folder, 'config.json'));
      assert.equal(config.model_type, 'qwen3');
      assert.deepEqual([...weights.keys()].sort(), Object.keys(tied.parameters).sort());
      assert.ok([...weights.values()].every((weight) => weight.dtype === dtype));
    });
  }
});

test('shards, and one that is missing', () => {
  withFolder((folder) => {
    const tensors = [...tensorsOf(phi3)];
    const halves = [tensors.slice(0, 5), tensors.slice(5)].map((part) => new Map(part));
    const files = halves.map((_, i) => `model-0000${i + 1}-of-00002.safetensors`);
    write(join(folder, 'config.json'), JSON.stringify(phi3.config));
    const weight_map = Object.fromEntries(
      halves.flatMap((half, i) => [...half.keys()].map((name) => [name, files[i]])),
    );
    write(
      join(folder, 'model.safetensors.index.json'),
      JSON.stringify({ metadata: { total_size: 1 }, weight_map }),
    );
    write(join(folder, files[0]), serialize(halves[0]));
    failsWith(
      folder,
      /model-00002-of-00002\.safetensors: this file, one of 2 that model\.safetensors\.index\.json lists, is missing/,
    );
    write(join(folder, files[1]), serialize(halves[1]));
    assert.equal(loadLanguageModel(folder).weights.size, tensors.length);
    rmSync(join(folder, 'model.safetensors.index.json')); // their names count them
    assert.equal(loadLanguageModel(folder).weights.size, tensors.length);
  });
});

test('a head that config.json says is the embedding, but is another', () => {
  withFolder((folder) => {
    writeModel(
      folder,
      tied.config,
      new Map([...tensorsOf(tied), ['lm_head.weight', values('other', [24, 16])]]),
    );
    failsWith(
      folder,
      /lm_head\.weight: differs from the input embeddings.*\n.*set tie_word_embeddings to false/,
    );
  });
});

test('files that are no weights of ours are named', () => {
  withFolder((folder) => {
    write(join(folder, 'config.json'), JSON.stringify(phi3.config));
    write(join(folder, 'phi-q4.gguf'), 'GGUF');
    failsWith(folder, /its weights are a GGUF file/);
    write(join(folder, 'consolidated.safetensors'), serialize(tensorsOf(phi3)));
    failsWith(folder, /its weights file is called consolidated\.safetensors/);
  });
  withFolder((folder) => {
    write(join(folder, 'config.json'), JSON.stringify(phi3.config));
    write(join(folder, 'model-00001-of-00002.safetensors'), serialize(tensorsOf(phi3)));
    failsWith(
      folder,
      /some of its files are missing: model-00001-of-00002\.safetensors is one of several, and there is no model-00002-of-00002\.safetensors/,
    );
    write(
      join(folder, 'model.safetensors'),
      serialize(
        new Map([
          ...tensorsOf(phi3),
          ['model.layers.0.mlp.down_proj.weight.absmax', values('a', [2])],
        ]),
      ),
    );
    failsWith(
      folder,
      /its weights are quantized: it has model\.layers\.0\.mlp\.down_proj\.weight\.absmax/,
    );
  });
});

test('missing, unexpected and mis-shaped tensors are reported together', () => {
  withFolder((folder) => {
    const tensors = tensorsOf(phi3);
    tensors.delete('model.norm.weight');
    tensors.set('model.extra', values('extra', [1])).set('lm_head.weight', values('head', [3, 16]));
    writeModel(folder, phi3.config, tensors);
    failsWith(
      folder,
      /1 of \d+ tensors missing:\s+model\.norm\.weight/,
      /1 unexpected:\s+model\.extra/,
      /lm_head\.weight is \[3, 16\], should be \[24, 16\]/,
    );
  });
});

test('a family that is not there is named with those that are', () => {
  withFolder((folder) => {
    writeModel(folder, { model_type: 'gpt2' }, new Map());
    failsWith(
      folder,
      /config\.json model_type: models of type gpt2 are not supported/,
      /llama, mistral, qwen2, qwen3, gemma2, gemma3_text, phi3/,
    );
    for (const [config, said] of [
      [
        { model_type: 'gemma3', text_config: { model_type: 'gemma3_text' }, vision_config: {} },
        /of type gemma3 also take pictures or sounds.*\n.*text part is of type gemma3_text.*save that/,
      ],
      [
        { model_type: 'qwen2_5_vl', hidden_size: 64, vision_config: { depth: 2 } },
        /of type qwen2_5_vl also take pictures.*\n.*Use a text-only model\. Supported types: llama,/,
      ],
      [
        { model_type: 'qwen3_vl', text_config: { model_type: 'qwen3_vl_text' }, vision_config: {} },
        /of type qwen3_vl also take pictures.*\n.*Use a text-only model/,
      ],
      [{ model_type: 'mamba' }, /models of type mamba are not supported\n.*Supported types/],
      [{ message: 'Access denied', status: 403 }, /config\.json: this is a short text/],
      [{ error: 'Invalid credentials' }, /config\.json: this is a short text, .*a server answered/],
    ] as const) {
      writeModel(folder, config, new Map());
      failsWith(folder, said);
    }
  });
});

test('what a configuration asks for and is not implemented is reported at its key, all at once', () => {
  withFolder((folder) => {
    writeModel(
      folder,
      {
        ...tied.config,
        hidden_act: 'relu',
        num_key_value_heads: undefined,
        quantization_config: { quant_method: 'gptq' },
      },
      new Map(),
    );
    failsWith(
      folder,
      /config\.json hidden_act: is "relu"; supported: silu/,
      /config\.json quantization_config: its weights are quantized \(gptq\)/,
    );
    writeModel(
      folder,
      { ...tied.config, num_key_value_heads: 3, layer_types: ['full_attention'] },
      new Map(),
    );
    failsWith(
      folder,
      /num_key_value_heads: 4 heads cannot share 3/,
      /layer_types: has 1 entries for 2 layers/,
    );
    writeModel(
      folder,
      { ...tied.config, rope_parameters: null, rope_scaling: { type: 'llama3' } },
      new Map(),
    );
    failsWith(folder, /rope_scaling\.factor/, /rope_scaling\.low_freq_factor/);
    writeModel(
      folder,
      { ...tied.config, rope_parameters: null, rope_scaling: { type: 'mrope' } },
      new Map(),
    );
    failsWith(folder, /rope_scaling.*"mrope" is not supported; supported: default/);
  });
});

test('a path that is no model folder', () => {
  failsWith('no/such/folder', /there is no such file or folder/);
  withFolder((folder) => failsWith(folder, /this folder is empty/));
});

/** What a folder was found with beside all tensors of its model. */
const leftovers = {
  'a head of values': ['v_head.summary.weight'],
  'an adapter that was not merged': [
    'model.layers.0.self_attn.q_proj.lora_A.default.weight',
    'lora_te_x.lora_up.weight',
  ],
  'scales of a quantized cache': ['model.layers.0.self_attn.k_scale'],
  'a trainer': ['global_step', 'optimizer.state.0', 'betas'],
  'pictures and more tokens': ['model.visual.patch_embed.weight', 'mtp.fc.weight', 'emb_params'],
};

for (const [title, names] of Object.entries(leftovers))
  test(`a whole language model with ${title} in its files is that model, and the rest is named`, () => {
    withFolder((folder) => {
      const extra = names.map((name) => [name, values(name, [1])] as const);
      writeModel(folder, tied.config, new Map([...tensorsOf(tied), ...extra]));
      const { weights, warnings } = loadLanguageModel(folder);
      assert.deepEqual([...weights.keys()].sort(), Object.keys(tied.parameters).sort());
      assert.equal(warnings.length, 1);
      assert.match(warnings[0].what, /not part of the model (is|are) ignored: /);
      for (const name of names) assert.ok(warnings[0].what.includes(name));
    });
  });

test('tensors with which a language model would compute otherwise are not ignored', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['model.layers.0.self_attn.o_proj.bias', /tensors that are not supported here/],
    ['model.layers.0.post_feedforward_layernorm.weight', /has no model\.layers\.0\.post_feed/],
    ['model.layers.99.mlp.up_proj.weight', /a qwen3 as config\.json describes it has no model/],
    ['model.layers.0.mlp.up_proj.weight_scale', /its weights are quantized/],
  ];
  for (const [name, message] of cases)
    withFolder((folder) => {
      writeModel(folder, tied.config, tensorsOf(tied).set(name, values(name, [1])));
      failsWith(folder, message);
    });
});

/** Names of tensors in the files of a folder with the config.json of a language model. */
const others: Readonly<
  Record<Exclude<keyof typeof languageKinds, 'float8'>, (name: string) => string>
> = {
  quantized: (name) => name.replace(/q_proj\.weight$/, 'q_proj.qweight'),
  unmerged: (name) => name.replace(/q_proj\.weight$/, 'q_proj.base_layer.weight'),
  adapter: (name) => name.replace(/weight$/, 'lora_A.weight'),
  pictures: (name) => `down_blocks.0.${name}`,
  withPictures: (name) =>
    name
      .replace(/^model\./, 'model.language_model.')
      .replace(/^model\.language_model\.norm/, 'model.visual.norm'),
  wrapped: (name) => `module.${name}`,
  classifier: (name) => name.replace(/^model\.embed_tokens/, 'score'),
  withoutBody: (name) => name.replace(/^model\./, ''),
};

for (const [kind, rename] of Object.entries(others))
  test(`files that are no ${tied.config.model_type as string} but of the kind ${kind} are called that`, () => {
    // total over the table, as its keys are those of the renaming
    const { what } = languageKinds[kind as keyof typeof languageKinds];
    withFolder((folder) => {
      const tensors = Array.from(
        tensorsOf(tied),
        ([name, tensor]) => [rename(name), tensor] as const,
      );
      writeModel(folder, tied.config, new Map(tensors));
      failsWith(folder, new RegExp(what.slice(0, 30).replace(/[()]/g, '.')));
    });
  });

test('a model for pictures given as language model', () => {
  withFolder((folder) => {
    write(join(folder, 'model_index.json'), '{}');
    failsWith(folder, /a model for pictures \(diffusers\)[^]*task_type/);
    const path = join(folder, 'v1-5.safetensors');
    write(path, serialize(singleFileTensors()));
    failsWith(path, /its weights are a model for pictures[^]*task_type/);
  });
});

test('the file of a language model in place of its folder', () => {
  withFolder((folder) => {
    writeModel(folder, tied.config, tensorsOf(tied));
    failsWith(join(folder, 'model.safetensors'), new RegExp(`base_model: ${folder}$`, 'm'));
  });
});

test('embeddings of another size than config.json says are one problem, with its remedy', () => {
  withFolder((folder) => {
    const tensors = tensorsOf(tied).set('model.embed_tokens.weight', values('e', [3, 5]));
    tensors.delete('lm_head.weight');
    writeModel(folder, tied.config, tensors);
    assert.throws(
      () => loadLanguageModel(folder),
      (error) =>
        error instanceof CheckpointError &&
        error.problems.length === 1 &&
        /embed_tokens\.weight is \[3, 5\], should be/.test(error.message) &&
        /download the model again/.test(error.message),
    );
  });
});
