// The backends that a test is to try: the processor, and a graphics card or a Vulkan in software
// where there is one.

import { Builder } from '../../graph/builder.ts';
import type { Backend } from '../backend.ts';
import { cpu } from '../onnxruntime/cpu.ts';
import { webgpu } from '../onnxruntime/webgpu.ts';
import { Runtime } from '../runtime.ts';

export interface TestedBackend {
  readonly name: string;
  readonly runtime: Runtime;
  /** What the processor's tolerances are multiplied by. */
  readonly slack: number;
  /** Whether it computes with 64-bit whole numbers. */
  readonly hasInt64: boolean;
  /** Why it cannot be tried here. */
  readonly skip: string | false;
}

export async function testedBackends(): Promise<TestedBackend[]> {
  const gpu = new Runtime(webgpu, 1);
  return [
    { name: cpu.name, runtime: new Runtime(cpu, 1), slack: 1, hasInt64: true, skip: false },
    // its Erf and its sums are a few units of the last place further off, on SwiftShader
    { name: webgpu.name, runtime: gpu, slack: 2, hasInt64: false, skip: await missing(webgpu) },
  ];
}

/** Why the smallest graph cannot be opened; false where it can. */
async function missing(backend: Backend): Promise<string | false> {
  const g = new Builder('probe');
  g.output('y', g.neg(g.input('x', 'float32', [1])));
  try {
    const program = await new Runtime(backend, 1).compile(g.finish(), { weights: new Map() });
    await program.release();
    return false;
  } catch (error) {
    const [reason = String(error)] = /Failed to get[^\n]*/.exec(String(error)) ?? [];
    return reason;
  }
}
