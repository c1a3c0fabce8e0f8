// Our side of `npm run bench -- llm`: a LoRA training step of a language model. Prints one JSON
// line as reference/bench_llm.py does.
//
//   tsx bench/llm-ours.ts FOLDER [--rows 1] [--length 512] [--rank 16] [--steps 6] [--run-steps
//   1000] [--threads 2] [--checkpointing] The steps timed are the first of a run of 1000: a short
//   run would not pack its weights.
//
//   tsx bench/llm-ours.ts FOLDER --profile [--top 20] [--nodes] where the time of a step goes, by
//   operator

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { differentiate } from '../src/autodiff/differentiate.ts';
import { loadLanguageModel } from '../src/checkpoints/hf-folder.ts';
import { liveBytes } from '../src/runtime/live-bytes.ts';
import {
  executedNodes,
  timeByOperator,
  type ExecutedNode,
} from '../src/runtime/onnxruntime/profile.ts';
import { lower, type Lowered } from '../src/runtime/lowering.ts';
import { int32 } from '../src/tensor/tensor.ts';
import { trainTextWithBatches, type GivenTextBatch } from '../src/train/text/given-batches.ts';
import { cpuRuntime } from '../src/runtime/runtime.ts';
import { cpu } from '../src/runtime/onnxruntime/cpu.ts';
import { textStep } from './text-step.ts';

const {
  values,
  positionals: [folder],
} = parseArgs({
  options: {
    rows: { type: 'string', default: '1' },
    length: { type: 'string', default: '512' },
    rank: { type: 'string', default: '16' },
    steps: { type: 'string', default: '6' },
    'run-steps': { type: 'string', default: '1000' },
    threads: { type: 'string', default: '2' },
    checkpointing: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    top: { type: 'string', default: '20' },
    nodes: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const [rows, length, rank, steps, threads, top] = [
  values.rows,
  values.length,
  values.rank,
  values.steps,
  values.threads,
  values.top,
].map(Number);
const { config, weights } = loadLanguageModel(folder);

/** The tokens of reference/bench_llm.py, all of them trained. */
function batchAt(step: number): GivenTextBatch {
  const ids = int32(
    [rows, length],
    Int32Array.from(
      { length: rows * length },
      (_, i) =>
        ((i % length) * 7919 + Math.floor(i / length) * 104729 + step * 1299709) %
        config.vocab_size,
    ),
  );
  return { input_ids: ids, labels: ids };
}

async function train(): Promise<void> {
  const settings = {
    base_model: folder,
    max_train_steps: Number(values['run-steps']),
    lora_rank: rank,
    num_threads: threads,
    gradient_checkpointing: values.checkpointing,
  };
  const [times, losses]: [number[], number[]] = [[], []];
  let began = performance.now();
  const training = trainTextWithBatches(settings, { batchesAt: batchAt });
  for await (const { loss } of training.steps()) {
    times.push(performance.now() - began);
    losses.push(loss);
    if (times.length === steps) break;
    began = performance.now();
  }
  const adapters = training
    .lora()
    .reduce((sum, { down, up }) => sum + down.data.length + up.data.length, 0);
  console.log(JSON.stringify({ times, losses, adapters }));
}

async function profile(): Promise<void> {
  const checkpointing = values.checkpointing;
  const step = textStep(config, { ids: batchAt(0).input_ids, rank, checkpointing });
  const wrt = step.graph.parameters.filter(({ name }) => step.parameters.has(name));
  const graph = differentiate(step.graph, { loss: 'loss', wrt, segmentOf: step.segmentOf });
  const given = { ...step.inputs, ...Object.fromEntries(step.parameters) };
  const place = mkdtempSync(join(tmpdir(), 'llm-profile-'));
  const program = await cpuRuntime(threads).compile(graph, { weights, profile: join(place, 'p') });
  for (let i = 0; i < steps; i++) await program.run(given);
  await program.release();
  const all = executedNodes(join(place, readdirSync(place)[0]));
  rmSync(place, { recursive: true });
  tell(fastest(all), lower(graph, weights, cpu));
}

/** Of each kernel the fastest run: the machine may be busy with other work. */
function fastest(all: readonly ExecutedNode[]): ExecutedNode[] {
  const each = all.length / steps;
  return all.slice(0, each).map((node, i) => ({
    ...node,
    microseconds: Math.min(
      ...Array.from({ length: steps }, (_, run) => all[run * each + i].microseconds),
    ),
  }));
}

function tell(executed: readonly ExecutedNode[], lowered: Lowered): void {
  const total = executed.reduce((sum, { microseconds }) => sum + microseconds, 0) / 1000;
  const most = Math.max(...liveBytes(lowered.nodes, lowered)) / 2 ** 20;
  console.log(
    `${executed.length} kernels, ${total.toFixed(0)} ms the fastest of each; ${most.toFixed(0)} MiB of computed tensors at most`,
  );
  for (const { milliseconds, count, type } of timeByOperator(executed).slice(0, top))
    console.log(`${milliseconds.toFixed(1).padStart(8)} ms ${String(count).padStart(5)} ${type}`);
  if (!values.nodes) return;
  const byName = new Map(lowered.nodes.map((node) => [node.name, node]));
  const shapeOf = (name: string) =>
    lowered.types.get(name)?.shape.join('x') ??
    lowered.weights.find((weight) => weight.name === name)?.tensor.shape.join('x') ??
    '';
  const kinds = executed.map(({ name, type, microseconds }) => {
    const node = byName.get(name);
    return {
      name,
      type: `${type} ${(node?.inputs ?? []).map((input) => shapeOf(input ?? '')).join(' ')} -> ${shapeOf(node?.outputs[0] ?? '')}`,
      microseconds,
    };
  });
  console.log();
  for (const { milliseconds, count, type } of timeByOperator(kinds).slice(0, 3 * top))
    console.log(`${milliseconds.toFixed(1).padStart(8)} ms ${String(count).padStart(5)} ${type}`);
}

await (values.profile ? profile() : train());
