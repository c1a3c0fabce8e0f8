// The data of a text run, as its model reads it.

import { placeOf, type LoadedConfig } from '../../config/load.ts';
import { configuredTextData } from '../../dataset/text/configured.ts';
import type { TextData } from '../../dataset/text/prepare.ts';
import { CheckpointError } from '../../errors.ts';
import type { LanguageModelConfig } from '../../models/language-config.ts';
import { chatTemplate, type ChatTemplate } from '../../tokenizer/chat.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';

export interface TextRunData extends TextData {
  readonly template: ChatTemplate | undefined;
}

/**
 * Throws DataError with every fault of the data, ConfigError for the template, CheckpointError for
 * a tokenizer of another model.
 */
export async function readTextData(
  { config, source }: LoadedConfig,
  tokenizer: TextTokenizer,
  model: LanguageModelConfig,
): Promise<TextRunData> {
  const template = chatTemplate(tokenizer, config.chat_template, {
    where: placeOf('chat_template', source),
    date: config.template_date,
  });
  const data = await configuredTextData(config, { tokenizer, template });
  requireKnownTokens(data, model);
  const date = template?.date;
  return {
    ...data,
    template,
    notices: [
      ...data.notices,
      ...(date === undefined ? [] : [`the chat template inserts a date: ${date} (template_date)`]),
    ],
  };
}

function requireKnownTokens(
  { train, validation }: TextData,
  { vocab_size }: LanguageModelConfig,
): void {
  const foreign = [...train, ...validation].find(({ ids }) => ids.some((id) => id >= vocab_size));
  if (foreign === undefined) return;
  const what = `the tokenizer has ids from ${vocab_size} upwards, but the model has only ${vocab_size} embeddings`;
  throw new CheckpointError([
    {
      where: foreign.sample.where,
      what,
      fix: "Put the model's own tokenizer.json into its folder.",
    },
  ]);
}
