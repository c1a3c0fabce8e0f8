// ONNX Runtime on the processor.

import type { OpName } from '../../graph/ops.ts';
import type { Backend } from '../backend.ts';
import { processRoom } from '../room.ts';
import { weightViews } from '../weight-views.ts';
import type { WeightPlan } from '../weight-plan.ts';
import { cpuPlan, holdInMemory } from './cpu-weights.ts';
import { cpuEmissions } from './cpu-emissions.ts';
import { fileOrder } from './file-order.ts';
import { namingMachine } from './failures.ts';
import { passes } from './passes.ts';
import { createSession } from './session.ts';

/** Of a graph with one of these malloc keeps more: a UNet's tensors are of many sizes. */
const convolutions: ReadonlySet<OpName> = new Set<OpName>([
  'Conv',
  'ConvTranspose',
  'ConvGradInput',
  'ConvGradWeight',
]);

/** The same inputs give the same bits at one number of threads. */
export const cpu: Backend = {
  name: 'cpu',
  emissions: cpuEmissions,
  passes,
  weightParts: weightViews,
  limits: { largestTensor: Infinity, halfPrecision: false, ownsMemory: false },
  plan: cpuPlan,
  // Fitted to peaks that were measured (docs/experiments.md): 1.7 to 2.0 for a UNet; for language
  // models of 1.5, 135 and 494 million parameters 12 % too low to 15 % too high
  bytesPerLiveByte: ({ nodes }) => (nodes.some(({ op }) => convolutions.has(op)) ? 1.7 : 1.25),
  room: (need) => processRoom(need),
  hold: (weights) => namingMachine(() => holdInMemory(weights)),
  order: fileOrder,
  describe: (threads) => `cpu, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
  open: (graph, held, { plan, threads, profile, keepsMemory = false }) =>
    namingMachine(async () => {
      const session = await createSession(graph, held, {
        threads,
        profile,
        executionProviders: ['cpu'],
        enableCpuMemArena: keepsMemory,
        extra: { 'session.disable_prepacking': packs(plan) ? '0' : '1' },
      });
      return {
        run: (inputs, outputs) => namingMachine(() => session.run(inputs, outputs)),
        release: () => session.release(),
      };
    }),
  release: () => Promise.resolve(),
};

const packs = (plan: WeightPlan): boolean => [...plan.values()].some(({ how }) => how === 'packed');
