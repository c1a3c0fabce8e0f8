// The data of a text run, as its model reads it.

import { placeOf, type LoadedConfig } from '../../config/load.ts';
import { configuredTextData } from '../../dataset/text/configured.ts';
import type { TextData } from '../../dataset/text/prepare.ts';
import { chatTemplate, type ChatTemplate } from '../../tokenizer/chat.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';

export interface TextRunData extends TextData {
  readonly template: ChatTemplate | undefined;
}

/**
 * Throws DataError with every fault of the data, ConfigError for the template.
 */
export async function readTextData(
  { config, source }: LoadedConfig,
  tokenizer: TextTokenizer,
): Promise<TextRunData> {
  const template = chatTemplate(tokenizer, config.chat_template, {
    where: placeOf('chat_template', source),
    date: config.template_date,
  });
  const data = await configuredTextData(config, { tokenizer, template });
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
