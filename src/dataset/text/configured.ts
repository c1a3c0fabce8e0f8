// The text data that a configuration names: its files, folders as the files in them, read as it says.
import { readdirSync, statSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import type { TrainConfig } from '../../config/schema.ts';
import type { ChatTemplate } from '../../tokenizer/chat.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';
import { prepareTextData, type TextData } from './prepare.ts';
import type { TextSource } from './read.ts';

/** How a model reads. */
export interface TextReader {
  readonly tokenizer: TextTokenizer;
  readonly template: ChatTemplate | undefined;
}

/** Reads, writes out as tokens and checks what a run of `config` trains and validates on. Throws DataError with every fault. */
export function configuredTextData(config: TrainConfig, { tokenizer, template }: TextReader): Promise<TextData> {
  const { sources, validationSources } = textSources(config);
  return prepareTextData({
    sources,
    validationSources,
    validationShare: config.validation_split,
    tokenizer,
    template,
    maxSeqLength: config.max_seq_length,
    trainOn: config.train_on,
    excessLength: config.excess_length,
    seed: config.seed,
  });
}

type Named = Pick<TrainConfig, 'train_data' | 'validation_data' | 'eval_path' | 'eval_general_path'>;

/** The files, those of a folder in the order of their names; what is named to validate or to judge is not trained because it lies in the same folder. */
export function textSources({ train_data, validation_data, eval_path, eval_general_path }: Named): { sources: TextSource[]; validationSources: TextSource[] } {
  const validationSources = validation_data.flatMap((path) => filesIn(path)).map((path) => ({ path }));
  const kept = new Set([...validationSources.map(({ path }) => path), eval_path, eval_general_path].flatMap((path) => (path === undefined ? [] : [resolve(path)])));
  const sources = train_data.flatMap(({ path, weight }) => filesIn(path).filter((file) => file === path || !kept.has(resolve(file))).map((file) => ({ path: file, weight })));
  return { sources, validationSources };
}

const formats: ReadonlySet<string> = new Set(['.jsonl', '.ndjson', '.json', '.csv', '.tsv', '.txt']);

/** A file is itself; so is a folder without any, which is then refused by its name. */
function filesIn(path: string): string[] {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return [path];
  const names = readdirSync(path).filter((name) => formats.has(extname(name).toLowerCase()) && !name.startsWith('.')).sort();
  return names.length === 0 ? [path] : names.map((name) => join(path, name));
}
