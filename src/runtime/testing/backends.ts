// The backends that a test is to try: the processor, and a graphics card or a Vulkan in software
// where there is one.

import { reasonOf } from '../../util/caught.ts';
import { cpu } from '../onnxruntime/cpu.ts';
import { openWebgpu, type Card } from '../onnxruntime/webgpu.ts';
import { Runtime } from '../runtime.ts';

export interface TestedBackend {
  readonly name: string;
  /** Of one thread. */
  readonly runtime: Runtime;
  /** What the processor's tolerances are multiplied by. */
  readonly slack: number;
  /** Whether it computes with 64-bit whole numbers. */
  readonly hasInt64: boolean;
  /** Why it cannot be tried here. */
  readonly skip: string | false;
}

/** `card`: what is said of the graphics card, which is tried where nothing is. */
export async function testedBackends(card: Partial<Card> = {}): Promise<TestedBackend[]> {
  const onCpu = new Runtime(cpu, 1);
  return [
    { name: 'cpu', runtime: onCpu, slack: 1, hasInt64: true, skip: false },
    // its Erf and its sums are a few units of the last place further off, on SwiftShader
    { name: 'webgpu', slack: 2, hasInt64: false, ...(await onCard(card, onCpu)) },
  ];
}

async function onCard(card: Partial<Card>, instead: Runtime) {
  try {
    const backend = await openWebgpu({ name: 'the card under test', ...card });
    return { runtime: new Runtime(backend, 1), skip: false as const };
  } catch (error) {
    return { runtime: instead, skip: reasonOf(error) };
  }
}
