// Captions and prompts whose tokens the text encoder has no embedding for, found before anything is
// computed.

import type { StableDiffusionWeights } from '../../checkpoints/stable-diffusion.ts';
import type { TrainConfig } from '../../config/schema.ts';
import { DataError } from '../../errors.ts';
import type { ClipTokenizer } from '../../tokenizer/clip.ts';
import { unknownId, unknownName } from '../../tokenizer/unknown-id.ts';
import { type FoundProblem, problemsByKind } from '../../util/problems-by-kind.ts';

interface Texts {
  readonly config: Pick<TrainConfig, 'sample_prompts' | 'sample_negative_prompt'>;
  readonly pictures: readonly { readonly name: string; readonly caption: string }[];
}

/** Throws DataError, each token once, with the first of the pictures and prompts that hold it. */
export function requireKnownTokens(
  { config, pictures }: Texts,
  tokenizer: ClipTokenizer,
  { textEncoder }: StableDiffusionWeights['config'],
): void {
  const { vocab_size: rows, max_position_embeddings: tokens } = textEncoder;
  const texts = [
    ...pictures.map(({ name, caption }) => ({
      where: `the caption of ${name}`,
      ids: tokenizer.encode(caption, tokens),
    })),
    ...config.sample_prompts.map((text, i) => ({
      where: `sample_prompts, number ${i + 1}`,
      ids: tokenizer.textIds(text),
    })),
    {
      where: 'sample_negative_prompt',
      ids: tokenizer.textIds(config.sample_negative_prompt),
    },
  ];
  const found = texts.flatMap(({ where, ids }): FoundProblem[] => {
    const id = unknownId(ids, rows);
    if (id === undefined) return [];
    const what = `holds ${unknownName(id, { ...tokenizer, rows })}`;
    const fix = 'Remove it from the text, or use the base model that was trained with it.';
    return [{ where, what, fix }];
  });
  if (found.length > 0) throw new DataError(problemsByKind(found));
}
