// Training steps at the full Stable Diffusion 1.5 configuration: time, memory, and the losses of
// PyTorch.
//
//   tsx bench/random-base.ts FILE
//   tsx bench/full-size.ts FILE [--steps 3] [--side 32] [--batch 1] [--conv-rank 0] [--threads 2]
//
// The batches are those of reference/train_lora.py full, whose losses are printed beside ours where
// side and batch are its.

import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { hashedUniforms } from '../src/models/hashed-weights.test-util.ts';
import { processMemory } from '../src/runtime/memory.ts';
import { float32, int32, sizeOf, type Shape, type Tensor } from '../src/tensor/tensor.ts';
import { trainWithBatches, type GivenBatch } from '../src/train/image/given-batches.ts';

interface Golden {
  readonly losses: readonly number[];
  readonly gradient_norms: readonly number[];
}

const goldenFile = 'reference/golden/train_lora_full.json';
const tokens = 77;

const {
  values,
  positionals: [base],
} = parseArgs({
  options: {
    steps: { type: 'string', default: '3' },
    side: { type: 'string', default: '32' },
    batch: { type: 'string', default: '1' },
    'conv-rank': { type: 'string', default: '0' },
    threads: { type: 'string', default: '2' },
  },
  allowPositionals: true,
});
const [steps, side, batch, convRank, threads] = [
  values.steps,
  values.side,
  values.batch,
  values['conv-rank'],
  values.threads,
].map(Number);

const uniform = (name: string, shape: Shape, scale: number) =>
  float32(
    shape,
    hashedUniforms(name, sizeOf(shape)).map((u) => u * Math.fround(scale)),
  );
const below = (name: string, limit: number, count: number) =>
  Array.from(hashedUniforms(name, count), (u) => Math.floor(((u + 1) / 2) * limit));

function batchAt(step: number): GivenBatch {
  const shape = [batch, 4, side, side];
  return {
    latents: uniform(`train.latents.${step}`, shape, 1.7),
    noise: uniform(`train.noise.${step}`, shape, 1.7),
    timesteps: below(`train.timesteps.${step}`, 1000, batch),
    input_ids: int32([batch, tokens], below(`train.ids.${step}`, 49408, batch * tokens)),
  };
}

const settings = {
  base_model: base,
  max_train_steps: 50,
  num_threads: threads,
  lora_rank: 4,
  lora_alpha: 2,
  conv_rank: convRank,
  unet_lr: 2e-3,
  text_encoder_lr: 1e-3,
  lr_scheduler: 'cosine',
  lr_warmup_steps: 5,
} as const;

/** down by hash, up zero. */
function hashedAdapters(): Map<string, Tensor> {
  const { lora } = trainWithBatches(settings, { batchesAt: batchAt });
  return new Map(
    lora().map(({ path, down: { shape } }) => {
      const name = `${path}.lora_down.weight`;
      return [name, uniform(name, shape, 1 / Math.sqrt(sizeOf(shape.slice(1))))] as const;
    }),
  );
}

/** Kilobytes of a line of /proc/self/status, as GiB. */
function highest(): string {
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(
    existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : '',
  );
  return line === null ? '' : `, at most ${(Number(line[1]) / 2 ** 20).toFixed(2)} GiB resident`;
}

async function main(): Promise<void> {
  const golden =
    existsSync(goldenFile) && side === 32 && batch === 1 && convRank === 0
      ? (JSON.parse(readFileSync(goldenFile, 'utf8')) as Golden)
      : undefined;
  const beside = (found: number, wanted: number | undefined) =>
    wanted === undefined
      ? ''
      : ` (PyTorch's ${wanted.toPrecision(8)}: ${(Math.abs(found - wanted) / wanted).toExponential(1)} off)`;
  console.log(
    `${cpus()[0].model}, ${threads} threads; batch ${batch}, latents ${side}x${side}, conv_rank ${convRank}`,
  );
  let [began, cpu] = [performance.now(), process.cpuUsage()];
  for await (const { step, loss, gradNorm } of trainWithBatches(settings, {
    batchesAt: batchAt,
    initial: hashedAdapters(),
  }).steps()) {
    const { user, system } = process.cpuUsage(cpu);
    const time = `${((performance.now() - began) / 1000).toFixed(1)} s, CPU ${(user / 1e6).toFixed(1)} + ${(system / 1e6).toFixed(1)} s`;
    console.log(
      `step ${step}: ${time}${step === 1 ? ' with the session' : ''}; loss ${loss.toPrecision(8)}${beside(loss, golden?.losses[step - 1])}, gradient ${gradNorm.toPrecision(7)}${beside(gradNorm, golden?.gradient_norms[step - 1])}`,
    );
    console.log(`  ${(processMemory().bytes / 2 ** 30).toFixed(2)} GiB between steps${highest()}`);
    if (step === steps) break;
    [began, cpu] = [performance.now(), process.cpuUsage()];
  }
}

if (base === undefined || [steps, side, batch, convRank, threads].some(Number.isNaN))
  console.error('usage: see the first lines of bench/full-size.ts');
else await main();
