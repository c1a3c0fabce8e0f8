// The processor in the place of a graphics card with so much memory.

import { cpu } from '../onnxruntime/cpu.ts';
import { deviceRoom } from '../room.ts';
import { Runtime, type RuntimeOptions } from '../runtime.ts';

/** In place of `openRuntime`. `memory`: bytes. */
export const narrowCard =
  (memory: number) =>
  ({ threads }: RuntimeOptions): Promise<Runtime> =>
    Promise.resolve(
      new Runtime(
        {
          ...cpu,
          name: 'card',
          adapter: 'Test 9000',
          describe: () => 'card, Test 9000',
          room: (need) => deviceRoom({ largestTensor: Infinity, memory }, 'card, Test 9000', need),
          bytesPerLiveByte: () => 1.25,
        },
        threads,
        'Test 9000 is there',
      ),
    );
