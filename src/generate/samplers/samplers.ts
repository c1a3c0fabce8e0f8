// The samplers by the name a request gives them: those of WebUI 1.10, in its terms.

import { consistencyDenoiser } from './denoisers.ts';
import { ddim } from './ddim.ts';
import { dpmpp2mSde } from './dpmpp-2m-sde.ts';
import { dpmpp2m } from './dpmpp-2m.ts';
import { eulerAncestral } from './euler-ancestral.ts';
import { euler } from './euler.ts';
import { heun } from './heun.ts';
import { lcm } from './lcm.ts';
import { lcmLevels } from './levels.ts';
import { LEAST_UNIPC_STEPS, unipc } from './unipc.ts';
import { alongSigmas, alongTimesteps, type SamplerKind } from './way.ts';

export const samplers = {
  euler: alongSigmas({ label: 'Euler', sample: euler, automatic: 'uniform' }),
  euler_a: alongSigmas({
    label: 'Euler a',
    sample: eulerAncestral,
    automatic: 'uniform',
    usesSeedDelta: true,
  }),
  heun: alongSigmas({ label: 'Heun', sample: heun, automatic: 'uniform', callsPerStep: 2 }),
  dpmpp_2m: alongSigmas({ label: 'DPM++ 2M', sample: dpmpp2m, automatic: 'karras' }),
  dpmpp_2m_sde: alongSigmas({
    label: 'DPM++ 2M SDE',
    sample: dpmpp2mSde,
    automatic: 'exponential',
  }),
  lcm: alongSigmas({
    label: 'LCM',
    sample: lcm,
    automatic: 'uniform',
    levels: lcmLevels,
    denoiser: consistencyDenoiser(lcmLevels),
  }),
  ddim: alongTimesteps({
    label: 'DDIM',
    sample: ddim,
    leastSteps: 2,
    steps: (timesteps) => timesteps - 1,
  }),
  unipc: alongTimesteps({
    label: 'UniPC',
    sample: unipc,
    leastSteps: LEAST_UNIPC_STEPS,
    steps: (timesteps) => timesteps,
  }),
} as const satisfies Readonly<Record<string, SamplerKind>>;

export type SamplerName = keyof typeof samplers;
