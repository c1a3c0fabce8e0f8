// Noise against WebUI's own generator, torchsde and NumPy (reference/webui_samplers.py).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  difference,
  goldenNumbers,
  goldenUnder,
  levelsOf,
  passed,
  SEEDS,
  streamOf,
} from '../samplers/webui.test-util.ts';
import { samplers } from '../samplers/samplers.ts';
import { joined } from '../../util/joined.ts';
import { mersenneTwister } from '../../util/mersenne-twister.ts';
import { seedSequence } from '../../util/seed-sequence.ts';
import { noiseStream } from './noise-stream.ts';
import { firstNoise, type LatentShape } from './picture-noise.ts';
import type { NoiseSourceName } from './noise-sources.ts';

/** PyTorch's logarithms and sines are in float32 here. */
const OF_PYTORCH = 5e-7;

const sourceOf = (label: string) => label.toLowerCase() as NoiseSourceName; // WebUI's labels

test('the start and the noise on the way are those of WebUI: NV to the bit, CPU to its last bits', () => {
  const all = goldenUnder('noise');
  assert.equal(all.length, 16);
  for (const [name, expected] of all) {
    const [label, size, delta] = name.split('/');
    const [channels, height, width] = size.split('x').map(Number);
    const stream = streamOf([channels, height, width], sourceOf(label), Number(delta));
    const drawn = joined([stream.first(), stream.fresh(), stream.fresh()]);
    if (label === 'NV') assert.deepEqual(drawn, expected, name);
    else assert.ok(difference(drawn, expected) < OF_PYTORCH, name);
  }
});

test('variations and resized seeds are those of WebUI', () => {
  const shape: LatentShape = [4, 8, 8];
  for (const [name, expected] of goldenUnder('variation')) {
    const source = sourceOf(name.split('/')[0]);
    const drawn = SEEDS.map((seed, i) =>
      firstNoise({ seed, source, seedDelta: 0, variation: { seed: 7 + i, strength: 0.3 } }, shape),
    );
    assert.ok(difference(joined(drawn), expected) < OF_PYTORCH, name);
  }
  for (const [name, expected] of goldenUnder('resize')) {
    const [label, size] = name.split('/');
    const [height, width] = size.split('x').map((pixels) => Number(pixels) / 8);
    const noise = { source: sourceOf(label), seedDelta: 0, resizedFrom: { height, width } };
    const drawn = joined(SEEDS.map((seed) => firstNoise({ seed, ...noise }, shape)));
    assert.ok(difference(drawn, expected) < OF_PYTORCH, name);
  }
});

test('Brownian motion is that of torchsde with the seeds of NumPy, also over 4518 to 0.002', () => {
  for (const name of ['exponential', 'zero_snr']) {
    const edges = goldenNumbers(`brownian/${name}/edges`);
    const expected = goldenNumbers(`brownian/${name}/noise`);
    const motion = streamOf().brownian(Math.min(...edges), Math.max(...edges));
    const drawn = joined([0, 1, 2, 3].map((i) => motion(edges[i], edges[i + 1])));
    assert.ok(difference(drawn, expected) < 2e-7, name); // PyTorch's square root
  }
});

test('DPM++ 2M SDE draws from either source', async () => {
  const way = samplers.dpmpp_2m_sde.way({
    levels: levelsOf('epsilon'),
    schedule: 'automatic',
    steps: 10,
  });
  for (const [label, expected] of goldenUnder('sde')) {
    const steps = await passed(way, { noise: streamOf([4, 2, 2], sourceOf(label)) });
    assert.ok(difference(steps[9].x, expected) < 5e-6, label);
  }
});

test('a picture does not change with those beside it', () => {
  const shape: LatentShape = [4, 4, 4];
  const picture = (seed: number) => ({ seed, source: 'nv', seedDelta: 31337 }) as const;
  const draw = (seeds: readonly number[]) => {
    const stream = noiseStream(seeds.map(picture), shape);
    const motion = stream.brownian(0.03, 14.6);
    return [stream.first(), stream.fresh(), stream.fresh(), motion(14.6, 7), motion(7, 0.03)];
  };
  const together = draw([5, 6]);
  draw([6]).forEach((alone, i) => assert.deepEqual(together[i].subarray(64), alone));
});

test('how far Brownian motion goes does not depend on where it is asked', () => {
  const shape: LatentShape = [4, 8, 8];
  const motion = () =>
    noiseStream([{ seed: 9, source: 'nv', seedDelta: 0 }], shape).brownian(0.03, 14.6);
  const whole = motion()(14.6, 0.03);
  const [a, b, c] = [motion()(14.6, 9.25), motion()(9.25, 1.1), motion()(1.1, 0.03)];
  const sum = whole.map(
    (_, i) =>
      (a[i] * Math.sqrt(14.6 - 9.25) +
        b[i] * Math.sqrt(9.25 - 1.1) +
        c[i] * Math.sqrt(1.1 - 0.03)) /
      Math.sqrt(14.6 - 0.03),
  );
  assert.ok(difference(sum, whole) < 2e-6);
});

test("NumPy's SeedSequence and the Mersenne Twister: published numbers", () => {
  // numpy.random.SeedSequence(12345, spawn_key=(5, 2), pool_size=8).generate_state(3)
  assert.deepEqual([...seedSequence(12345, [5, 2], 8, 3)], [3619051950, 1383718368, 2395216505]);
  // 2 ** 40 + 7, no key, a pool of 4
  assert.deepEqual([...seedSequence(2 ** 40 + 7, [], 4, 3)], [238885397, 226915041, 1322230113]);
  const word = mersenneTwister(5489);
  let last = 0;
  for (let i = 0; i < 10000; i++) last = word();
  assert.equal(last, 4123659995); // the 10000th of std::mt19937
});
