// The backends that a test is to try: the processor, and a graphics card or a Vulkan in software
// where there is one. Where `LORA_REQUIRE_WEBGPU` is 1 there must be one.

import { after, test, type TestContext } from 'node:test';
import { reasonOf } from '../../util/caught.ts';
import { graphicsAdapters } from '../adapters.ts';
import type { Backend } from '../backend.ts';
import { chooseDevice } from '../devices.ts';
import { cpu } from '../onnxruntime/cpu.ts';
import { openWebgpu, type Card } from '../onnxruntime/webgpu.ts';
import { Runtime } from '../runtime.ts';

export interface TestedBackend {
  readonly name: 'cpu' | 'webgpu';
  readonly backend: Backend;
  /** Of one thread. */
  readonly runtime: Runtime;
  /** What the processor's tolerances are multiplied by. */
  readonly slack: number;
  /** Whether it computes with 64-bit whole numbers. */
  readonly hasInt64: boolean;
  /** Why it cannot be tried here. */
  readonly skip: string | false;
}

/**
 * Released when all tests of the file are over. `card`: said of the graphics card in place of what
 * the system tells, e.g. a smaller largest buffer.
 */
export async function testedBackends(card: Partial<Card> = {}): Promise<TestedBackend[]> {
  const onCpu = { backend: cpu, runtime: new Runtime(cpu, 1), skip: false as const };
  const backends: TestedBackend[] = [
    { name: 'cpu', slack: 1, hasInt64: true, ...onCpu },
    // Erf is a polynomial, good to 1.5e-7, in several operations; sums are of other orders
    { name: 'webgpu', slack: 3, hasInt64: false, ...(await onCard(card, onCpu)) },
  ];
  // programs, weights, device: ONNX Runtime lets the device go with its last session
  after(() => Promise.all(backends.map(({ runtime }) => runtime.release())));
  return backends;
}

/** One test for each backend, called `title, on webgpu`. */
export function testOnEach(
  backends: readonly TestedBackend[],
  title: string,
  body: (backend: TestedBackend, t: TestContext) => Promise<void>,
): void {
  for (const backend of backends)
    test(`${title}, on ${backend.name}`, { skip: backend.skip }, (t) => body(backend, t));
}

type Opened = Pick<TestedBackend, 'backend' | 'runtime' | 'skip'>;

async function onCard(card: Partial<Card>, instead: Opened): Promise<Opened> {
  const { found, skip } = await cardHere();
  if (found === undefined) return { ...instead, skip };
  const backend = await openWebgpu({ ...found, ...card });
  return { backend, runtime: new Runtime(backend, 1), skip };
}

/** The card that `device: webgpu` takes here, or why none; throws where there must be one. */
async function cardHere() {
  try {
    const { card } = chooseDevice('webgpu', await graphicsAdapters());
    return { found: card, skip: false as const };
  } catch (error) {
    const skip = reasonOf(error);
    if (process.env.LORA_REQUIRE_WEBGPU === '1')
      throw new Error(`LORA_REQUIRE_WEBGPU is 1, but ${skip}`, { cause: error });
    return { skip };
  }
}
