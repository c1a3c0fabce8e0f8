import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../errors.ts';
import { languageTargets, type LanguageTargetOptions } from './language-targets.ts';
import type { Layer } from './layers.ts';

const layer = (path: string): Layer => ({ path, kind: 'linear', weightShape: [4, 4] });
const layers = [
  ...[0, 1, 10].flatMap((i) =>
    ['self_attn.q_proj', 'self_attn.v_proj', 'mlp.up_proj'].map((name) =>
      layer(`model.layers.${i}.${name}`),
    ),
  ),
  layer('lm_head'),
];
const base = { lora_rank: 8, lora_alpha: 16 };
const pathsOf = (target_modules: LanguageTargetOptions['target_modules']) => [
  ...languageTargets(layers, { ...base, target_modules }).keys(),
];

test('names fit whole parts of a path', () => {
  assert.equal(pathsOf(['q_proj']).length, 3);
  assert.deepEqual(pathsOf(['0.self_attn.q_proj', 'lm_head']), [
    'model.layers.0.self_attn.q_proj',
    'lm_head',
  ]); // not layer 10
});

test('all-linear is everything but the head, also a head that is the embedding', () => {
  assert.equal(pathsOf('all-linear').length, 9);
  const tied = [...layers.slice(0, -1), layer('model.embed_tokens')];
  assert.equal(languageTargets(tied, { ...base, target_modules: 'all-linear' }).size, 9);
  assert.throws(
    () => languageTargets(tied, { ...base, target_modules: ['q_proj', 'lm_head'] }),
    /lm_head shares the weights of the input embeddings/,
  );
});

test('a regular expression must fit the whole path', () => {
  assert.deepEqual(pathsOf(String.raw`.*\.1\.self_attn\.(q|v)_proj`), [
    'model.layers.1.self_attn.q_proj',
    'model.layers.1.self_attn.v_proj',
  ]);
  assert.throws(() => pathsOf('q_proj|v_proj'), /"q_proj\|v_proj" matches no layer/);
  // a name, for which PEFT would find nothing
  assert.deepEqual(pathsOf('q_proj'), pathsOf(['q_proj']));
  assert.throws(
    () => pathsOf('k_proj'),
    /"k_proj" matches no layer of this model[^]*Choose from q_proj, v_proj, up_proj, lm_head\./,
  );
});

test('a pattern whose layers all have one before it is refused', () => {
  for (const key of ['rank_pattern', 'alpha_pattern'])
    assert.throws(
      () =>
        languageTargets(layers, {
          target_modules: 'all-linear',
          lora_rank: 8,
          lora_alpha: 8,
          [key]: { '.*_proj': 4, v_proj: 2 },
        }),
      new RegExp(`${key}: "v_proj" has no effect: patterns before it`),
    );
});

test('patterns fit the end of a path from a point on; the first match counts', () => {
  const options = {
    ...base,
    target_modules: ['q_proj', 'v_proj'],
    rank_pattern: { '0.self_attn.q_proj': 4, q_proj: 2 },
    alpha_pattern: { [String.raw`layers\.\d\..*v_proj`]: 1 },
  };
  const sizes = languageTargets(layers, options);
  assert.deepEqual(sizes.get('model.layers.0.self_attn.q_proj'), { rank: 4, alpha: 16 });
  assert.deepEqual(sizes.get('model.layers.10.self_attn.q_proj'), { rank: 2, alpha: 16 });
  assert.deepEqual(sizes.get('model.layers.1.self_attn.v_proj'), { rank: 8, alpha: 1 });
  assert.deepEqual(sizes.get('model.layers.10.self_attn.v_proj'), { rank: 8, alpha: 16 });
});

test('rsLoRA scales by alpha / √rank', () => {
  const { rank, alpha } =
    languageTargets(layers, {
      lora_rank: 16,
      lora_alpha: 8,
      target_modules: ['up_proj'],
      use_rslora: true,
    }).get('model.layers.0.mlp.up_proj') ?? assert.fail();
  assert.equal(alpha / rank, 8 / 4);
});

test('everything that fits nothing, or is no expression, is told at once', () => {
  const options = {
    ...base,
    target_modules: ['q_proj', 'query'],
    rank_pattern: { k_proj: 1, '(': 2 },
    alpha_pattern: { up_proj: 3 },
  };
  assert.throws(
    () => languageTargets(layers, options),
    (error) => {
      assert.ok(error instanceof ConfigError);
      assert.deepEqual(
        error.problems.map(({ where }) => where),
        ['target_modules', 'rank_pattern', 'rank_pattern', 'alpha_pattern'],
      );
      return true;
    },
  );
});
