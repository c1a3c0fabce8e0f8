// ONNX Runtime on a graphics card, through WebGPU (Dawn): Vulkan, Direct3D 12 or Metal.

import type { Backend } from '../backend.ts';
import { cpu } from './cpu.ts';
import { createSession } from './session.ts';
import { webgpuEmissions } from './webgpu-emissions.ts';

export const webgpu: Backend = {
  name: 'webgpu',
  emissions: webgpuEmissions,
  passes: cpu.passes,
  place: cpu.place,
  limits: cpu.limits,
  plan: cpu.plan,
  hold: cpu.hold,
  order: cpu.order,
  describe: () => 'webgpu',
  open: (graph, held, { threads, profile }) =>
    createSession(graph, held, {
      threads,
      profile,
      executionProviders: ['webgpu'],
      enableCpuMemArena: false,
      extra: { 'session.disable_cpu_ep_fallback': '1', 'session.use_deterministic_compute': '1' },
    }),
};
