// Sessions for several buckets, one each against one for all: time and memory of their creation.
//
//   tsx bench/shared-session.ts

import { cpus } from 'node:os';
import { differentiate } from '../src/autodiff/differentiate.ts';
import type { Graph } from '../src/graph/graph.ts';
import { processMemory } from '../src/runtime/memory.ts';
import type { Program } from '../src/runtime/program.ts';
import { tinyUNet, trainingStep } from './unet-step-graph.ts';
import { cpuRuntime } from '../src/runtime/runtime.ts';

const buckets = [
  [32, 32],
  [40, 24],
  [24, 40],
  [48, 16],
] as const;
const options = { weights: new Map(), threads: 2 };

const graphs = buckets.map(([height, width]): Graph => {
  const graph = trainingStep(tinyUNet, { batch: 4, height, width, tokens: 77 });
  return differentiate(graph, { loss: 'loss', wrt: graph.parameters });
});

async function measure(what: string, create: () => Promise<Program[]>): Promise<void> {
  const [memory, cpu] = [processMemory(), process.cpuUsage()];
  const programs = await create();
  const { user, system } = process.cpuUsage(cpu);
  const grown = processMemory().bytes - memory.bytes;
  console.log(
    `${what}: ${((user + system) / 1000).toFixed(0)} ms of CPU, ${(grown / 2 ** 20).toFixed(0)} MiB ${memory.measure}`,
  );
  for (const program of programs) await program.release();
}

console.log(
  `${cpus()[0].model}; ${graphs.length} buckets, ${graphs[0].nodes.length} nodes before lowering`,
);
await measure('warm-up', async () => [await cpuRuntime().compile(graphs[0], options)]);
await measure('one session', async () => [await cpuRuntime().compile(graphs[0], options)]);
await measure('a session each', async () => {
  const programs: Program[] = [];
  for (const graph of graphs) programs.push(await cpuRuntime().compile(graph, options));
  return programs;
});
await measure('one session for all', async () => [
  await cpuRuntime().compileShared(graphs, options),
]);
