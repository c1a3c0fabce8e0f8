// Stable Diffusion at two small configurations against diffusers and transformers
// (reference/stable_diffusion.py small, computed in float64): outputs and gradients, by the float64
// evaluator and by ONNX Runtime.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { differentiate } from '../src/autodiff/differentiate.ts';
import type { Builder } from '../src/graph/builder.ts';
import { evaluate, toFloat64 } from '../src/graph/evaluate.ts';
import type { Graph, Value } from '../src/graph/graph.ts';
import { decode, encodeMoments, type Moments } from '../src/models/autoencoder-kl.ts';
import { clipTextEncoder } from '../src/models/clip-text.ts';
import { hashedUniforms } from '../src/models/hashed-weights.test-util.ts';
import { otherConfig, smallConfig } from '../src/models/small-configs.test-util.ts';
import type { StableDiffusionConfig } from '../src/models/stable-diffusion-config.ts';
import { unet } from '../src/models/unet.ts';
import { deserialize } from '../src/tensor/safetensors.ts';
import { float32, type Tensor } from '../src/tensor/tensor.ts';
import {
  errorOf,
  program,
  tokenIds,
  uniform,
  weightsOf,
  type Tensors,
} from './stable-diffusion-support.ts';
import { testedBackends } from '../src/runtime/testing/backends.ts';

const golden = deserialize(
  readFileSync(new URL('../reference/golden/stable_diffusion_small.safetensors', import.meta.url)),
).tensors;
const { losses, probes } = JSON.parse(
  readFileSync(
    new URL('../reference/golden/stable_diffusion_gradients.json', import.meta.url),
    'utf8',
  ),
) as {
  losses: { noise: number; picture: number };
  probes: Record<string, [number, number]>;
};

/**
 * Largest error as a part of the largest element. Measured with the evaluator: 3e-8 to 4e-8 for
 * text states and the autoencoder (the goldens are stored as float32), 1e-6 to 2.6e-6 for the UNet
 * (diffusers takes the sines of the timestep in float32 always). With ONNX Runtime in float32 on
 * the CPU: text states 2e-7 to 5e-7, noise prediction 6e-7 to 1.1e-6, moments 4e-7 to 8e-7, picture
 * 4e-7 to 8e-7. Times the slack of the backend.
 */
const TOLERANCE = 4e-6;

interface Implementation {
  readonly name: string;
  readonly slack: number;
  readonly skip: string | false;
  readonly run: (graph: Graph, inputs: Tensors) => Promise<Tensors>;
}

const evaluator: Implementation = {
  name: 'evaluator',
  slack: 1,
  skip: false,
  async run(graph, inputs) {
    const weights = [...weightsOf(graph)];
    return evaluate(
      graph,
      Object.fromEntries(
        [...weights, ...Object.entries(inputs)].map(([name, tensor]) => [name, toFloat64(tensor)]),
      ),
    );
  },
};

const backends = await testedBackends();

const [onCpu, onCard] = backends.map(({ name, slack, skip, runtime }): Implementation => ({
  name,
  slack,
  skip,
  async run(graph, inputs) {
    const program = await runtime.compile(graph, { weights: weightsOf(graph) });
    const results = await program.run(inputs);
    await program.release();
    return results;
  },
}));

function compare(
  name: string,
  { graph, inputs }: { graph: Graph; inputs: Tensors },
  on: readonly Implementation[] = [onCpu],
): void {
  for (const { name: implementation, slack, skip, run } of on) {
    test(`${name}, ${implementation}`, { skip }, async (t) => {
      for (const [key, actual] of Object.entries(await run(graph, inputs))) {
        const error = errorOf(actual, golden.get(key) ?? assert.fail(`no golden ${key}`));
        t.diagnostic(`${key}: ${error.toExponential(1)}`);
        assert.ok(error <= slack * TOLERANCE, `${key}: ${error}`);
      }
    });
  }
}

const textProgram = (name: string, { textEncoder }: StableDiffusionConfig, length: number) =>
  program((g, feed) => ({
    [`${name}.text.${length}`]: clipTextEncoder(
      g,
      textEncoder,
      feed('ids', tokenIds([2, length], textEncoder.vocab_size)),
    ),
  }));

const skipProgram = (name: string, { textEncoder }: StableDiffusionConfig, length: number) =>
  program((g, feed) => ({
    [`${name}.text.skip2`]: clipTextEncoder(
      g,
      textEncoder,
      feed('ids', tokenIds([2, length], textEncoder.vocab_size)),
      { clipSkip: 2 },
    ),
  }));

const unetProgram = (
  name: string,
  config: StableDiffusionConfig,
  [height, width]: [number, number],
) =>
  program((g, feed) => ({
    [`${name}.unet.${height}x${width}`]: unet(g, config.unet, {
      latents: feed('latents', uniform('latents', [2, 4, height, width], 1.7)),
      timesteps: feed('timesteps', float32([2], [981, 37])),
      context: feed('context', uniform('context', [2, 7, config.unet.cross_attention_dim], 1.7)),
    }),
  }));

const vaeProgram = (
  name: string,
  { vae }: StableDiffusionConfig,
  [height, width]: [number, number],
  factor: number,
) =>
  program((g, feed) => {
    const { mean, logvar } = encodeMoments(
      g,
      vae,
      feed('pixels', uniform('pixels', [2, 3, height, width])),
    );
    const decoded = decode(
      g,
      vae,
      feed('z', uniform('z', [2, vae.latent_channels, height / factor, width / factor], 1.7)),
    );
    return {
      [`${name}.vae.mean`]: mean,
      [`${name}.vae.logvar`]: logvar,
      [`${name}.vae.decoded`]: decoded,
    };
  });

// the evaluator is slow: only where it takes less than a second or two
const both = [evaluator, onCpu];
// a Vulkan in software is slow at each new shape: one of each model
const each = [onCpu, onCard];

compare('text states', textProgram('small', smallConfig, 77), each);
compare('text states of few tokens', textProgram('small', smallConfig, 5), both);
compare('text states of the last layer but one', skipProgram('small', smallConfig, 5));
compare('text states, other sizes', textProgram('other', otherConfig, 12), both);
compare(
  'text states of the last layer but one, other sizes',
  skipProgram('other', otherConfig, 12),
);
compare('noise prediction', unetProgram('small', smallConfig, [16, 16]));
compare('noise prediction of odd size', unetProgram('small', smallConfig, [11, 13]), each);
compare('noise prediction, other sizes', unetProgram('other', otherConfig, [8, 6]), both);
compare('moments and picture', vaeProgram('small', smallConfig, [32, 24], 4), each);
compare('moments and picture, other sizes', vaeProgram('other', otherConfig, [12, 8], 2), both);

const meanSquare = (g: Builder, x: Value, y: Value) => {
  const difference = g.sub(x, y);
  return g.reduceMean(g.mul(difference, difference), [0, 1, 2, 3]);
};

/**
 * mean((unet(latents, clip(ids)) - target)²) + mean((decode(sample(encode(pixels))) - pixels)²).
 */
const training = program((g, feed) => {
  const context = clipTextEncoder(
    g,
    smallConfig.textEncoder,
    feed('ids', tokenIds([2, 7], smallConfig.textEncoder.vocab_size)),
  );
  const latents = feed('latents', uniform('latents', [2, 4, 16, 16], 1.7));
  const timesteps = feed('timesteps', float32([2], [981, 37]));
  const prediction = unet(g, smallConfig.unet, { latents, timesteps, context });
  const noise = meanSquare(g, prediction, feed('target', uniform('target', [2, 4, 16, 16], 1.7)));
  const pixels = feed('pixels', uniform('pixels', [2, 3, 32, 24]));
  const z = sample(
    g,
    encodeMoments(g, smallConfig.vae, pixels),
    feed('noise', uniform('noise', [2, 4, 8, 6], 1.7)),
  );
  const picture = meanSquare(g, decode(g, smallConfig.vae, z), pixels);
  return { loss: g.add(noise, picture), noise, picture };
});

function sample(g: Builder, { mean, logvar }: Moments, noise: Value): Value {
  return g.add(mean, g.mul(g.exp(g.mul(logvar, 0.5)), noise));
}

/**
 * A gradient's error as a part of its norm (projections, norms: measured 2.4e-5, that of a bias of
 * keys; the others 2e-6) or of its largest element (whole gradients: measured 2.3e-6). The
 * evaluator takes too long here: 5.1e-6 and 8.1e-6.
 */
const gradientTolerance = 5e-5;
/**
 * A bias of keys has no effect: its gradient is rounding alone, 4e-18 in float64, 2e-9 in float32.
 * Real ones are larger than this.
 */
const nothing = 1e-4;

for (const { name, slack, skip, run } of each)
  test(`gradients of every weight, ${name}`, { skip }, async (t) => {
    const latents = training.graph.inputs.find(({ name }) => name === 'latents') ?? assert.fail();
    const graph = differentiate(training.graph, {
      loss: 'loss',
      wrt: [...training.graph.parameters, latents],
    });
    const results = await run(graph, training.inputs);
    for (const name of ['noise', 'picture'] as const) {
      const error = Math.abs(Number(results[name].data[0]) / losses[name] - 1);
      assert.ok(error <= slack * TOLERANCE, `${name} loss: ${error}`);
    }
    const gradientOf = (name: string) =>
      results[`grad:${name}`] ?? assert.fail(`no gradient of ${name}`);
    const projected = Object.entries(probes).map(
      ([name, [dot, norm]]) => [name, probeError(name, gradientOf(name), dot, norm)] as const,
    );
    const kept = [...golden].filter(([key]) => key.startsWith('grad.'));
    const whole = kept.map(
      ([key, expected]) => [key, errorOf(gradientOf(key.slice('grad.'.length)), expected)] as const,
    );
    for (const [name, error] of [...projected, ...whole])
      assert.ok(error <= slack * gradientTolerance, `${name}: ${error}`);
    const worst = (errors: typeof projected) =>
      [...errors]
        .sort((a, b) => a[1] - b[1])
        .slice(-2)
        .join(', ');
    t.diagnostic(
      `worst of ${projected.length} projections: ${worst(projected)}; of ${whole.length} gradients: ${worst(whole)}`,
    );
  });

/**
 * Error of the gradient's projection on hashed numbers (deviation 1/√3 an element), and of its
 * norm.
 */
function probeError(name: string, { data }: Tensor, dot: number, norm: number): number {
  const probe = hashedUniforms(`probe.${name}`, data.length);
  let [ourDot, ourSquare] = [0, 0];
  for (let i = 0; i < data.length; i++) {
    const x = Number(data[i]);
    ourDot += x * probe[i];
    ourSquare += x * x;
  }
  return (
    Math.max(Math.abs(ourDot - dot), Math.abs(Math.sqrt(ourSquare) - norm)) /
    Math.max(norm, nothing)
  );
}
