// The special tokens that a tokenizer puts around a text, checked: tokenizer.json gives them by
// text and by id.

import { z } from 'zod';
import { mapOf } from '../util/own.ts';
import { CheckpointError } from '../errors.ts';

const pair = z.tuple([z.string(), z.int()]);
const processor = z.looseObject({
  special_tokens: mapOf(
    z.looseObject({ ids: z.array(z.int()), tokens: z.array(z.string()) }),
  ).nullish(),
  cls: pair.nullish(),
  sep: pair.nullish(),
  processors: z.array(z.unknown()).nullish(),
});

/** Throws CheckpointError where a token of the post-processor has another id, or none. */
export function requireSameIds(
  where: string,
  post: unknown,
  idOf: (token: string) => number | undefined,
): void {
  const others = tokensAround(post).filter(([token, id]) => idOf(token) !== id);
  if (others.length === 0) return;
  const fix = "Download the model's tokenizer.json again.";
  throw new CheckpointError(
    others.map(([token, id]) => ({
      where: `${where} post_processor`,
      what: `puts the token ${JSON.stringify(token)} of id ${id} around a text; ${inVocabulary(idOf(token))}`,
      fix,
    })),
  );
}

const inVocabulary = (id: number | undefined): string =>
  id === undefined ? 'the vocabulary has no such token' : `in the vocabulary its id is ${id}`;

function tokensAround(post: unknown): (readonly [token: string, id: number])[] {
  const { success, data } = processor.safeParse(post);
  if (!success) return [];
  const templated = Array.from(data.special_tokens?.values() ?? []).flatMap(({ ids, tokens }) =>
    tokens.map((token, i) => [token, ids[i]] as const),
  );
  const pairs = [data.cls, data.sep].filter((one) => one !== null && one !== undefined);
  return [...templated, ...pairs, ...(data.processors ?? []).flatMap(tokensAround)];
}
