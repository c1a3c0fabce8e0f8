import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrompt } from '../prompt/parse-prompt.ts';
import { infotextOf, pictureSettingsOf, type PictureSettings } from './picture-settings.ts';

const LINE =
  'Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 5, Size: 512x768';
const found = (more: string, prompt = 'a cat') =>
  pictureSettingsOf(`${prompt}\n${LINE}${more}`, 'x.png');

test('settings are read back as they were written', () => {
  const plain: PictureSettings = {
    prompt: 'a cat <lora:brand:0.8>\nneon',
    negativePrompt: 'blurry,\nlow',
    steps: 20,
    sampler: 'Euler a',
    schedule: 'Automatic',
    guidance: 7,
    seed: 4294967295,
    width: 512,
    height: 768,
    clipSkip: 1,
    noiseSource: 'nv',
  };
  const all: PictureSettings = {
    ...plain,
    clipSkip: 2,
    emphasis: 'no_norm',
    noiseSource: 'cpu',
    seedDelta: 31337,
    eta: 0.5,
    variation: { seed: 3, strength: 0.25 },
    resizedFrom: { width: 256, height: 320 },
    denoising: 0.7,
    hires: {
      scale: 2,
      steps: 10,
      upscaler: 'Latent',
      sampler: 'Heun',
      schedule: 'Simple',
      prompt: 'x, y: "z"',
      negativePrompt: 'q',
    },
    model: 'a, b: c',
    modelHash: '6ce0161689',
    vae: 'vae-ft-mse',
    vaeHash: '735e4c3a44',
    loraHashes: new Map([
      ['brand', '0123456789ab'],
      ['ink', 'ba9876543210'],
    ]),
    version: 'lora-scripts 0.2.0',
  };
  for (const settings of [
    plain,
    all,
    { ...all, hires: { width: 1024, height: 1536 } },
    { ...all, sampler: 'DDIM' },
  ])
    assert.deepEqual(pictureSettingsOf(infotextOf(settings), 'x.png'), {
      settings,
      problems: [],
      warnings: [],
    });
});

test('what is usual in WebUI is filled in: clip skip 1, noise of a graphics card', () => {
  const { settings, warnings } = found('');
  assert.deepEqual([settings.clipSkip, settings.noiseSource, settings.hires], [1, 'nv', undefined]);
  assert.deepEqual(warnings, []);
  assert.equal(found('', '(a:1.2)').settings.emphasis, 'original');
});

test('settings that this program does not have are named in one warning', () => {
  const { warnings } = found(
    ', Tiling: True, ControlNet 0: "preprocessor: canny, weight: 1", TI hashes: "EasyNegative: c74b4e810b03", Version: v1.5.2',
    '[a:b:1.5]',
  );
  assert.equal(warnings.length, 1);
  for (const name of [
    /Tiling: True/,
    /ControlNet 0: preprocessor: canny/,
    /textual inversions/,
    /before 1\.6/,
    /half precision/,
  ])
    assert.match(warnings[0].what, name);
});

test('textual inversions of a picture are refused by name in its prompts', () => {
  const { settings } = found(', TI hashes: "easynegative: c74b4e810b03, my style: 0123456789ab"');
  assert.deepEqual(settings.embeddings, ['easynegative', 'my style']);
  const { problems } = parsePrompt('a cat, EasyNegative', settings);
  assert.match(problems[0].what, /^easynegative is a textual inversion/);
});

test('a number that is none is told by the name of its setting', () => {
  const { problems } = pictureSettingsOf(
    'a\nSteps: many, Sampler: Euler, Seed: -, Size: 5x5',
    'x.png',
  );
  assert.deepEqual(
    problems.map(({ what }) => what),
    [
      'its setting Steps is "many"; expected a number',
      'its setting Seed is "-"; expected a number',
    ],
  );
});
