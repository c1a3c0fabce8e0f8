// The families of language models, by the `model_type` of their config.json.

import type { z } from 'zod';
import { gemma2 } from './gemma2.ts';
import { gemma3_text } from './gemma3_text.ts';
import type { LanguageModelConfig } from './language-config.ts';
import { llama } from './llama.ts';
import { mistral } from './mistral.ts';
import { phi3 } from './phi3.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';

/** Each is the schema of its config.json, and gives what a decoder is built from. */
export const languageFamilies: Readonly<Record<string, z.ZodType<LanguageModelConfig>>> = {
  llama,
  mistral,
  qwen2,
  qwen3,
  gemma2,
  gemma3_text,
  phi3,
};
