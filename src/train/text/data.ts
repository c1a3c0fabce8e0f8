// The data of a text run, as its model reads it.

import { basename } from 'node:path';
import { placeOf, type LoadedConfig } from '../../config/load.ts';
import { configuredTextData } from '../../dataset/text/configured.ts';
import type { SelectedSamples, TextData } from '../../dataset/text/prepare.ts';
import type { TextSample } from '../../dataset/text/sample.ts';
import { matchSamples, textHash, type RecordedSample } from '../../runs/samples.ts';
import { chatTemplate, type ChatTemplate } from '../../tokenizer/chat.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';

export interface TextRunData extends Omit<TextData, 'samples'> {
  readonly samples: readonly RecordedSample[];
  readonly template: ChatTemplate | undefined;
}

/**
 * Throws DataError with every fault of the data, ConfigError for the template.
 */
export async function readTextData(
  { config, source }: LoadedConfig,
  tokenizer: TextTokenizer,
  recorded?: readonly RecordedSample[],
): Promise<TextRunData> {
  const template = chatTemplate(tokenizer, config.chat_template, {
    where: placeOf('chat_template', source),
    date: config.template_date,
  });
  const where = placeOf(config.train_data_dir === '' ? 'train_data' : 'train_data_dir', source);
  const select = (found: readonly TextSample[]) => asRecorded(found, recorded, where);
  const data = await configuredTextData(config, { tokenizer, template, select });
  const date = template?.date;
  return {
    ...data,
    samples: data.samples.map(recordOfText),
    template,
    notices: [
      ...data.notices,
      ...(date === undefined ? [] : [`the chat template inserts a date: ${date} (template_date)`]),
    ],
  };
}

/** What a run is known by when it goes on; its place in the file may change. */
const recordOfText = ({ where, content }: TextSample): RecordedSample => ({
  name: basename(where),
  sha256: textHash(JSON.stringify(content)),
});

/** The samples of the run that goes on, where one does. */
function asRecorded(
  found: readonly TextSample[],
  recorded: readonly RecordedSample[] | undefined,
  where: string,
): SelectedSamples {
  if (recorded === undefined) return { samples: found, warnings: [] };
  const options = { sampleName: 'sample', where, byName: false };
  const { kept, warnings } = matchSamples(found, recorded, recordOfText, options);
  return { samples: kept, warnings };
}
