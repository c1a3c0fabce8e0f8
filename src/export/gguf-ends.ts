// The tokens that end an answer, as llama.cpp and Ollama are told of them.

import { gguf, type GgufValue } from '../tensor/gguf.ts';
import { needed } from '../util/needed.ts';

export interface EndTokens {
  /** `tokenizer.ggml.…` entries beside eos_token_id. */
  readonly entries: readonly (readonly [string, GgufValue])[];
  /** Tokens at which llama.cpp will not stop. */
  readonly left: readonly string[];
}

/**
 * Names by which every llama.cpp of these years knows that a token ends an answer
 * (src/llama-vocab.cpp, special_eog_ids); others only by a key.
 */
const knownByName: ReadonlySet<string> = new Set([
  '<|eot_id|>',
  '<|im_end|>',
  '<|end|>',
  '<end_of_turn>',
  '<|endoftext|>',
  '<|eom_id|>',
  '<EOT>',
]);

/**
 * `ends`: of generation_config.json, eos among them or not. llama.cpp has two keys beside
 * eos_token_id, which go first to tokens that it does not know by name; Ollama reads a list of all.
 */
export function endTokens(
  ends: readonly number[],
  eos: number | undefined,
  tokenOf: (id: number) => string | undefined,
): EndTokens {
  // an id without a token is never generated
  const texts = new Map(
    [...new Set(ends)].flatMap((id) => {
      const text = id === eos ? undefined : tokenOf(id);
      return text === undefined ? [] : [[id, text] as const];
    }),
  );
  const others = [...texts.keys()];
  const textOf = (id: number): string => needed(texts, id, 'text of the token');
  const isKnown = (id: number) => knownByName.has(textOf(id));
  const isMessage = (id: number) => /eom|end_of_message/i.test(textOf(id));
  const wanted = [...others.filter((id) => !isKnown(id)), ...others.filter(isKnown)];
  const eom = wanted.find(isMessage);
  const [eot, second, ...rest] = wanted.filter((id) => id !== eom);
  const slots = [
    ['eot', eot],
    ['eom', eom ?? second],
  ] as const;
  const left = [...(eom === undefined || second === undefined ? [] : [second]), ...rest];
  if (others.length === 0) return { entries: [], left: [] };
  return {
    entries: [
      ...slots.flatMap(([name, id]) =>
        id === undefined ? [] : [[`tokenizer.ggml.${name}_token_id`, gguf.uint32(id)] as const],
      ),
      [
        'tokenizer.ggml.eos_token_ids',
        gguf.array('int32', eos === undefined ? others : [eos, ...others]),
      ],
    ],
    left: left.filter((id) => !isKnown(id)).map(textOf),
  };
}
