// Writes the example's dialogues to data/customer_service, or prints some of the base's: npx tsx
// models/tiny-llm/write.ts [print [count]]
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ChatMessage } from '../../src/tokenizer/chat.ts';
import {
  baseDialogue,
  type Dialogue,
  exampleEvaluation,
  exampleGeneral,
  exampleTraining,
} from './dialogues.ts';

export const SEED = 20240607;

export const messages = ({ system, question, answer }: Dialogue): ChatMessage[] => [
  ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
  { role: 'user', content: question },
  { role: 'assistant', content: answer },
];

const line = (fields: object): string => `${JSON.stringify(fields)}\n`;
const trainingLine = (dialogue: Dialogue): string => line({ messages: messages(dialogue) });
/** `facts` must appear in a right answer, `forbidden` must not. */
const judgedLine = (dialogue: Dialogue): string =>
  line({
    topic: dialogue.topic,
    messages: messages(dialogue),
    facts: dialogue.facts,
    forbidden: dialogue.forbidden,
  });

/** The three files of the example as text, by name. */
export const exampleFiles = (): Readonly<Record<string, string>> => ({
  'train.jsonl': exampleTraining(SEED).map(trainingLine).join(''),
  'eval.jsonl': exampleEvaluation(SEED).map(judgedLine).join(''),
  'general.jsonl': exampleGeneral(SEED).map(judgedLine).join(''),
});

function main([mode, count = '20']: readonly string[]): void {
  if (mode === 'print') {
    for (let i = 0; i < Number(count); i++)
      process.stdout.write(trainingLine(baseDialogue(SEED, i)));
    return;
  }
  const folder = fileURLToPath(new URL('../../data/customer_service/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(exampleFiles())) writeFileSync(folder + name, text);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.slice(2));
