// Stage 1 of the embedded language model: its tokenizer, learned from the text that it will read.
//
//   npx tsx models/tiny-llm/tokenizer.ts
//
// Writes tokenizer.json and tokenizer_config.json beside this file.
import { fileURLToPath } from 'node:url';
import { writeFileAtomically } from '../../src/storage/write-file.ts';
import { trainBpe } from './bpe-training.ts';
import { specialTokens, tokenizerConfig, VOCABULARY } from './config.ts';
import { baseDialogue } from './dialogues.ts';
import { SEED } from './write.ts';

/** Dialogues of the base that the merges are counted in. */
const DIALOGUES = 10_000;

function* texts(): Generator<string> {
  for (let i = 0; i < DIALOGUES; i++) {
    const { system, question, answer } = baseDialogue(SEED, i);
    yield* [system ?? '', question, answer];
  }
}

/** The two files, by name. */
export const tokenizerFiles = (): Readonly<Record<string, string>> => ({
  'tokenizer.json': `${JSON.stringify(trainBpe({ texts: texts(), special: specialTokens, size: VOCABULARY }), null, 1)}\n`,
  'tokenizer_config.json': `${JSON.stringify(tokenizerConfig, null, 2)}\n`,
});

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = fileURLToPath(new URL('.', import.meta.url));
  for (const [name, text] of Object.entries(tokenizerFiles()))
    writeFileAtomically(folder + name, text);
}
