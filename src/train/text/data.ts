// The data of a text run, as its model reads it.

import { basename } from 'node:path';
import { placeOf, type LoadedConfig } from '../../config/load.ts';
import { configuredTextData } from '../../dataset/text/configured.ts';
import type { SelectedSamples, TextData } from '../../dataset/text/prepare.ts';
import type { TextSample } from '../../dataset/text/sample.ts';
import { matchSamples, textHash, type RecordedSample } from '../../runs/samples.ts';
import { continuedSamples } from '../continued-data.ts';
import type { TaskContext } from '../task.ts';
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
  context: Pick<TaskContext, 'recorded' | 'start'> = {},
): Promise<TextRunData> {
  const template = chatTemplate(tokenizer, config.chat_template, {
    where: placeOf('chat_template', source),
    date: config.template_date,
  });
  const select = (found: readonly TextSample[]) => asMeant(found, { config, source }, context);
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

/** The samples of the run that goes on, or those that a new one is to be trained on. */
function asMeant(
  found: readonly TextSample[],
  { config, source }: Pick<LoadedConfig, 'config' | 'source'>,
  { recorded, start }: Pick<TaskContext, 'recorded' | 'start'>,
): SelectedSamples {
  const options = { sampleName: 'sample', byName: false };
  if (recorded !== undefined) {
    const where = placeOf(config.train_data_dir === '' ? 'train_data' : 'train_data_dir', source);
    const told = { ...options, where };
    const { kept, warnings } = matchSamples(found, recorded.samples, recordOfText, told);
    return { samples: kept, warnings };
  }
  if (start === undefined) return { samples: found, warnings: [] };
  const told = { ...options, where: placeOf('continue_data', source), before: start.samples };
  const { kept, notes } = continuedSamples(found, recordOfText, config, told);
  return { samples: kept, warnings: notes };
}
