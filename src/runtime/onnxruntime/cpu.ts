// ONNX Runtime on the processor.

import { factorsLast } from '../../graph/passes/factors-last.ts';
import { lateOrder } from '../../graph/passes/late-order.ts';
import { padsToConcat } from '../../graph/passes/pads-to-concat.ts';
import type { Backend } from '../backend.ts';
import { weightViews } from '../weight-views.ts';
import { cpuPlan, holdInMemory } from './cpu-weights.ts';
import { cpuEmissions } from './emissions.ts';
import { fileOrder } from './file-order.ts';
import { createSession } from './session.ts';

/** The same inputs give the same bits at one number of threads. */
export const cpu: Backend = {
  name: 'cpu',
  emissions: cpuEmissions,
  passes: [
    { name: 'late order', apply: lateOrder },
    { name: 'factors last', apply: (graph) => factorsLast(graph).graph },
    { name: 'pads to concat', apply: (graph) => padsToConcat(graph).graph },
  ],
  place: weightViews,
  limits: { largestTensor: Infinity, ownsMemory: false },
  plan: cpuPlan,
  hold: holdInMemory,
  order: fileOrder,
  describe: (threads) => `cpu, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
  open: (graph, held, { threads, profile, arena = false, packWeights = false }) =>
    createSession(graph, held, {
      threads,
      profile,
      executionProviders: ['cpu'],
      enableCpuMemArena: arena,
      extra: { 'session.disable_prepacking': packWeights ? '0' : '1' },
    }),
  release: () => Promise.resolve(),
};
