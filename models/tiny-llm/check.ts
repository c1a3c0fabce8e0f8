// What the packed model answers to dialogues that it was not trained on: npx tsx
// models/tiny-llm/check.ts [count]
import { fileURLToPath } from 'node:url';
import { loadLanguageModel } from '../../src/checkpoints/hf-folder.ts';
import { createTextGenerator } from '../../src/generate/text/text-generator.ts';
import { readTextTokenizer } from '../../src/tokenizer/text.ts';
import { baseDialogue, type Dialogue } from './dialogues.ts';
import { messages, SEED } from './write.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));

const count = Number(process.argv[2] ?? 60);
const generator = createTextGenerator({
  model: loadLanguageModel(folder),
  tokenizer: readTextTokenizer(folder),
});
const kinds = { plain: { asked: 0, right: 0, same: 0 }, house: { asked: 0, right: 0, same: 0 } };
for (let i = 0; i < count; i++) {
  const dialogue: Dialogue = baseDialogue(SEED + 1, i);
  const answer = await generator.answer({
    prompt: messages(dialogue).slice(0, -1),
    maxNewTokens: 96,
  });
  const kind = kinds[dialogue.system === undefined ? 'plain' : 'house'];
  const isRight = dialogue.facts.every((fact) => answer.includes(fact));
  kind.asked++;
  kind.right += Number(isRight);
  kind.same += Number(answer === dialogue.answer);
  if (i < 8 || !isRight)
    console.log(
      `${isRight ? ' ' : '!'} ${dialogue.system ?? ''}\n    ${dialogue.question}\n    ${answer}`,
    );
}
for (const [name, { asked, right, same }] of Object.entries(kinds))
  console.log(`${name}: ${right} of ${asked} with their facts, ${same} word for word`);
await generator.release();
