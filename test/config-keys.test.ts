// Each family reads exactly the keys of config.json that transformers' own class reads
// (reference/config_keys.py): tiny models with one key more or less, by their logits.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Builder } from '../src/graph/builder.ts';
import { evaluate, toFloat64 } from '../src/graph/evaluate.ts';
import { decoder, logits } from '../src/models/decoder.ts';
import { ignoredKeys } from '../src/models/ignored-keys.ts';
import { hashedUniforms, hashedWeight } from '../src/models/hashed-weights.test-util.ts';
import type { LanguageModelConfig } from '../src/models/language-config.ts';
import { languageFamilies } from '../src/models/language-families.ts';
import { float32, int32 } from '../src/tensor/tensor.ts';

interface Case {
  readonly config: { readonly model_type: string };
  readonly logits?: readonly number[];
  readonly refused?: string;
}

const golden: Record<string, Case> = JSON.parse(
  readFileSync(new URL('../reference/golden/config_keys.json', import.meta.url), 'utf8'),
);
const [LENGTH, VOCABULARY] = [10, 24];

/** As a part of the largest logit: transformers computes in float32, and six digits are stored. */
const TOLERANCE = 3e-5;

function lastLogits(config: LanguageModelConfig): number[] {
  const g = new Builder('keys');
  g.output(
    'y',
    logits(g, config, decoder(g, config, { ids: g.input('ids', 'int32', [1, LENGTH]) })),
  );
  const graph = g.finish();
  const ids = hashedUniforms('ids', LENGTH).map((u) => Math.floor(((u + 1) / 2) * VOCABULARY));
  const weights = graph.parameters.map(
    ({ name, shape }) => [name, toFloat64(float32(shape, hashedWeight(name, shape)))] as const,
  );
  const given = { ...Object.fromEntries(weights), ids: toFloat64(int32([1, LENGTH], ids)) };
  return [...evaluate(graph, given).y.data].slice(-VOCABULARY);
}

/** What one version of transformers reads otherwise than another, or without sense. */
const refusedHere: Readonly<Record<string, RegExp>> = {
  'gemma2: use_bidirectional_attention': /only false is supported/,
  'gemma3_text: use_bidirectional_attention': /only false is supported/,
  'gemma3_text: partial_rotary_factor, rope linear': /use rope_type/,
  'gemma3_text: rope dynamic': /use rope_type/,
  'llama: rope by kind of layer': /one rotary embedding for all layers/,
  'mistral: rope by kind of layer': /one rotary embedding for all layers/,
  'phi3: rope by kind of layer': /one rotary embedding for all layers/,
};
/** What transformers refuses, or breaks off with, is read here as if the key were left out. */
const readHere =
  /: (head_dim null|num_key_value_heads null|rope_theta null|partial_rotary_factor, rope linear|rope_parameters and rope_scaling)$/;

for (const [name, { config, logits: expected, refused }] of Object.entries(golden)) {
  test(name, () => {
    const read = languageFamilies[config.model_type].config.safeParse(config);
    if (refused !== undefined)
      return assert.equal(
        read.success,
        readHere.test(name) && !/^phi3: (part|rope_p)/.test(name),
        refused,
      );
    if (Object.hasOwn(refusedHere, name))
      return assert.match(read.error?.message ?? '', refusedHere[name]);
    if (!read.success || expected === undefined) return assert.fail(read.error?.message);
    const largest = Math.max(...expected.map(Math.abs));
    const error = Math.max(...lastLogits(read.data).map((x, i) => Math.abs(x - expected[i])));
    assert.ok(error <= TOLERANCE * largest, `${error / largest}`);
  });
}

test('a key that changes nothing in transformers, and would in another family, is reported', () => {
  const of = (name: string) => {
    const { config } = golden[name];
    return ignoredKeys({ ...config }, languageFamilies[config.model_type]);
  };
  assert.deepEqual(of('llama: partial_rotary_factor'), ['partial_rotary_factor']);
  assert.deepEqual(of('qwen2: partial_rotary_factor in rope_parameters'), [
    'rope_parameters.partial_rotary_factor',
  ]);
  assert.deepEqual(of('phi3: partial_rotary_factor'), []);
  assert.deepEqual(of('qwen2: attention_bias'), ['attention_bias']);
  assert.deepEqual(of('llama: attention_bias'), []);
  assert.deepEqual(of('llama: sliding_window'), ['sliding_window']);
  assert.deepEqual(of('mistral: layer_types'), ['layer_types']);
  assert.deepEqual(of('gemma3_text: attn_logit_softcapping'), ['attn_logit_softcapping']);
  assert.deepEqual(of('llama: multipliers').length, 4);
  for (const family of Object.keys(languageFamilies)) {
    assert.deepEqual(of(`${family}: nothing more`), []);
    for (const [name, { logits }] of Object.entries(golden)) {
      const same =
        JSON.stringify(logits) === JSON.stringify(golden[`${family}: nothing more`].logits);
      if (
        name.startsWith(`${family}: `) &&
        logits !== undefined &&
        !same &&
        !/layer_types|by kind|pattern|base_freq|use_sliding/.test(name)
      )
        assert.deepEqual(of(name), [], `${name} has an effect, and is not told as ignored`);
    }
  }
});
