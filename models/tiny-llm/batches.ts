// The batches that the embedded language model learns from: rows of dialogues, a pure function of
// the step.
import { pack } from '../../src/dataset/text/packing.ts';
import { float32, int32 } from '../../src/tensor/tensor.ts';
import type { ChatTemplate } from '../../src/tokenizer/chat.ts';
import type { TextTokenizer } from '../../src/tokenizer/text.ts';
import type { BatchInputs } from '../../src/train/loop.ts';
import { baseDialogue, type Dialogue } from './dialogues.ts';
import { messages } from './write.ts';

/** 4,032 tokens a step. Two of the longest dialogues fit into a row. */
export const ROWS = 14;
export const LENGTH = 288;

/** Dialogues of a step: about as many as fit. */
export const DIALOGUES = 58;

/**
 * Weight of a token that is no answer: questions are learned too, but order numbers and made-up
 * names cannot be foreseen.
 */
const QUESTION_WEIGHT = 0.2;

export interface Reader {
  readonly tokenizer: TextTokenizer;
  readonly template: ChatTemplate;
}

interface Tokens {
  readonly ids: readonly number[];
  /** The answer begins here. */
  readonly answer: number;
}

function tokensOf(dialogue: Dialogue, { tokenizer, template }: Reader): Tokens {
  const [whole, question] = [
    template.render(messages(dialogue), false),
    template.render(messages(dialogue).slice(0, -1), true),
  ];
  // The question ends with the assistant's mark and a line break, and an answer begins with a
  // letter: they part there.
  const [first, second] = [question, whole.slice(question.length)].map((text) => [
    ...tokenizer.encode(text, { special: false }),
  ]);
  return { ids: [...first, ...second], answer: first.length };
}

/** The dialogues of a step in rows; what is left over when all rows are full is left out. */
function rowsAt(step: number, seed: number, reader: Reader): Tokens[][] {
  const drawn = Array.from({ length: DIALOGUES }, (_, n) =>
    tokensOf(baseDialogue(seed, step * DIALOGUES + n), reader),
  );
  const rows = pack(
    drawn.map(({ ids }) => ids.length),
    [...drawn.keys()],
    LENGTH,
  );
  return rows.slice(0, ROWS).map((row) => row.map((index) => drawn[index]));
}

/**
 * What `languageLoss` takes with { rows: ROWS, length: LENGTH, trained: ROWS · LENGTH, packed: true
 * }.
 */
export function batchAt(step: number, seed: number, reader: Reader): BatchInputs {
  const size = ROWS * LENGTH;
  const [ids, positions, segments, labels, weights] = [
    new Int32Array(size),
    new Int32Array(size),
    new Int32Array(size),
    new Int32Array(size),
    new Float32Array(size),
  ];
  rowsAt(step, seed, reader).forEach((row, r) => {
    let at = r * LENGTH;
    row.forEach(({ ids: own, answer }, segment) => {
      own.forEach((id, i) => {
        ids[at + i] = id;
        positions[at + i] = i;
        segments[at + i] = segment + 1;
        if (i === 0) return;
        labels[at + i - 1] = id;
        weights[at + i - 1] = i >= answer ? 1 : QUESTION_WEIGHT;
      });
      at += own.length;
    });
  });
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return {
    input_ids: int32([ROWS, LENGTH], ids),
    position_ids: int32([ROWS, LENGTH], positions),
    segments: int32([ROWS, LENGTH], segments),
    trained: int32(
      [size],
      Int32Array.from({ length: size }, (_, i) => i),
    ),
    labels: int32([size], labels),
    label_weights: float32(
      [size],
      weights.map((weight) => weight / total),
    ),
  };
}
