import assert from 'node:assert/strict';
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withFolder, write } from '../checkpoints/small-model.test-util.ts';
import { UserError } from '../errors.ts';
import { hashedWeight } from '../models/hashed-weights.test-util.ts';
import { float32 } from '../tensor/tensor.ts';
import { decodeGguf, parseGguf, scalarOf, type GgufFile } from '../tensor/gguf.ts';
import { configEntries, ggufNotes, queryFactor } from './gguf-config.ts';
import { writeGgufLora, ggufLoraProblems } from './gguf-lora.ts';
import { writeGgufModel } from './gguf-model.ts';
import { ggufModelName, tokenizerEntries } from './gguf-tokenizer.ts';
import { mergeLora } from './merge.ts';
import {
  golden,
  linearPaths,
  readConfig,
  tinyLora,
  tinySentencePiece,
  tinyTokenizer,
  writeTinyModel,
} from './language-model.test-util.ts';

const inMemory = (bytes: Uint8Array) =>
  parseGguf(
    { size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) },
    'x.gguf',
  );

function open(path: string): GgufFile {
  const fd = openSync(path, 'r');
  const read = (offset: number, length: number) => {
    const bytes = new Uint8Array(length);
    readSync(fd, bytes, 0, length, offset);
    return bytes;
  };
  const file = parseGguf({ size: fstatSync(fd).size, read }, path);
  closeSync(fd);
  return file;
}

function values(file: GgufFile, bytes: Uint8Array, name: string): Float32Array {
  const info = file.tensors.get(name);
  assert.ok(info, name);
  return decodeGguf(info, bytes.subarray(info.offset, info.offset + info.length)).data;
}

test('adapter: names, alpha with rsLoRA folded in, rows of q and k in pairs', () => {
  const lora = tinyLora(golden.cases.llama.config);
  const config = readConfig(golden.cases.llama.config);
  const bytes = writeGgufLora({ ...lora, config, type: 'f32' });
  const file = inMemory(bytes);
  assert.equal(scalarOf(file.metadata, 'adapter.lora.alpha'), 4); // 2 √4
  assert.equal(file.tensors.size, 2 * 7 * 2);
  const [q] = lora.modules;
  assert.deepEqual(values(file, bytes, 'blk.0.attn_q.weight.lora_a'), q.down.data);
  const b = values(file, bytes, 'blk.0.attn_q.weight.lora_b');
  const row = (data: ArrayLike<number>, i: number) =>
    Array.from({ length: 4 }, (_, r) => data[i * 4 + r]);
  assert.deepEqual(
    [0, 1, 2, 16].map((i) => row(b, i)),
    [0, 8, 1, 16].map((i) => row(q.up.data as Float32Array, i)),
  );
  assert.deepEqual(values(file, bytes, 'blk.1.ffn_down.weight.lora_b'), lora.modules[13].up.data);
});

test('adapter: modules with another scale have the rest in B', () => {
  const lora = tinyLora(golden.cases.qwen3.config);
  const config = readConfig(golden.cases.qwen3.config);
  const modules = lora.modules.map((module, i) => (i === 0 ? { ...module, alpha: 6 } : module));
  const bytes = writeGgufLora({ modules, rslora: false, config, type: 'f32' });
  const file = inMemory(bytes);
  assert.equal(scalarOf(file.metadata, 'adapter.lora.alpha'), 2);
  assert.deepEqual(
    values(file, bytes, 'blk.0.attn_q.weight.lora_b'),
    (modules[0].up.data as Float32Array).map((value) => value * 3),
  );
});

test('adapter: what llama.cpp cannot apply is named', () => {
  const problems = ggufLoraProblems(
    [
      'lm_head',
      'model.embed_tokens',
      'model.layers.0.self_attn.q_proj',
      'model.layers.0.self_attn.qkv_proj',
    ],
    readConfig(golden.cases.qwen2.config),
  );
  assert.deepEqual(
    problems.map(({ where }) => where),
    ['lm_head', 'model.embed_tokens', 'model.layers.0.self_attn.qkv_proj'],
  );
  assert.deepEqual(ggufLoraProblems(['lm_head'], readConfig(golden.cases.llama.config)), []);
});

for (const name of Object.keys(golden.cases)) {
  test(`model: ${name} as f16 and q8_0`, () => {
    withFolder((folder) => {
      const config = writeTinyModel(folder, name);
      for (const type of ['f16', 'q8_0'] as const) {
        const path = join(folder, `${type}.gguf`);
        writeGgufModel({ folder, output: path, type });
        const file = open(path);
        const architecture = String(scalarOf(file.metadata, 'general.architecture'));
        assert.equal(
          scalarOf(file.metadata, `${architecture}.block_count`),
          config.num_hidden_layers,
        );
        assert.equal(file.tensors.get('token_embd.weight')?.type, type);
        assert.equal(file.tensors.get('output_norm.weight')?.type, 'f32');
        assert.equal(file.tensors.has('output.weight'), config.tie_word_embeddings === false);
        const norm = values(file, new Uint8Array(readFileSync(path)), 'output_norm.weight');
        assert.deepEqual(
          norm,
          hashedWeight('model.norm.weight', [64]).map((w) =>
            name.startsWith('gemma') ? w + 1 : w,
          ),
        );
      }
      assert.deepEqual(ggufLoraProblems(linearPaths(config), readConfig(config)), []);
    });
  });
}

test('model: a name that does not make llama.cpp look for the tokens of Phi-3, but where they are', () => {
  withFolder((folder) => {
    writeTinyModel(folder, 'phi3');
    assert.deepEqual(
      ['my-Phi3-x', 'phi-3', 'llama'].map((name) => ggufModelName(folder, name)),
      ['my-Phi 3-x', 'Phi 3', 'llama'],
    );
    const added_tokens = ['</s>', '<unk>', '<s>', '<|endoftext|>'].map((content) => ({
      content,
      rstrip: content === '</s>',
    }));
    write(join(folder, 'tokenizer.json'), JSON.stringify({ added_tokens }));
    assert.deepEqual(
      ['my-Phi3-x', 'merged'].map((name) => ggufModelName(folder, name)),
      ['my-Phi3-x', 'Phi-3 merged'],
    );
  });
});

test('model: what llama.cpp computes otherwise is refused at its key, or noted', () => {
  const entries = (name: string, changes: object) =>
    configEntries(readConfig({ ...golden.cases[name].config, ...changes }), 288);
  const refused: [name: string, changes: object, key: RegExp][] = [
    ['qwen3', { attention_bias: true }, /attention_bias: llama\.cpp's qwen3 has no bias of o_proj/],
    [
      'gemma2',
      { tie_word_embeddings: false },
      /tie_word_embeddings: llama\.cpp's gemma2 has no output layer/,
    ],
    [
      'qwen2',
      { rope_parameters: { rope_type: 'yarn', factor: 4, mscale: 0.7, mscale_all_dim: 0.4 } },
      /yarn with its own/,
    ],
    [
      'qwen2',
      {
        rope_parameters: {
          rope_type: 'llama3',
          factor: 4,
          low_freq_factor: 1,
          high_freq_factor: 4,
        },
      },
      /rope_scaling: llama\.cpp's qwen2 has no rotary scaling "llama3"/,
    ],
    [
      'qwen2',
      { rope_parameters: { rope_type: 'yarn', factor: 4, truncate: false } },
      /yarn with its own/,
    ],
  ];
  for (const [name, changes, key] of refused) assert.throws(() => entries(name, changes), key);
  const ones = Array.from({ length: 8 }, () => 1);
  const phi3 = {
    sliding_window: 9,
    rope_parameters: { type: 'su', short_factor: ones, long_factor: ones, attention_factor: 1.5 },
    original_max_position_embeddings: 20,
    max_position_embeddings: 80,
  };
  const written = new Map(entries('phi3', phi3));
  assert.deepEqual(
    ['context_length', 'rope.scaling.attn_factor'].map((key) => scalarOf(written, `phi3.${key}`)),
    [9, 1.5],
  );
  assert.match(
    ggufNotes(readConfig({ ...golden.cases.phi3.config, ...phi3 })).join('\n'),
    /no sliding window for phi3.*up to 9 tokens\n.*a context of at most 20 tokens/,
  );
  assert.deepEqual(ggufNotes(readConfig(golden.cases.llama.config)), []);
});

test('what float16 cannot hold is named', () => {
  const config = readConfig(golden.cases.llama.config);
  const [first] = tinyLora(golden.cases.llama.config).modules;
  const huge = {
    ...first,
    up: float32(first.up.shape, new Float32Array(first.up.data.length).fill(7e4)),
  };
  const found: string[] = [];
  const tell = ({ name }: { name: string }) => found.push(name);
  writeGgufLora({ modules: [huge], rslora: false, config, type: 'f16', tell });
  assert.deepEqual(found, ['blk.0.attn_q.weight.lora_b']);
  withFolder((folder) => {
    writeTinyModel(folder, 'llama', 'bfloat16');
    mergeLora({
      base: folder,
      lora: { modules: [{ ...huge, alpha: 1000 }], rslora: false },
      output: join(folder, 'merged'),
    });
    const output = join(folder, 'x.gguf');
    writeGgufModel({ folder: join(folder, 'merged'), output, type: 'f16', tell });
    assert.deepEqual(found.slice(1), ['blk.0.attn_q.weight']);
    assert.equal(open(output).tensors.get('blk.0.attn_q.weight')?.type, 'f32');
  });
});

test('model: the tokenizer', () => {
  withFolder((folder) => {
    writeTinyModel(folder, 'llama');
    const output = join(folder, 'x.gguf');
    writeGgufModel({ folder, output, type: 'f16' });
    const { metadata } = open(output);
    const scalar = (key: string) => scalarOf(metadata, `tokenizer.${key}`);
    assert.deepEqual(
      [
        'ggml.model',
        'ggml.pre',
        'ggml.bos_token_id',
        'ggml.eos_token_id',
        'ggml.add_bos_token',
        'ggml.add_eos_token',
      ].map(scalar),
      ['gpt2', 'llama-bpe', 256, 257, true, false],
    );
    assert.equal(scalar('chat_template'), '{{ messages[0].content }}');
    const list = (key: string) => {
      const found = metadata.get(`tokenizer.ggml.${key}`);
      assert.ok(found?.type === 'array');
      return found.values;
    };
    assert.equal(list('tokens').length, 288);
    assert.deepEqual(list('tokens').slice(255, 259), ['ÿ', '<s>', '</s>', 'he']);
    assert.deepEqual(
      [255, 256, 258, 287].map((id) => list('token_type')[id]),
      [1, 3, 1, 5],
    );
    assert.deepEqual(list('merges').slice(4, 7), ['Ġ w', 'o r', 'Ġw or']);
  });
});

test('model: a tokenizer of the SentencePiece kind', () => {
  withFolder((folder) => {
    writeTinyModel(folder, 'llama');
    write(join(folder, 'tokenizer.json'), JSON.stringify(tinySentencePiece()));
    const entries = new Map(tokenizerEntries(folder, 288));
    const list = (key: string) => {
      const found = entries.get(`tokenizer.ggml.${key}`);
      assert.ok(found?.type === 'array');
      return found.values;
    };
    assert.equal(scalarOf(entries, 'tokenizer.ggml.model'), 'llama');
    assert.equal(scalarOf(entries, 'tokenizer.ggml.add_space_prefix'), true);
    assert.deepEqual(
      [0, 1, 3, 259, 280].map((id) => list('token_type')[id]),
      [2, 3, 6, 1, 5],
    );
    assert.deepEqual(
      [266, 267, 272].map((id) => list('scores')[id]),
      [-0, -1, -6],
    );
  });
});

test('a piece that no merge makes had the score of the first merge, so llama.cpp joined it before all others', () => {
  withFolder((folder) => {
    writeTinyModel(folder, 'llama');
    const { model, ...rest } = tinySentencePiece();
    const vocab = { ...model.vocab, lo: 279 };
    write(join(folder, 'tokenizer.json'), JSON.stringify({ ...rest, model: { ...model, vocab } }));
    const scores = new Map(tokenizerEntries(folder, 288)).get('tokenizer.ggml.scores');
    assert.ok(scores?.type === 'array');
    assert.deepEqual([scores.values[266], scores.values[279]], [-0, -7]);
  });
});

test('a Sequence whose parts are not found was taken for none, and what it does to texts was lost', () => {
  withFolder((folder) => {
    writeTinyModel(folder, 'llama');
    const tokenizer = tinySentencePiece();
    const lower = { type: 'Lowercase' };
    const sequence = (normalizers: unknown) => ({ type: 'Sequence', normalizers });
    for (const [normalizer, told] of [
      [sequence(undefined), /normalizer.*is a Sequence without a list of its parts/],
      [sequence(lower), /normalizer.*is a Sequence without a list of its parts/],
      [sequence([lower]), /changes texts before it splits them \(Lowercase\)/],
      [sequence([sequence([lower])]), /changes texts before it splits them \(Lowercase\)/],
    ] as const) {
      write(join(folder, 'tokenizer.json'), JSON.stringify({ ...tokenizer, normalizer }));
      assert.throws(() => tokenizerEntries(folder, 288), told);
    }
  });
});

test("model: Gemma's scale of the scores is in the queries, and other caps, periods and bases are reported", () => {
  const sizes = {
    head_dim: 16,
    num_hidden_layers: 3,
    query_pre_attn_scalar: 64,
    layer_types: null,
  };
  const of = (name: string, changes: object) =>
    readConfig({ ...golden.cases[name].config, ...sizes, ...changes });
  assert.deepEqual(
    ['gemma2', 'gemma3_text', 'llama'].map((name) => queryFactor(of(name, {}))),
    [0.5, 0.5, 1],
  ); // √(16 / 64)
  const entries = (name: string, changes: object) => new Map(configEntries(of(name, changes), 288));
  const uncapped = entries('gemma2', {
    attn_logit_softcapping: null,
    final_logit_softcapping: null,
    layer_types: ['sliding_attention', 'sliding_attention', 'full_attention'],
  });
  assert.deepEqual(
    ['attn_logit_softcapping', 'final_logit_softcapping', 'attention.sliding_window_pattern'].map(
      (key) => scalarOf(uncapped, `gemma2.${key}`),
    ),
    [65536, 65536, 3],
  );
  const local = entries('gemma3_text', {
    layer_types: null,
    sliding_window_pattern: 2,
    rope_parameters: { full_attention: {}, sliding_attention: { rope_theta: 500 } },
  });
  assert.deepEqual(
    ['rope.freq_base_swa', 'attention.sliding_window_pattern'].map((key) =>
      scalarOf(local, `gemma3.${key}`),
    ),
    [500, 2],
  );
  assert.throws(
    () =>
      entries('gemma3_text', {
        layer_types: ['full_attention', 'sliding_attention', 'sliding_attention'],
      }),
    /layer_types: llama\.cpp supports only full attention in every n-th layer/,
  );
  const { config } = golden.cases.gemma2;
  const [q, k] = tinyLora(config).modules;
  const bytes = writeGgufLora({
    modules: [q, k],
    rslora: false,
    config: readConfig({ ...config, ...{ head_dim: 16, query_pre_attn_scalar: 64 } }),
    type: 'f32',
  });
  assert.deepEqual(
    values(inMemory(bytes), bytes, 'blk.0.attn_q.weight.lora_b'),
    (q.up.data as Float32Array).map((value) => value / 2),
  );
  assert.deepEqual(values(inMemory(bytes), bytes, 'blk.0.attn_k.weight.lora_b'), k.up.data);
});

test('model: a tokenizer that changes texts as llama.cpp does not is refused', () => {
  withFolder((folder) => {
    writeTinyModel(folder, 'llama');
    const entries = (json: object) => {
      write(join(folder, 'tokenizer.json'), JSON.stringify(json));
      return tokenizerEntries(folder, 288);
    };
    const [ours, pre] = [tinyTokenizer(), tinyTokenizer().pre_tokenizer];
    assert.throws(
      () => entries({ ...ours, normalizer: { type: 'Lowercase' } }),
      /tokenizer\.json: this tokenizer changes texts before it splits them \(Lowercase\)/,
    );
    assert.throws(
      () =>
        entries({
          ...ours,
          pre_tokenizer: {
            ...pre,
            pretokenizers: [
              pre.pretokenizers[0],
              { ...pre.pretokenizers[1], add_prefix_space: true },
            ],
          },
        }),
      /puts a space before a text/,
    );
    assert.throws(
      () => entries({ ...tinySentencePiece(), normalizer: { type: 'NFKC' } }),
      /\(NFKC\)/,
    );
    assert.ok(entries({ ...ours, normalizer: { type: 'NFC' } }).length > 0);
  });
});

test('model: what llama.cpp cannot compute or split is named, and no file is left', () => {
  withFolder((folder) => {
    const config = writeTinyModel(folder, 'gemma3_text');
    const output = join(folder, 'x.gguf');
    const convert = () => writeGgufModel({ folder, output, type: 'f16' });
    write(
      join(folder, 'config.json'),
      JSON.stringify({ ...config, final_logit_softcapping: 7, hidden_activation: 'silu' }),
    );
    assert.throws(
      convert,
      (error: unknown) =>
        error instanceof UserError &&
        /hidden_act[^]*attn_logit_softcapping: llama\.cpp's gemma3 has no softcapping/.test(
          error.message,
        ),
    );
    write(join(folder, 'config.json'), JSON.stringify(config));
    const tokenizer = tinyTokenizer();
    tokenizer.pre_tokenizer.pretokenizers[0] = {
      type: 'Split',
      pattern: { Regex: 'a+' },
      behavior: 'Isolated',
      invert: false,
    };
    write(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
    assert.throws(convert, /way this tokenizer splits texts: a\+/);
    assert.throws(() => open(output), /ENOENT/);
  });
});
