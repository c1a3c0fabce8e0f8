// The samplers by the name a configuration gives them.

import { ddim } from './ddim.ts';
import { dpmpp2m, dpmpp2mKarras } from './dpmpp-2m.ts';
import { eulerAncestral } from './euler-ancestral.ts';
import { euler } from './euler.ts';

export const samplers = {
  ddim,
  euler,
  euler_a: eulerAncestral,
  dpmpp_2m: dpmpp2m,
  dpmpp_2m_karras: dpmpp2mKarras,
} as const;

export type SamplerName = keyof typeof samplers;
