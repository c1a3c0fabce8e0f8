// Samplers and schedules by the names that other programs give them.

import { samplers, type SamplerName } from './samplers.ts';
import { schedules, type ScheduleChoice, type ScheduleName } from './schedules.ts';

export interface NamedSampler {
  readonly sampler: SamplerName;
  /** `automatic` where the name says nothing of it. */
  readonly schedule: ScheduleChoice;
}

/**
 * A sampler by our name, WebUI's ("DPM++ 2M", also with a schedule at its end: "DPM++ 2M Karras"),
 * ComfyUI's or kohya's; undefined where it is none of them.
 */
export function samplerNamed(name: string): NamedSampler | undefined {
  const plain = plainOf(name);
  const whole = samplerNames.get(plain);
  if (whole !== undefined) return { schedule: 'automatic', ...whole };
  for (const [ending, schedule] of scheduleNames) {
    const found = plain.endsWith(`_${ending}`)
      ? samplerNames.get(plain.slice(0, -ending.length - 1))
      : undefined;
    if (found !== undefined) return { ...found, schedule };
  }
  return undefined;
}

/** A schedule by our name, WebUI's or ComfyUI's; undefined where it is none of them. */
export const scheduleNamed = (name: string): ScheduleChoice | undefined =>
  plainOf(name) === 'automatic' ? 'automatic' : scheduleNames.get(plainOf(name));

/** "DPM++ 2M SDE", "k_dpmpp_2m_sde" and "dpmpp-2m-sde" are one name. */
const plainOf = (name: string): string =>
  name
    .trim()
    .toLowerCase()
    .replaceAll('++', 'pp')
    .replace(/[\s_-]+/g, '_')
    .replace(/^k_/, '');

/** Of each sampler, what others call it besides our name and WebUI's label. */
const otherSamplerNames: Readonly<Record<SamplerName, readonly string[]>> = {
  euler: [],
  euler_a: ['euler_ancestral'],
  heun: [],
  dpmpp_2m: [],
  dpmpp_2m_sde: [],
  lcm: [],
  ddim: [],
  unipc: ['uni_pc'],
};

const otherScheduleNames: Readonly<Record<ScheduleName, readonly string[]>> = {
  uniform: [],
  karras: [],
  exponential: [],
  polyexponential: [],
  sgm_uniform: ['sgmuniform'],
  kl_optimal: [],
  align_your_steps: ['ays'],
  simple: [],
  normal: [],
  ddim: ['ddim_uniform'],
};

// Object.entries forgets that the keys are the tables' own.
const samplerNames = new Map<string, Pick<NamedSampler, 'sampler'> & Partial<NamedSampler>>([
  ...(Object.entries(samplers) as [SamplerName, { label: string }][]).flatMap(
    ([sampler, { label }]) =>
      [sampler, label, ...otherSamplerNames[sampler]].map(
        (name) => [plainOf(name), { sampler }] as const,
      ),
  ),
  // kohya's, which is diffusers' DPMSolverMultistepScheduler
  ['dpmsolverpp', { sampler: 'dpmpp_2m', schedule: 'uniform' }],
]);

const scheduleNames = new Map<string, ScheduleName>(
  // as above
  (Object.entries(schedules) as [ScheduleName, { label: string }][]).flatMap(
    ([schedule, { label }]) =>
      [schedule, label, ...otherScheduleNames[schedule]].map(
        (name) => [plainOf(name), schedule] as const,
      ),
  ),
);
