// Stage 2 of the embedded language model: all its weights, from nothing, on dialogues that
// dialogues.ts writes.
//
//   npx tsx models/tiny-llm/train.ts [steps]
//
// Continues from .cache/tiny-llm/state.safetensors where that is there. Then: npx tsx
// models/tiny-llm/pack.ts
import { cpuRuntime } from '../../src/runtime/runtime.ts';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chatTemplate } from '../../src/tokenizer/chat.ts';
import { readTextTokenizer } from '../../src/tokenizer/text.ts';
import { InternalError } from '../../src/errors.ts';
import { fullTraining, type FullTraining } from '../../src/train/full-training.ts';
import { languageLoss } from '../../src/train/text/language-loss.ts';
import { adamWithCosine, report } from '../full-training.ts';
import { batchAt, LENGTH, ROWS, type Reader } from './batches.ts';
import { tinyLanguageModel } from './config.ts';
import { SEED } from './write.ts';

const STEPS = 2400;

const stateFolder = fileURLToPath(new URL('../../.cache/tiny-llm/', import.meta.url));
/** Not committed: weights with moments and averages, for continuing. */
export const stateFile = `${stateFolder}state.safetensors`;

export function openReader(): Reader {
  const tokenizer = readTextTokenizer(fileURLToPath(new URL('.', import.meta.url)));
  const template = chatTemplate(tokenizer);
  if (template === undefined) throw new InternalError('tokenizer_config.json has no chat template');
  return { tokenizer, template };
}

export function tinyTraining(
  totalSteps: number,
  file: string,
  saveEvery = 100,
): Promise<FullTraining> {
  const reader = openReader();
  return fullTraining({
    runtime: cpuRuntime(),
    graph: languageLoss(tinyLanguageModel, {
      rows: ROWS,
      length: LENGTH,
      trained: ROWS * LENGTH,
      packed: true,
    }),
    seed: SEED,
    learningRate: 2e-3,
    optimiser: adamWithCosine({ beta2: 0.98, warmup: 50, totalSteps }),
    batchAt: (step) => batchAt(step, SEED, reader),
    emaDecay: 0.99,
    stateFile: file,
    saveEvery,
  });
}

async function main(totalSteps: number): Promise<void> {
  mkdirSync(stateFolder, { recursive: true });
  const training = await tinyTraining(totalSteps, stateFile);
  await report('text', totalSteps, training.steps());
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await main(Number(process.argv[2] ?? STEPS));
