import assert from 'node:assert/strict';
import { test } from 'node:test';
import { initialWeights } from './init.ts';
import { stableDiffusionParameters } from './parameters.ts';
import { smallConfig } from './small-configs.test-util.ts';

const parameters = [...stableDiffusionParameters(smallConfig)].map(([name, shape]) => ({
  name,
  shape,
  dtype: 'float32' as const,
}));
const weights = initialWeights(parameters, 7);
const get = (name: string) => weights.get(name) ?? assert.fail(`no ${name}`);
const deviation = (x: Float32Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length);

test('every parameter gets as many numbers as its shape holds', () => {
  for (const { name, shape } of parameters)
    assert.equal(
      get(name).length,
      shape.reduce((a, b) => a * b, 1),
      name,
    );
});

test('normalizations begin as the identity', () => {
  assert.ok(get('unet.conv_norm_out.weight').every((x) => x === 1));
  assert.ok(get('text_encoder.text_model.final_layer_norm.bias').every((x) => x === 0));
});

test('convolutions and linear layers are uniform within 1/sqrt(fan in), biases too', () => {
  const bound = 1 / Math.sqrt(9 * 4); // conv_in of 4 channels
  for (const name of ['unet.conv_in.weight', 'unet.conv_in.bias']) {
    assert.ok(
      get(name).every((x) => Math.abs(x) <= bound),
      name,
    );
    // The deviation of U(±b) is b/√3; 16 biases give it within a third.
    assert.ok(Math.abs(deviation(get(name)) / (bound / Math.sqrt(3)) - 1) < 0.34, name);
  }
});

test('CLIP has the deviations of transformers', () => {
  const { hidden_size: width, num_hidden_layers: layers } = smallConfig.textEncoder;
  const expected = {
    'embeddings.token_embedding.weight': 0.02,
    'encoder.layers.0.self_attn.q_proj.weight': 1 / Math.sqrt(width * 2 * layers),
    'encoder.layers.1.self_attn.out_proj.weight': 1 / Math.sqrt(width),
    'encoder.layers.0.mlp.fc1.weight': 1 / Math.sqrt(2 * width),
    'encoder.layers.0.mlp.fc2.weight': 1 / Math.sqrt(width * 2 * layers),
  };
  for (const [name, sigma] of Object.entries(expected)) {
    const measured = deviation(get(`text_encoder.text_model.${name}`));
    // 1024 draws: 1/√2048 = 2 %
    assert.ok(Math.abs(measured / sigma - 1) < 0.06, `${name}: ${measured}, not ${sigma}`);
  }
  assert.ok(get('text_encoder.text_model.encoder.layers.0.mlp.fc1.bias').every((x) => x === 0));
});

test('language models have the deviation of transformers', () => {
  const shapes = {
    'model.embed_tokens.weight': [64, 32],
    'model.layers.0.self_attn.q_proj.weight': [32, 32],
    'model.layers.0.mlp.down_proj.weight': [32, 64],
    'model.norm.weight': [32],
  };
  const model = initialWeights(
    Object.entries(shapes).map(([name, shape]) => ({ name, shape, dtype: 'float32' })),
    7,
  );
  for (const [name, data] of model)
    assert.ok(
      name === 'model.norm.weight'
        ? data.every((x) => x === 1)
        : Math.abs(deviation(data) / 0.02 - 1) < 0.06,
      name,
    );
});

test('a weight depends on the seed and its name, not on its neighbours', () => {
  const alone = initialWeights(
    parameters.filter(({ name }) => name.startsWith('unet.conv_in.')),
    7,
  );
  assert.deepEqual(alone.get('unet.conv_in.weight'), get('unet.conv_in.weight'));
  assert.notDeepEqual(
    initialWeights(parameters, 8).get('unet.conv_in.weight'),
    get('unet.conv_in.weight'),
  );
});
