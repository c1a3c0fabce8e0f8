// The tiny language models of reference/language_models.py, with weights in memory, for tests of
// generation.

import { readFileSync } from 'node:fs';
import { adaptableLayers } from '../../adapters/layers.ts';
import { loraParameter } from '../../adapters/lora.ts';
import { languageModelParameters } from '../../models/decoder.ts';
import { hashedUniforms, hashedWeight } from '../../models/hashed-weights.test-util.ts';
import type { LanguageModelConfig } from '../../models/language-config.ts';
import { languageFamilies } from '../../models/language-families.ts';
import { float32, type Tensor } from '../../tensor/tensor.ts';
import type { Mix } from '../mix.ts';
import { stepGraph } from './step-graph.ts';

export interface TinyModel {
  readonly config: LanguageModelConfig;
  readonly weights: ReadonlyMap<string, Tensor<'float32'>>;
}

const { cases }: { cases: Record<string, { options: { model_type: string } }> } = JSON.parse(
  readFileSync(new URL('../../../reference/golden/language_models.json', import.meta.url), 'utf8'),
);

export const tinyModelNames: readonly string[] = Object.keys(cases);

/** `more`: other values of its config.json. */
export function tinyModel(name: string, more: Readonly<Record<string, unknown>> = {}): TinyModel {
  const { options } = cases[name];
  const config = languageFamilies[options.model_type].config.parse({ ...options, ...more });
  const weights = [...languageModelParameters(config)].map(
    ([key, shape]): [string, Tensor<'float32'>] => [key, float32(shape, hashedWeight(key, shape))],
  );
  return { config, weights: new Map(weights) };
}

/** An adapter of rank 2 on every linear layer, and what it makes of the weights. */
export function tinyAdapter(config: LanguageModelConfig) {
  const sizes = adaptableLayers(stepGraph(config, { tokens: 1, capacity: 1 })).map(
    ({ path, weightShape: [out, width] }) => ({ path, rank: 2, alpha: 1, out, width }),
  );
  const weight = (name: string, shape: readonly number[]): Tensor<'float32'> =>
    float32(
      shape,
      hashedUniforms(name, shape[0] * shape[1]).map((u) => u / 4),
    );
  const modules = sizes.map(({ path, alpha, out, width }) => ({
    ...{ path, alpha },
    down: weight(loraParameter(path, 'down'), [2, width]),
    up: weight(loraParameter(path, 'up'), [out, 2]),
  }));
  /** The adapter at a strength. */
  const mix = (strength = 1): Mix => [{ adapter: { name: 'tiny', modules }, strength }];
  const merged = (weights: TinyModel['weights']): Map<string, Tensor> => {
    const all = new Map(weights);
    for (const { path, ...factors } of modules) {
      const [down, up, base] = [
        factors.down.data,
        factors.up.data,
        weights.get(`${path}.weight`)?.data ?? [],
      ];
      const [out, width] = [factors.up.shape[0], factors.down.shape[1]];
      // W + (alpha / rank) B A
      const sum = Float32Array.from(
        { length: out * width },
        (_, i) =>
          Number(base[i]) +
          (up[2 * Math.floor(i / width)] * down[i % width] +
            up[2 * Math.floor(i / width) + 1] * down[width + (i % width)]) /
            2,
      );
      all.set(`${path}.weight`, float32([out, width], sum));
    }
    return all;
  };
  return { modules, mix, merged };
}

/** Largest difference as a part of the largest element. */
export function errorOf(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [largest, worst] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]));
    worst = Math.max(worst, Math.abs(actual[i] - expected[i]));
  }
  return worst / largest;
}
