// The data of a text run, as its model reads it.

import { basename } from 'node:path';
import { placeOf, type LoadedConfig } from '../../config/load.ts';
import { configuredTextData } from '../../dataset/text/configured.ts';
import type { SelectedSamples, TextData } from '../../dataset/text/prepare.ts';
import type { TextSample } from '../../dataset/text/sample.ts';
import { matchSamples, type RecordedSample } from '../../runs/samples.ts';
import type { ComparedDecision } from '../both-sets.ts';
import { continuedSamples } from '../continued-data.ts';
import {
  comparedRun,
  impliedNote,
  recordedBesides,
  stillCompared,
  type ComparedRun,
  type OldAndNew,
} from '../old-data.ts';
import type { Problem } from '../../errors.ts';
import type { TaskContext } from '../task.ts';
import { chatTemplate, type ChatTemplate } from '../../tokenizer/chat.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';
import { comparedTexts, type ComparedTexts } from './compared-texts.ts';
import { hashOfText } from './text-hash.ts';

export interface TextRunData extends Omit<TextData, 'samples'> {
  readonly samples: readonly RecordedSample[];
  /** Of an earlier run, and not trained. */
  readonly leftOut: readonly RecordedSample[];
  readonly template: ChatTemplate | undefined;
  /** Of a run that goes on from an adapter. */
  readonly compared?: ComparedTexts;
}

/**
 * `decided`: what an earlier start of the run measures of old and new data. Throws DataError with
 * every fault of the data, ConfigError for the template.
 */
export async function readTextData(
  { config, source }: LoadedConfig,
  tokenizer: TextTokenizer,
  context: Pick<TaskContext, 'recorded' | 'start'> = {},
  decided?: ComparedDecision,
): Promise<TextRunData> {
  const template = chatTemplate(tokenizer, config.chat_template, {
    where: placeOf('chat_template', source),
    date: config.template_date,
  });
  const run = comparedRun({ config, source }, context, decided);
  let both = nothingOld;
  const select = (found: readonly TextSample[]): SelectedSamples =>
    (both = asMeant(found, { config, source }, context, run));
  const impliedShare = run?.share;
  const data = await configuredTextData(config, { tokenizer, template, select, impliedShare });
  const compared =
    run && (await comparedTexts({ run, both, data, tokenizer, template, job: { config, source } }));
  const date = template?.date;
  return {
    ...data,
    samples: recordedTexts(data, both.old),
    leftOut: context.recorded?.leftOut ?? recordedBesides(both, recordOfText),
    ...(compared !== undefined && { compared, validation: compared.validation }),
    template,
    warnings: [
      ...data.warnings,
      ...(compared?.warnings ?? []),
      ...heldNote(data, both, run, source),
    ],
    notices: [
      ...data.notices,
      ...(date === undefined ? [] : [`the chat template inserts a date: ${date} (template_date)`]),
    ],
  };
}

/** As the run records them; what nothing is trained of is held out. */
function recordedTexts(
  { samples, train, validation }: TextData,
  old: ReadonlySet<TextSample>,
): RecordedSample[] {
  const trained = new Set(train.map(({ sample }) => sample));
  const held = new Set(validation.map(({ sample }) => sample));
  return samples.map((one) => ({
    ...recordOfText(one),
    ...(old.has(one) && { old: true }),
    ...(held.has(one) && !trained.has(one) && { heldOut: true }),
  }));
}

/** Of what is held back though nobody asked for it. */
function heldNote(
  { train, validation }: TextData,
  { samples }: OldAndNew<TextSample>,
  run: ComparedRun | undefined,
  source: LoadedConfig['source'],
): Problem[] {
  if (run === undefined || run.share === 0) return [];
  const trainable = new Set(samples);
  const held = validation.filter(({ sample }) => trainable.has(sample)).length;
  return impliedNote(held, train.length + held, { sampleName: 'sequence', source });
}

const nothingOld: OldAndNew<TextSample> = {
  ...{ samples: [], old: new Set(), leftOut: [], missing: [], earlier: [], warnings: [] },
};

/** What a run is known by when it goes on; its place in the file may change. */
const recordOfText = (sample: TextSample): RecordedSample => ({
  name: basename(sample.where),
  sha256: hashOfText(sample),
});

/** The samples of the run that goes on, or those that a new one is to be trained on. */
function asMeant(
  found: readonly TextSample[],
  { config, source }: Pick<LoadedConfig, 'config' | 'source'>,
  { recorded, start }: Pick<TaskContext, 'recorded' | 'start'>,
  run: ComparedRun | undefined,
): OldAndNew<TextSample> {
  const sampleName = 'sample';
  if (recorded !== undefined) {
    const where = placeOf(config.train_data_dir === '' ? 'train_data' : 'train_data_dir', source);
    const told = { sampleName, where, byName: false };
    const matched = matchSamples(found, recorded, recordOfText, told);
    const { warnings } = matched;
    return { ...stillCompared(found, matched, run?.recorded, hashOfText), warnings };
  }
  if (start === undefined) return { ...nothingOld, samples: found };
  const told = { sampleName, where: placeOf('continue_data', source), before: start.before };
  const { kept, notes, ...both } = continuedSamples(found, recordOfText, config, told);
  return { ...both, samples: kept, warnings: notes };
}
