import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Sequence } from '../../dataset/text/sequences.ts';
import { evaluate, toFloat64 } from '../../graph/evaluate.ts';
import { hashedUniforms, hashedWeight } from '../../models/hashed-weights.test-util.ts';
import { languageFamilies } from '../../models/language-families.ts';
import { float32 } from '../../tensor/tensor.ts';
import { textMicroBatches, textShapeOf } from './batches.ts';
import { languageLoss } from './language-loss.ts';

interface Golden {
  readonly length: number;
  readonly cases: Readonly<
    Record<
      string,
      { readonly options: { readonly model_type: string }; readonly logits: readonly number[] }
    >
  >;
}

/** transformers' logits of two texts of ten tokens (reference/language_models.py). */
const golden: Golden = JSON.parse(readFileSync('reference/golden/language_models.json', 'utf8'));
const [LENGTH, VOCABULARY] = [golden.length, 24];
const ids = hashedUniforms('ids', 2 * LENGTH).map((u) => Math.floor(((u + 1) / 2) * VOCABULARY));

const sequence = (tokens: ArrayLike<number>, trains: boolean): Sequence => ({
  sample: { where: '', source: 0, content: { kind: 'text', text: '' } },
  ids: Int32Array.from(tokens),
  trained: Uint8Array.from(tokens, (_, i) => Number(trains && i > 0)),
});
const text = ids.subarray(LENGTH);
/** One that is trained, a short and a long neighbour. */
const sequences = [sequence(text, true), sequence(ids.subarray(3, 7), false), sequence(ids, false)];

/** The mean loss of the text, in nats, from transformers' logits. */
function expectedLoss(logits: readonly number[]): number {
  const losses = Array.from({ length: LENGTH - 1 }, (_, i) => {
    const row = logits.slice((LENGTH + i) * VOCABULARY, (LENGTH + i + 1) * VOCABULARY);
    return Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[text[i + 1]];
  });
  return losses.reduce((sum, x) => sum + x, 0) / losses.length;
}

/** The text's loss where its row has this place among `rows`. */
function lossOf(name: string, rows: readonly (readonly number[])[], length: number): number {
  const model = languageFamilies[golden.cases[name].options.model_type].config.parse(
    golden.cases[name].options,
  );
  const packed = rows.some((row) => row.length > 1);
  const [{ inputs, shapeKey }] = textMicroBatches(sequences, [{ epoch: 0, rows, length }], {
    model,
    microBatch: rows.length,
    packed,
  });
  const graph = languageLoss(model, textShapeOf(shapeKey));
  const weights = graph.parameters.map(
    (value) => [value.name, float32(value.shape, hashedWeight(value.name, value.shape))] as const,
  );
  const given = [...weights, ...Object.entries(inputs)].map(
    ([key, tensor]) => [key, toFloat64(tensor)] as const,
  );
  return evaluate(graph, Object.fromEntries(given)).loss.data[0];
}

const rowsOf: Readonly<Record<string, readonly [rows: number[][], length: number]>> = {
  alone: [[[0]], 10],
  'in a row padded to 16': [[[0]], 16],
  'in a row padded to 40': [[[0]], 40],
  'beside a short text': [[[1], [0]], 12],
  'beside a long text': [[[0], [2]], 20],
  'packed with a short text': [[[1, 0]], 16],
  'packed with a long text': [[[2, 0, 1]], 40],
};

for (const name of [
  'phi3, longrope, long',
  'phi3, longrope, short',
  'llama, rope dynamic',
  'llama, rope dynamic, short',
  'llama, rope llama3',
  'qwen2, rope yarn',
]) {
  test(`a text's loss does not depend on its neighbours: ${name}, as in transformers`, () => {
    const expected = expectedLoss(golden.cases[name].logits);
    for (const [place, [rows, length]] of Object.entries(rowsOf)) {
      const error = Math.abs(lossOf(name, rows, length) - expected);
      assert.ok(error < 5e-6, `${place}: ${error}`); // transformers computes in float32
    }
  });
}

test('texts of other lengths have other frequencies', () => {
  const short = golden.cases['phi3, longrope, short'].logits;
  const long = golden.cases['phi3, longrope, long'].logits;
  assert.ok(Math.abs(expectedLoss(short) - expectedLoss(long)) > 1e-3);
});
