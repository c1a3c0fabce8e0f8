// Tokens per second of a text that is written greedily, in one folder of a language model.
//
//   python reference/text_generation.py speed FOLDER the same by transformers; writes a model of
//   random weights where there is none
//   tsx bench/text-generation.ts FOLDER [--prompt 64] [--tokens 64] [--rank 0] [--threads 2]
//
// Both take the same prompt and print the first tokens. `--rank`: with an adapter of that rank, of
// zeros, on every linear layer.

import type { Mix } from '../src/generate/mix.ts';
import { cpuRuntime } from '../src/runtime/runtime.ts';
import { parseArgs } from 'node:util';
import { adaptableLayers } from '../src/adapters/layers.ts';
import { loadLanguageModel } from '../src/checkpoints/hf-folder.ts';
import { CachedModel } from '../src/generate/text/cached-model.ts';
import { likeliest } from '../src/generate/text/sampling.ts';
import { TokenScorer } from '../src/generate/text/score.ts';
import { stepGraph } from '../src/generate/text/step-graph.ts';
import { processMemory } from '../src/runtime/memory.ts';
import { zeros } from '../src/tensor/tensor.ts';

const {
  values,
  positionals: [folder],
} = parseArgs({
  options: {
    prompt: { type: 'string', default: '64' },
    tokens: { type: 'string', default: '64' },
    rank: { type: 'string', default: '0' },
    threads: { type: 'string', default: '2' },
  },
  allowPositionals: true,
});
const [length, count, rank, threads] = [
  values.prompt,
  values.tokens,
  values.rank,
  values.threads,
].map(Number);

const { config, weights } = loadLanguageModel(folder);
const layers = adaptableLayers(stepGraph(config, { tokens: 1, capacity: 1 })).filter(
  ({ path }) => rank > 0 && path.includes('.layers.'),
);
const modules = layers.map(({ path, weightShape: [out, width] }) => ({
  ...{ path, alpha: rank },
  down: zeros('float32', [rank, width]),
  up: zeros('float32', [out, rank]),
}));
const mix: Mix = [{ adapter: { name: 'zeros', modules }, strength: 1 }];

async function timed<T>(body: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  return [await body(), performance.now() - start];
}

const model = new CachedModel(config, { runtime: cpuRuntime(threads), weights });
const prompt = Array.from({ length }, (_, i) => (i * 7919) % config.vocab_size);
const [, first] = await timed(() => model.feed(prompt, mix));
model.reset();
const [logits, read] = await timed(() => model.feed(prompt, mix));
const [ids, wrote] = await timed(async () => {
  const written: number[] = [];
  for (
    let id = likeliest(logits);
    written.length < count;
    id = likeliest(await model.feed([id], mix))
  )
    written.push(id);
  return written;
});
await model.release();
console.log(
  `prompt of ${length}: ${read.toFixed(0)} ms (the first time ${first.toFixed(0)}); ${count} tokens: ${(wrote / count).toFixed(1)} ms each, ${((1000 * count) / wrote).toFixed(1)} a second; ${ids.slice(0, 8).join(' ')}`,
);

const scorer = new TokenScorer(config, { runtime: cpuRuntime(threads), weights });
const text = [...prompt, ...ids];
await scorer.score(model, [{ ids: text, from: length }], mix);
const [[{ sum }], scored] = await timed(() =>
  scorer.score(model, [{ ids: text, from: length }], mix),
);
await scorer.release();
const { bytes, measure } = processMemory();
console.log(
  `scoring ${text.length} tokens, ${count} of them counted: ${scored.toFixed(0)} ms; sum ${sum.toFixed(4)}; ${(bytes / 2 ** 20).toFixed(0)} MiB ${measure}`,
);
