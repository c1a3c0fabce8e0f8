// Samplers and schedules against Stable Diffusion WebUI's own code, latent by latent
// (reference/webui_samplers.py).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashedUniforms } from '../../models/hashed-weights.test-util.ts';
import { lcmLevels, modelLevels } from './levels.ts';
import { samplerNamed, scheduleNamed } from './names.ts';
import { pictureDenoiser } from './denoisers.ts';
import { dpmpp2mSde } from './dpmpp-2m-sde.ts';
import { samplers, type SamplerName } from './samplers.ts';
import { schedules, type ScheduleChoice } from './schedules.ts';
import { combine, type Predict, type SamplerStep } from './sampler.ts';
import {
  difference,
  goldenNumbers,
  goldenUnder,
  levelsOf,
  model,
  passed,
  streamOf,
} from './webui.test-util.ts';
import { stepsOf } from './way.ts';
import { stableDiffusion15 } from '../../models/stable-diffusion-config.ts';

const everySampler = Object.keys(samplers) as SamplerName[]; // Object.keys forgets them
const PICTURE = 32;

interface Case {
  readonly name: string;
  readonly sampler: SamplerName;
  readonly schedule: ScheduleChoice;
  readonly kind: string;
  readonly steps: number;
  readonly expected: Float32Array;
}

/** WebUI's beta schedule is not here. */
function cases(heading: string, sampler?: SamplerName): Case[] {
  return goldenUnder(heading)
    .map(([name, expected]): Case => {
      const [of, schedule, kind, steps] = name.split('/');
      // the names in the file are those of the tables
      const named = { sampler: of as SamplerName, schedule: schedule as ScheduleChoice };
      return { name, ...named, kind, steps: Number(steps), expected };
    })
    .filter((each) => !each.name.includes('/beta/') && (sampler ?? each.sampler) === each.sampler);
}

const wayOf = ({ sampler, schedule, kind, steps }: Case) =>
  samplers[sampler].way({ levels: levelsOf(kind, sampler), schedule, steps });

/**
 * Both round to float32 at every operation, and where σ is 4518 (zero terminal SNR) its last bit is
 * 5e-4 of a latent. Heun's slope at σ = 0.03 is a difference of latents times 34. The Brownian
 * motion of DPM++ 2M SDE rounds σ to six decimals, and PyTorch's square root is off by a bit at 11
 * of 1000 levels: see the test after next.
 */
const tolerance = (sampler: SamplerName, kind: string): number =>
  kind === 'zero_snr' && sampler !== 'lcm'
    ? 1e-3
    : ({ heun: 5e-5, dpmpp_2m_sde: 3e-4, lcm: 1e-5 }[sampler as string] ?? 5e-6);

for (const sampler of everySampler)
  test(`${sampler} ends where WebUI ends, with every schedule, prediction and number of steps`, async () => {
    const all = cases('txt2img', sampler);
    assert.ok(all.length >= 9);
    for (const each of all) {
      const way = wayOf(each);
      const steps = await passed(way);
      assert.deepEqual(
        steps.map(({ step }) => step),
        Array.from({ length: way.steps }, (_, i) => i + 1),
      );
      const off = difference(steps[way.steps - 1].x, each.expected);
      assert.ok(off < tolerance(sampler, each.kind), `${each.name}: ${off}`);
    }
  });

test('every sampler passes through the latents that WebUI passes through', async () => {
  for (const each of cases('path')) {
    const steps = await passed(wayOf(each));
    assert.equal(steps.length * PICTURE, each.expected.length);
    steps.forEach(({ x }, i) => {
      const off = difference(x, each.expected.subarray(i * PICTURE, (i + 1) * PICTURE));
      assert.ok(off < tolerance(each.sampler, each.kind), `${each.name} step ${i + 1}: ${off}`);
    });
  }
});

test('DPM++ 2M SDE at the very levels of PyTorch differs in the last bits alone', async () => {
  for (const each of cases('txt2img', 'dpmpp_2m_sde')) {
    if (each.kind !== 'epsilon' || each.steps > 20) continue; // the others differ no more
    const sigmas = goldenNumbers(`sigmas/${each.name}`);
    const range = [Math.min(...sigmas.filter((sigma) => sigma > 0)), sigmas[0]] as const;
    const noise = streamOf();
    const first = noise.first();
    const x = combine(sigmas[0], first, 0, first);
    const denoise = pictureDenoiser({ levels: levelsOf(each.kind), predict: model });
    let last: SamplerStep | undefined;
    for await (const step of dpmpp2mSde({ x, sigmas, range, denoise, noise, eta: 1 })) last = step;
    const off = difference(last?.x ?? [], each.expected);
    assert.ok(off < 5e-6, `${each.name}: ${off}`);
  }
});

test('the levels of every schedule are the bits of WebUI, but for what its PyTorch rounds otherwise', () => {
  let [levels, others] = [0, 0];
  for (const { name, sampler, schedule, kind, steps, expected } of cases('sigmas')) {
    const all = levelsOf(kind, sampler);
    const rule =
      schedules[schedule === 'automatic' ? (samplers[sampler].automatic ?? 'uniform') : schedule];
    const sigmas = rule.sigmas(sampler === 'lcm' ? lcmLevels(all) : all, steps);
    assert.equal(sigmas.length, expected.length, name);
    sigmas.forEach((sigma, i) => {
      const off = Math.abs(sigma - expected[i]);
      assert.ok(off <= 2 ** -21 * expected[i], `${name} ${i}: ${sigma} is not ${expected[i]}`);
      levels++;
      if (off > 0) others++;
    });
  }
  assert.ok(levels > 9000 && others < levels / 50, `${others} of ${levels}`);
});

const original = hashedUniforms('picture', PICTURE).map((u) => u * Math.fround(1.7));
const mask = Float32Array.from({ length: PICTURE }, (_, i) => [0, 1, 1, 0][i % 4]);

for (const heading of ['img2img', 'inpaint', 'hires'])
  test(`${heading}: from a picture as WebUI goes, by every sampler`, async () => {
    const all = goldenUnder(heading);
    assert.ok(all.length >= 2 * everySampler.length);
    for (const [name, expected] of all) {
      const [sampler, steps, strength] = name.split('/');
      const depth = { strength: Number(strength), allSteps: heading === 'hires' };
      const way = samplers[sampler as SamplerName].way({
        levels: levelsOf('epsilon'),
        schedule: 'automatic',
        steps: Number(steps),
        depth,
      });
      const given = heading === 'inpaint' ? { picture: original, mask } : { picture: original };
      const gone = await passed(way, given);
      assert.equal(gone.length, way.steps);
      const { x } = gone[gone.length - 1];
      assert.ok(difference(x, expected) < 5e-6, `${name}: ${difference(x, expected)}`);
      if (heading === 'inpaint')
        x.forEach((value, i) => assert.ok(mask[i] === 1 || value === original[i]));
    }
  });

test('eta: other parts of fresh noise than the usual', async () => {
  for (const [name, expected] of goldenUnder('eta')) {
    const [sampler, eta] = name.split('/');
    const way = samplers[sampler as SamplerName].way({
      levels: levelsOf('epsilon'),
      schedule: 'automatic',
      steps: 10,
    });
    const steps = await passed(way, { eta: Number(eta) });
    assert.ok(difference(steps[9 - Number(sampler === 'ddim')].x, expected) < 5e-6, name);
  }
});

test('DPM++ 2M SDE in one step, where k-diffusion fails, gives what the model makes out', async () => {
  const way = samplers.dpmpp_2m_sde.way({
    levels: levelsOf('epsilon'),
    schedule: 'automatic',
    steps: 1,
  });
  const [{ x, denoised }] = await passed(way);
  assert.deepEqual(x, denoised);
});

test('every sampler finds the one picture there is, from any noise, in few steps or many', async () => {
  const levels = levelsOf('epsilon');
  const predict: Predict = (x, t) => {
    const variance = levels.sigmaAt(t) ** 2;
    const [scale, grain] = [1 / Math.sqrt(variance + 1), Math.sqrt(variance / (variance + 1))];
    return Promise.resolve(x.map((value, i) => (value - scale * original[i]) / grain));
  };
  for (const name of everySampler)
    for (const steps of [samplers[name].leastSteps, 9]) {
      const way = samplers[name].way({ levels, schedule: 'automatic', steps });
      const gone = await passed(way, { predict });
      const ends = gone[gone.length - 1].x;
      // DDIM and UniPC end at the lowest timesteps, with the least of the noise left; LCM keeps
      // 2e-8 of x
      const most = samplers[name].automatic === undefined ? 0.2 : 2e-3;
      ends.forEach((value, i) =>
        assert.ok(
          Math.abs(value - original[i]) < most,
          `${name} ${steps}: ${value} is not ${original[i]}`,
        ),
      );
    }
});

test("timesteps and noise levels are each other's inverse", () => {
  const levels = modelLevels(stableDiffusion15.scheduler);
  for (const t of [0, 0.25, 1, 146.5, 500, 998.75, 999])
    // logarithms in float32
    assert.ok(Math.abs(levels.timestepAt(levels.sigmaAt(t)) - t) < 1e-3);
  assert.equal(levels.timestepAt(1e-3), 0);
  assert.equal(levels.timestepAt(99), 999);
});

test('a picture with all steps takes as many as were asked for, whatever the strength', () => {
  assert.deepEqual(stepsOf(20, { strength: 0.7, allSteps: true }), {
    all: 28,
    encoded: 19,
    begins: 8,
  });
  assert.deepEqual(stepsOf(20, { strength: 0.7, allSteps: false }), {
    all: 20,
    encoded: 14,
    begins: 5,
  });
  assert.deepEqual(stepsOf(20, { strength: 1, allSteps: false }), {
    all: 20,
    encoded: 19,
    begins: 0,
  });
  assert.deepEqual(stepsOf(20, { strength: 0, allSteps: false }), {
    all: 20,
    encoded: 0,
    begins: 19,
  });
});

test('names of WebUI, ComfyUI and kohya', () => {
  const named: Readonly<Record<string, readonly [SamplerName, ScheduleChoice]>> = {
    'Euler a': ['euler_a', 'automatic'],
    k_euler_a: ['euler_a', 'automatic'],
    euler_ancestral: ['euler_a', 'automatic'],
    'DPM++ 2M Karras': ['dpmpp_2m', 'karras'],
    dpmpp_2m_karras: ['dpmpp_2m', 'karras'],
    'DPM++ 2M SDE': ['dpmpp_2m_sde', 'automatic'],
    'DPM++ 2M SDE Exponential': ['dpmpp_2m_sde', 'exponential'],
    'dpm++ 2m sgm uniform': ['dpmpp_2m', 'sgm_uniform'],
    'Euler SGMUniform': ['euler', 'sgm_uniform'],
    'dpmsolver++': ['dpmpp_2m', 'uniform'],
    uni_pc: ['unipc', 'automatic'],
    DDIM: ['ddim', 'automatic'],
    'Euler DDIM': ['euler', 'ddim'],
  };
  for (const [name, [sampler, schedule]] of Object.entries(named))
    assert.deepEqual(samplerNamed(name), { sampler, schedule }, name);
  for (const name of ['LMS', 'karras', '', 'euler b', 'constructor'])
    assert.equal(samplerNamed(name), undefined, name);
  assert.equal(scheduleNamed('SGM Uniform'), 'sgm_uniform');
  assert.equal(scheduleNamed('Automatic'), 'automatic');
  assert.equal(scheduleNamed('beta'), undefined);
});
