// The data of a text run: files found in folders, samples written as tokens, what was found in them told.

import { readdirSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { TrainConfig } from '../../config/schema.ts';
import { prepareTextData, type TextData } from '../../dataset/text/prepare.ts';
import type { TextSource } from '../../dataset/text/read.ts';
import { CheckpointError, DataError } from '../../errors.ts';
import type { LanguageModelConfig } from '../../models/language-config.ts';
import { chatTemplate, type ChatTemplate } from '../../tokenizer/chat.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';

export interface TextRunData extends TextData {
  readonly template: ChatTemplate | undefined;
}

/** Throws DataError with every fault of the data, ConfigError for the template, CheckpointError for a tokenizer of another model. */
export async function readTextData(config: TrainConfig, tokenizer: TextTokenizer, model: LanguageModelConfig): Promise<TextRunData> {
  const template = chatTemplate(tokenizer, config.chat_template);
  const data = await prepareTextData({
    sources: config.train_data.flatMap(filesOf),
    validationSources: config.validation_data.flatMap((path) => filesOf({ path })),
    validationShare: config.validation_split,
    seed: config.seed,
    tokenizer,
    template,
    maxSeqLength: config.max_seq_length,
    trainOn: config.train_on,
    excessLength: config.excess_length,
  });
  requireKnownTokens(data, model);
  return { ...data, template };
}

const endings: ReadonlySet<string> = new Set(['.jsonl', '.json', '.csv', '.txt']);

/** A file, or those of a folder by name; hidden ones and READMEs are not data. */
export function filesOf(source: TextSource): TextSource[] {
  if (statSync(source.path, { throwIfNoEntry: false })?.isDirectory() !== true) return [source];
  const names = readdirSync(source.path).filter((name) => endings.has(extname(name).toLowerCase()) && !/^(\.|readme|licen[cs]e)/i.test(name)).sort();
  if (names.length === 0) throw new DataError([{ where: source.path, what: 'there is no file of samples in this folder', fix: 'Put .jsonl, .json, .csv or .txt files into it, or name one.' }]);
  return names.map((name) => ({ ...source, path: join(source.path, name) }));
}

function requireKnownTokens({ train, validation }: TextData, { vocab_size }: LanguageModelConfig): void {
  const foreign = [...train, ...validation].find(({ ids }) => ids.some((id) => id >= vocab_size));
  if (foreign === undefined) return;
  const what = `the tokenizer gives ids from ${vocab_size} on, which the model's ${vocab_size} embeddings do not have`;
  throw new CheckpointError([{ where: foreign.sample.where, what, fix: "Put the model's own tokenizer.json into its folder." }]);
}
