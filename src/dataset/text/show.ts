// A sample as its model reads it, the trained tokens highlighted.
import type { TextTokenizer } from '../../tokenizer/text.ts';
import type { Sequence } from './sequences.ts';

/** What stands around the trained part. */
export interface TrainedBrackets {
  readonly open: string;
  readonly close: string;
}

/**
 * Where the sample is, how many of its tokens are trained, and its text with `⟦ ⟧` around what is
 * trained, special tokens included.
 */
export function showSample(
  { sample, ids, trained }: Sequence,
  tokenizer: TextTokenizer,
  { open, close }: TrainedBrackets = { open: '⟦', close: '⟧' },
): string {
  const count = trained.reduce((sum, one) => sum + one, 0);
  const stream = tokenizer.stream({ special: true });
  let text = '';
  ids.forEach((id, i) => {
    if (trained[i] === 1 && (i === 0 || trained[i - 1] === 0)) text += open;
    text += stream.push(id);
    if (trained[i] === 1 && trained[i + 1] !== 1) text += close;
  });
  return `${sample.where} · ${ids.length} tokens, ${count} trained\n${text}${stream.end()}`;
}
