// Stage 3 of the embedded language model: the averaged weights as a Hugging Face folder, in
// float16.
//
//   npx tsx models/tiny-llm/pack.ts
//
// Writes config.json, generation_config.json and model.safetensors beside the tokenizer's files.
import { fileURLToPath } from 'node:url';
import { openSafetensors, readFloat32 } from '../../src/checkpoints/safetensors-file.ts';
import { writeFileAtomically } from '../../src/storage/write-file.ts';
import { fromFloat32 } from '../../src/tensor/half.ts';
import { serialize } from '../../src/tensor/safetensors.ts';
import { configFile } from './config.ts';
import { stateFile } from './train.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));
const AVERAGE = 'average:';

const { tensors, metadata } = openSafetensors(stateFile);
const averaged = [...tensors].filter(([name]) => name.startsWith(AVERAGE));
const weights = new Map(
  averaged.map(
    ([name, tensor]) =>
      [name.slice(AVERAGE.length), fromFloat32(readFloat32(tensor), 'float16')] as const,
  ),
);
const json = (name: string, content: object): void =>
  writeFileAtomically(folder + name, `${JSON.stringify(content, null, 2)}\n`);

writeFileAtomically(`${folder}model.safetensors`, serialize(weights, { format: 'pt' }));
json('config.json', { ...configFile, torch_dtype: 'float16' });
json('generation_config.json', {
  eos_token_id: configFile.eos_token_id,
  pad_token_id: configFile.pad_token_id,
  do_sample: false,
});
console.log(`packed ${weights.size} weights after ${metadata.step} steps`);
