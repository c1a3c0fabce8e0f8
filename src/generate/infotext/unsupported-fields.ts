// Settings of a picture that this program does not have: each is said, none is passed over.

import type { Problem } from '../../errors.ts';
import type { CompleteFields } from './parse-infotext.ts';

/** Settings that are used, or that say of the picture what needs no doing. */
const known = new Set([
  ...['Prompt', 'Negative prompt', 'Steps', 'Sampler', 'Schedule type', 'CFG scale', 'Seed'],
  ...['Size-1', 'Size-2', 'Clip skip', 'Emphasis', 'RNG', 'ENSD', 'Eta', 'Eta DDIM'],
  ...['Variation seed', 'Variation seed strength', 'Seed resize from-1', 'Seed resize from-2'],
  ...['Denoising strength', 'Model', 'Model hash', 'VAE', 'VAE hash', 'Lora hashes', 'Version'],
  ...['Hires upscale', 'Hires resize-1', 'Hires resize-2', 'Hires steps', 'Hires upscaler'],
  ...['Hires sampler', 'Hires schedule type', 'Hires prompt', 'Hires negative prompt'],
  ...['User', 'Hashes', 'Created Date', 'Civitai resources', 'Civitai metadata'],
  ...['First pass size-1', 'First pass size-2', 'Init image hash', 'Batch size', 'Batch pos'],
]);

/** What a setting means where it is the usual, or is of no consequence. */
const usual: ReadonlyMap<string, readonly string[]> = new Map([
  ['Hires checkpoint', ['Use same checkpoint']],
  ['Mask mode', ['Inpaint masked']],
  ['Masked content', ['original']],
  ['Inpaint area', ['Whole picture']],
  ['Masked area padding', ['32']],
  ['Schedule max sigma', ['0']],
  ['Schedule min sigma', ['0']],
  ['Schedule rho', ['0']],
  ['VAE Encoder', ['Full']],
  ['VAE Decoder', ['Full']],
  ['FP8 weight', ['Disable']],
  ['Cache FP16 weight for LoRA', ['false', 'False']],
  ['Refiner switch by sampling steps', ['false', 'True', 'true']],
  ['Tiling', ['False']],
]);

const means: ReadonlyMap<string, string> = new Map([
  ['TI hashes', 'it was made with textual inversions'],
  ['Hypernet', 'it was made with a hypernetwork'],
  [
    'Downcast alphas_cumprod',
    'it was made with noise levels of half precision (WebUI before 1.7.0)',
  ],
  [
    'Old prompt editing timelines',
    'it was made by a version in which [a:b:1.5] counted otherwise (WebUI before 1.6)',
  ],
]);

/** One warning with all settings that are not followed; none where there are none. */
export function remainingWarnings(fields: CompleteFields, where: string): Problem[] {
  const left = [...fields].filter(
    ([key, value]) => !known.has(key) && usual.get(key)?.includes(String(value)) !== true,
  );
  if (left.length === 0) return [];
  const named = left.map(([key, value]) => `${key}: ${String(value)}`);
  const reasons = left.flatMap(([key]) => means.get(key) ?? []);
  const because = reasons.length === 0 ? '' : ` (${reasons.join('; ')})`;
  return [
    {
      where,
      what: `it was made with settings that this program does not have: ${named.join(', ')}${because}`,
      fix: 'The picture will be another one as far as they matter.',
    },
  ];
}
