// ONNX Runtime on a graphics card, through WebGPU (Dawn): Vulkan, Direct3D 12 or Metal.

import type { Backend, Limits, Session, SessionOptions } from '../backend.ts';
import { dividedWeights } from '../divided-weights.ts';
import { cpu } from './cpu.ts';
import { naming } from './device-errors.ts';
import type { OnnxGraph } from '../onnx-model.ts';
import { createSession, uploadTo, type ProviderOptions } from './session.ts';
import { webgpuEmissions } from './webgpu-emissions.ts';
import { hasHalfPrecision, largestTensor, openDevice } from './webgpu-probes.ts';
import { devicePlan, holdOnDevice } from './webgpu-weights.ts';

/** What the system tells of the graphics card that will be taken. */
export interface Card {
  readonly name: string;
  /** Bytes. */
  readonly memory?: number;
  /** Bytes. */
  readonly largestBuffer?: number;
  readonly halfPrecision?: boolean;
}

/**
 * Opens the graphics card that the provider takes. What the system does not tell of it is tried.
 * Throws SystemError where there is none.
 */
export async function openWebgpu(card: Card): Promise<Backend> {
  return naming(card.name, async () => {
    const device = await openDevice(open);
    const halves = card.halfPrecision !== false && (await hasHalfPrecision(open));
    const largest = card.largestBuffer ?? (await largestTensor(open));
    const limits = { largestTensor: largest, ownsMemory: true, memory: card.memory };
    return webgpu(card.name, { device, limits, halfPrecision: halves });
  });
}

interface Device {
  /** Keeps the device: ONNX Runtime lets it go, with all tensors on it, when no session is left. */
  readonly device: Session;
  readonly limits: Limits;
  readonly halfPrecision: boolean;
}

function webgpu(adapter: string, { device, limits, halfPrecision }: Device): Backend {
  return {
    name: 'webgpu',
    adapter,
    emissions: webgpuEmissions,
    passes: cpu.passes,
    place: (graph, weights) => dividedWeights(graph, weights, limits.largestTensor),
    limits,
    plan: (placed) => devicePlan(placed, halfPrecision),
    hold: (weights) => naming(adapter, () => holdOnDevice(weights, uploadTo(['webgpu']))),
    order: cpu.order,
    describe: () => `webgpu, ${adapter}`,
    open: (graph, held, options) =>
      naming(adapter, async () => {
        const session = await createSession(graph, held, providerOptions(options));
        return withNames(session, adapter);
      }),
    release: () => device.release(),
  };
}

const open = (graph: OnnxGraph) => createSession(graph, new Map(), providerOptions({}));

/** No node may fall back to the processor, and the same inputs give the same bits. */
const providerOptions = ({ threads, profile }: SessionOptions): ProviderOptions => ({
  threads,
  profile,
  executionProviders: ['webgpu'],
  enableCpuMemArena: false,
  extra: { 'session.disable_cpu_ep_fallback': '1', 'session.use_deterministic_compute': '1' },
});

const withNames = (session: Session, adapter: string): Session => ({
  run: (inputs, outputs) => naming(adapter, () => session.run(inputs, outputs)),
  release: () => session.release(),
});
