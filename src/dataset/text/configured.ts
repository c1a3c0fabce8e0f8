// The text data that a configuration names: its files, folders as the files in them, read as it
// says.
import { readdirSync, statSync } from 'node:fs';
import { extname, join, relative, resolve } from 'node:path';
import type { TrainConfig } from '../../config/schema.ts';
import type { Problem } from '../../errors.ts';
import type { ChatTemplate } from '../../tokenizer/chat.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';
import { prepareTextData, type SelectSamples, type TextData } from './prepare.ts';
import type { TextSource } from './read.ts';
import { aboutData, sampleFormats } from './sample-files.ts';

/** How a model reads. */
export interface TextReader {
  readonly tokenizer: TextTokenizer;
  readonly template: ChatTemplate | undefined;
  /** Which samples are trained; all by default. */
  readonly select?: SelectSamples;
  /** Held back where neither files nor `validation_split` say what. Default: nothing. */
  readonly impliedShare?: number;
}

/**
 * Reads, writes out as tokens and checks what a run of `config` trains and validates on. Throws
 * DataError with every fault.
 */
export async function configuredTextData(
  config: TrainConfig,
  { tokenizer, template, select, impliedShare = 0 }: TextReader,
): Promise<TextData> {
  const { sources, validationSources, warnings } = textSources(config);
  const data = await prepareTextData({
    sources,
    validationSources,
    validationShare: config.validation_split || impliedShare,
    isShareGiven: config.validation_split > 0,
    tokenizer,
    template,
    maxSeqLength: config.max_seq_length,
    trainOn: config.train_on,
    excessLength: config.excess_length,
    seed: config.seed,
    select,
  });
  return { ...data, warnings: [...warnings, ...data.warnings] };
}

type Named = Pick<TrainConfig, 'train_data' | 'validation_data'> &
  Partial<Pick<TrainConfig, 'validation_split' | 'eval_path' | 'eval_general_path'>>;

export interface NamedSources {
  readonly sources: TextSource[];
  readonly validationSources: TextSource[];
  /** What of a folder is not trained because of its name. */
  readonly warnings: Problem[];
}

/**
 * The files, those of a folder in the order of their names. What is named to validate or to judge
 * is not trained because it lies in the same folder; nor are files called valid, test and the like
 * beside one called train: the former are validated on where nothing else is.
 */
export function textSources({
  train_data,
  validation_data,
  validation_split = 0,
  eval_path,
  eval_general_path,
}: Named): NamedSources {
  const named = validation_data
    .map((path) => filesIn(path))
    .flatMap(({ trained, validated }) => (validated.length > 0 ? validated : trained));
  const kept = new Set(
    [...named, eval_path, eval_general_path].flatMap((path) =>
      path === undefined ? [] : [resolve(path)],
    ),
  );
  const folders = train_data.map(({ path, weight }) => ({ ...filesIn(path), path, weight }));
  const told = new Set([...kept, ...train_data.map(({ path }) => resolve(path))]);
  const beside = folders
    .flatMap(({ validated }) => validated)
    .filter((path) => !told.has(resolve(path)));
  const validates = named.length === 0 && validation_split === 0 ? beside : [];
  const left = folders
    .flatMap(({ validated, tested }) => [...validated, ...tested])
    .filter((path) => !told.has(resolve(path)) && !validates.includes(path));
  return {
    sources: folders.flatMap(({ trained, path, weight }) =>
      trained
        .filter((file) => file === path || !kept.has(resolve(file)))
        .map((file) => ({ path: file, weight })),
    ),
    validationSources: [...named, ...validates].map((path) => ({ path })),
    warnings: [
      ...validates.map((path) => notTrained(path, 'is validated on, not trained')),
      ...left.map((path) => notTrained(path, 'is not trained')),
      ...folders.flatMap(({ unread }) => unread.map(notRead)),
    ],
  };
}

const shown = (path: string): string =>
  resolve(path).startsWith(resolve('.')) ? relative('.', path) : path;
const notRead = (path: string): Problem => ({
  where: shown(path),
  what: `is not used: the files of samples end with ${[...sampleFormats].join(', ')}`,
  fix: 'Convert it, or remove it from the folder.',
});
const notTrained = (path: string, what: string): Problem => ({
  where: shown(path),
  what: `${what}, because of its name`,
  fix: 'To train it, name it in train_data.',
});

/** These are data, too, as others write them. */
const otherData = /\.(parquet|arrow|feather|xlsx?|gz|zip|bz2|zst|xz|pkl|yaml|yml)$/i;

interface FilesOf {
  readonly trained: readonly string[];
  readonly validated: readonly string[];
  readonly tested: readonly string[];
  readonly unread: readonly string[];
}

/** A file is itself; so is a folder without any, which is then refused by its name. */
function filesIn(path: string): FilesOf {
  const alone = { trained: [path], validated: [], tested: [], unread: [] };
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return alone;
  const all = readdirSync(path)
    .filter((name) => !aboutData.test(name))
    .sort();
  const names = all.filter((name) => sampleFormats.has(extname(name).toLowerCase()));
  if (names.length === 0) return alone;
  const divided = names.some((name) => partOf(name) === 'train');
  const those = (...parts: readonly Part[]): string[] =>
    names
      .filter((name) => parts.includes(divided ? partOf(name) : 'train'))
      .map((name) => join(path, name));
  return {
    trained: those('train', 'other'),
    validated: those('valid'),
    tested: those('test'),
    unread: all.filter((name) => otherData.test(name)).map((name) => join(path, name)),
  };
}

type Part = 'train' | 'valid' | 'test' | 'other';

/** By the names that data sets have on the Hub and in mlx-lm. */
function partOf(name: string): Part {
  const [word] = name.toLowerCase().split(/[-_.]/);
  if (word === 'train' || word === 'training') return 'train';
  if (['valid', 'validation', 'val', 'dev'].includes(word)) return 'valid';
  return ['test', 'eval'].includes(word) ? 'test' : 'other';
}
