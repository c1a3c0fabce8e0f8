// One training step of a UNet, all weights trained: time of a step, memory, and where the time
// goes.
//
//   tsx bench/unet-step.ts [--steps 5] [--batch 16] [--side 32] [--threads 2] [--forward]
//     [--keeps-memory]
//   [--top 25] [--nodes]

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { differentiate } from '../src/autodiff/differentiate.ts';
import type { Graph } from '../src/graph/graph.ts';
import { initialWeights } from '../src/models/init.ts';
import { liveBytes } from '../src/runtime/live-bytes.ts';
import { executedNodes, timeByOperator } from '../src/runtime/onnxruntime/profile.ts';
import { lower } from '../src/runtime/lowering.ts';
import { processMemory } from '../src/runtime/memory.ts';
import { float32, type Tensor } from '../src/tensor/tensor.ts';
import { normals } from '../src/util/philox.ts';
import { tinyUNet, trainingStep } from './unet-step-graph.ts';
import { cpuRuntime } from '../src/runtime/runtime.ts';
import { cpu } from '../src/runtime/onnxruntime/cpu.ts';

function randomInputs(graph: Graph): Record<string, Tensor> {
  const inputs = graph.inputs.map(
    ({ name, shape }, i) =>
      [
        name,
        float32(shape, normals(7, i, new Float32Array(shape.reduce((a, b) => a * b)))),
      ] as const,
  );
  const weights = initialWeights(graph.parameters, 1);
  return Object.fromEntries([
    ...inputs,
    ...graph.parameters.map(
      ({ name, shape }) => [name, float32(shape, weights.get(name) ?? [])] as const,
    ),
  ]);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      steps: { type: 'string', default: '5' },
      batch: { type: 'string', default: '16' },
      side: { type: 'string', default: '32' },
      top: { type: 'string', default: '25' },
      threads: { type: 'string', default: '2' },
      forward: { type: 'boolean', default: false },
      nodes: { type: 'boolean', default: false },
      'keeps-memory': { type: 'boolean', default: false },
    },
  });
  const forward = trainingStep(tinyUNet, {
    batch: Number(values.batch),
    height: Number(values.side),
    width: Number(values.side),
    tokens: 77,
  });
  const graph = values.forward
    ? forward
    : differentiate(forward, { loss: 'loss', wrt: forward.parameters });
  const inputs = randomInputs(graph);
  const folder = mkdtempSync(join(tmpdir(), 'unet-step-'));
  const options = {
    weights: new Map(),
    runtime: cpuRuntime(Number(values.threads)),
    keepsMemory: values['keeps-memory'],
  };
  console.log(
    `${cpus()[0].model}, ${values.threads} threads; batch ${values.batch}, ${values.side}x${values.side}`,
  );
  const began = performance.now();
  const program = await cpuRuntime().compile(graph, options);
  const created = performance.now() - began;
  const times: number[] = [];
  let loss = NaN;
  let busy = { user: Infinity, system: Infinity };
  for (let i = 0; i <= Number(values.steps); i++) {
    const [start, cpu] = [performance.now(), process.cpuUsage()];
    const results = await program.run(inputs);
    times.push(performance.now() - start);
    const { user, system } = process.cpuUsage(cpu);
    if (user + system < busy.user + busy.system) busy = { user, system };
    loss = Number(results.loss.data[0]);
  }
  const [first, ...rest] = times;
  const median = rest.sort((a, b) => a - b)[Math.floor(rest.length / 2)];
  console.log(
    `session ${created.toFixed(0)} ms, first step ${first.toFixed(0)} ms, median ${median.toFixed(0)} ms, fastest ${rest[0].toFixed(0)} ms; least CPU ${(busy.user / 1000).toFixed(0)} + ${(busy.system / 1000).toFixed(0)} ms; loss ${loss}; ${(processMemory().bytes / 2 ** 20).toFixed(0)} MiB`,
  );
  await program.release();

  if (values.top === '0') return;
  const profiled = await cpuRuntime().compile(graph, { ...options, profile: join(folder, 'p') });
  const runs = Number(values.steps);
  for (let i = 0; i < runs; i++) await profiled.run(inputs);
  await profiled.release();
  const all = executedNodes(join(folder, readdirSync(folder)[0]));
  rmSync(folder, { recursive: true });
  const each = all.length / runs;
  // the fastest of all runs: the machine may be busy with other work
  const executed = all.slice(0, each).map((node, i) => ({
    ...node,
    microseconds: Math.min(
      ...Array.from({ length: runs }, (_, run) => all[run * each + i].microseconds),
    ),
  }));
  const lowered = lower(graph, new Map(), cpu);
  const byName = new Map(lowered.nodes.map((node) => [node.name, node]));
  const order = executed.flatMap(({ name }) => byName.get(name) ?? []);
  console.log(
    `${executed.length} kernels, ${(executed.reduce((sum, { microseconds }) => sum + microseconds, 0) / 1000).toFixed(0)} ms the fastest of each, peak ${(Math.max(...liveBytes(order, lowered)) / 2 ** 20).toFixed(0)} MiB as executed, ${(Math.max(...liveBytes(lowered.nodes, lowered)) / 2 ** 20).toFixed(0)} as meant`,
  );
  for (const row of timeByOperator(executed).slice(0, Number(values.top)))
    console.log(
      `${row.milliseconds.toFixed(1).padStart(8)} ms ${String(row.count).padStart(5)} ${row.type}`,
    );
  if (!values.nodes) return;
  const group = new Map<string, { ms: number; count: number; shape: string }>();
  for (const { name, type, microseconds } of executed) {
    const node = byName.get(name);
    const role = name.replace(/^.*\//, '').replace(/[_~<\d].*$/, '');
    const shapes = [
      ...(node?.inputs ?? []).map((n) => lowered.types.get(n)?.shape.join('x') ?? ''),
      '->',
      lowered.types.get(name)?.shape.join('x'),
    ].join(' ');
    const key = `${type} ${role === type ? '' : role} ${shapes}`;
    const row = group.get(key) ?? { ms: 0, count: 0, shape: shapes };
    group.set(key, { ...row, ms: row.ms + microseconds / 1000, count: row.count + 1 });
  }
  console.log();
  for (const [key, { ms, count }] of [...group].sort((a, b) => b[1].ms - a[1].ms).slice(0, 60))
    console.log(`${ms.toFixed(1).padStart(8)} ms ${String(count).padStart(4)} ${key}`);
}

await main();
