// The families of language models, by the `model_type` of their config.json.

import { InternalError } from '../errors.ts';
import { gemma2 } from './gemma2.ts';
import { gemma3_text } from './gemma3_text.ts';
import type { LanguageModelConfig } from './language-config.ts';
import type { LanguageFamily } from './language-family.ts';
import { llama } from './llama.ts';
import { mistral } from './mistral.ts';
import { phi3 } from './phi3.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';

/** The record of each. */
export const languageFamilies: Readonly<Record<string, LanguageFamily>> = {
  llama,
  mistral,
  qwen2,
  qwen3,
  gemma2,
  gemma3_text,
  phi3,
};

/** The record of a configuration's family. */
export function familyOf({ model_type }: Pick<LanguageModelConfig, 'model_type'>): LanguageFamily {
  if (Object.hasOwn(languageFamilies, model_type)) return languageFamilies[model_type];
  throw new InternalError(`there is no family ${model_type}`);
}
