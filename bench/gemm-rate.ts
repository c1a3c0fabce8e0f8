// The rate at which ONNX Runtime multiplies float32 matrices on this machine.

import { Builder } from '../src/graph/builder.ts';
import { float32 } from '../src/tensor/tensor.ts';
import { cpuRuntime } from '../src/runtime/runtime.ts';

const SIDE = 2048;
const PRODUCTS = 4;

/** GFLOP/s, the fastest of eight runs of four products in a row. */
export async function gemmRate(threads: number): Promise<number> {
  const g = new Builder('gemm');
  const [x, w] = [g.input('x', 'float32', [SIDE, SIDE]), g.input('w', 'float32', [SIDE, SIDE])];
  g.output(
    'y',
    g.slice(
      Array.from({ length: PRODUCTS }).reduce<typeof x>((y) => g.gemm(y, w), x),
      0,
      0,
      1,
    ),
  );
  const program = await cpuRuntime(threads).compile(g.finish(), {
    weights: new Map(),
    keepsMemory: true,
  });
  const random = () =>
    float32(
      [SIDE, SIDE],
      Float32Array.from({ length: SIDE * SIDE }, () => (Math.random() - 0.5) / 16),
    );
  const given = { x: random(), w: random() };
  let best = Infinity;
  for (let i = 0; i < 8; i++) {
    const start = performance.now();
    await program.run(given);
    best = Math.min(best, performance.now() - start);
  }
  await program.release();
  return (PRODUCTS * 2 * SIDE ** 3) / best / 1e6;
}
