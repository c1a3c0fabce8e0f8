// ONNX Runtime on a graphics card, through WebGPU (Dawn): Vulkan, Direct3D 12 or Metal.

import { tmpdir } from 'node:os';
import { float32 } from '../../tensor/tensor.ts';
import type { Backend, Limits, Session, SessionOptions } from '../backend.ts';
import { dividedWeights } from '../divided-weights.ts';
import { machineMemory } from '../memory.ts';
import { deviceRoom } from '../room.ts';
import type { OnnxGraph } from '../onnx-model.ts';
import { namingCard, namingOpening } from './failures.ts';
import { fileOrder } from './file-order.ts';
import { passes } from './passes.ts';
import { createSession, uploadTo, type ProviderOptions, type Upload } from './session.ts';
import { webgpuEmissions } from './webgpu-emissions.ts';
import { hasHalfPrecision, largestTensor } from './webgpu-probes.ts';
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
 * Throws SystemError where it cannot be used.
 */
export async function openWebgpu(card: Card): Promise<Backend> {
  // Dawn looks for a screen, and where there is none complains on the terminal of a missing folder
  if (process.platform === 'linux') process.env.XDG_RUNTIME_DIR ??= tmpdir();
  const upload = uploadTo(['webgpu']);
  return namingOpening(card.name, async () => {
    try {
      // ONNX Runtime lets the device go when no session is left: this one stays
      const first = await upload.send(float32([1], [1]));
      first.release();
      return webgpu(card.name, upload, await limitsOf(card));
    } catch (error) {
      await upload.release();
      throw error;
    }
  });
}

const limitsOf = async ({ halfPrecision, largestBuffer, memory }: Card): Promise<Limits> => ({
  halfPrecision: halfPrecision !== false && (await hasHalfPrecision(open)),
  largestTensor: largestBuffer ?? (await largestTensor(open, memory ?? machineMemory())),
  ownsMemory: true,
  memory,
});

/** For each byte of live activations; not measured on a card yet. */
const BYTES_PER_LIVE_BYTE = 1.25;

function webgpu(adapter: string, upload: Upload, limits: Limits): Backend {
  const description = `webgpu, ${adapter}`;
  return {
    name: 'webgpu',
    adapter,
    emissions: webgpuEmissions,
    passes,
    weightParts: (graph, weights) => dividedWeights(graph, weights, limits.largestTensor),
    limits,
    plan: (bound) => devicePlan(bound, limits.halfPrecision),
    bytesPerLiveByte: () => BYTES_PER_LIVE_BYTE,
    room: (need) => deviceRoom(limits, description, need),
    hold: (weights) => namingCard(adapter, () => holdOnDevice(weights, upload)),
    order: fileOrder,
    describe: () => description,
    open: (graph, held, options) =>
      namingCard(adapter, async () => {
        const session = await createSession(graph, held, providerOptions(options));
        return namingRuns(session, adapter);
      }),
    release: () => upload.release(),
  };
}

const open = (graph: OnnxGraph) => createSession(graph, new Map(), providerOptions({}));

/** No node may fall back to the processor, and the same inputs give the same bits. */
const providerOptions = ({
  threads,
  profile,
}: Partial<Pick<SessionOptions, 'threads' | 'profile'>>): ProviderOptions => ({
  threads,
  profile,
  executionProviders: ['webgpu'],
  enableCpuMemArena: false,
  extra: { 'session.disable_cpu_ep_fallback': '1', 'session.use_deterministic_compute': '1' },
});

const namingRuns = (session: Session, adapter: string): Session => ({
  run: (inputs, outputs) => namingCard(adapter, () => session.run(inputs, outputs)),
  release: () => session.release(),
});
