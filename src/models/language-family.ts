// A family of language models as a record: all that the product knows of it. Whoever needs to know
// something of a family asks its record.

import type { z } from 'zod';
import type { GgufFamily } from './gguf-family.ts';
import type { LanguageModelConfig } from './language-config.ts';

export interface LanguageFamily {
  /** Reads its config.json, and gives what a decoder is built from. */
  readonly config: z.ZodType<LanguageModelConfig>;
  /** The keys of config.json that it reads. */
  readonly keys: readonly string[];
  /** What llama.cpp has of it. */
  readonly gguf: GgufFamily;
}
