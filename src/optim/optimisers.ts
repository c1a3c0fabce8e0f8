// The optimisers by the names that `optimizer` takes.

import { adamw } from './adamw.ts';
import type { OptimiserRule } from './rule.ts';
import { sgd, sgdNesterov } from './sgd.ts';

export const optimisers = {
  adamw,
  sgd,
  sgd_nesterov: sgdNesterov,
} as const satisfies Readonly<Record<string, OptimiserRule>>;

export type OptimiserName = keyof typeof optimisers;

// The table is made of exactly these; Object.keys only promises strings.
export const optimiserNames = Object.keys(optimisers) as [OptimiserName, ...OptimiserName[]];
