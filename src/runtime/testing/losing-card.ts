// The processor in the place of a graphics card that is lost.

import { cpu } from '../onnxruntime/cpu.ts';
import { namingCard } from '../onnxruntime/failures.ts';
import type { Backend } from '../backend.ts';
import { Runtime, type RuntimeOptions } from '../runtime.ts';

const LOST = 'Non-zero status code: WebGPU device lost (1): VK_ERROR_DEVICE_LOST';
/** A step gives more: a gradient for each weight. */
const OTHERS = 4;

/** In place of `openRuntime`. The run of a loss with its gradients that finds it lost: 1, 2, … */
export function losingCard(lostAt: number, { threads }: RuntimeOptions): Promise<Runtime> {
  let steps = 0;
  const open: Backend['open'] = async (...given) => {
    const session = await cpu.open(...given);
    return {
      run: (inputs, outputs) =>
        namingCard('Test 9000', () => {
          if (outputs.length > OTHERS && ++steps >= lostAt) throw new Error(LOST);
          return session.run(inputs, outputs);
        }),
      release: () => session.release(),
    };
  };
  const card = { ...cpu, name: 'card', adapter: 'Test 9000', open };
  return Promise.resolve(new Runtime(card, threads));
}
