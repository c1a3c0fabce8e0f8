// Runs a bench by name: `npm run bench -- <name> [its options]`.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const benches = {
  'unet-step':
    'a training step of a small UNet, all weights trained: time, memory, time by operator',
  'shared-session': 'one session for several buckets against one for each',
  'random-base': 'writes a Stable Diffusion 1.5 of random weights, 2.1 GB, for full-size',
  'text-generation': 'tokens per second of a language model that writes, and of one that scores',
  llm: 'LoRA training of language models beside PEFT and transformers: tokens per second, memory',
  'full-size': 'training steps at the full 1.5 configuration: time, memory, the losses of PyTorch',
  survival: 'runs that are killed, starved and damaged: kills survived, bytes lost, steps repeated',
  gpu: 'a training step on a graphics card at full size beside PyTorch: time, memory, where it goes',
} as const;

const [name, ...options] = process.argv.slice(2);
if (name === undefined || !(name in benches)) {
  const rows = Object.entries(benches).map(([bench, what]) => `  ${bench.padEnd(16)} ${what}`);
  console.error(`usage: npm run bench -- <name> [options]\n${rows.join('\n')}`);
  process.exit(1);
}
const file = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
process.exit(
  spawnSync(process.execPath, ['--import', 'tsx', file, ...options], { stdio: 'inherit' }).status ??
    1,
);
