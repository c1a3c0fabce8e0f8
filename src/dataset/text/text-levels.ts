// A folder without files of samples: what it holds instead, and in which folders below it they lie.
import { readdirSync, type Dirent } from 'node:fs';
import { extname, join } from 'node:path';
import type { Problem } from '../../errors.ts';
import { plural } from '../../util/plural.ts';
import { parquetToLines } from '../../util/file-signatures.ts';
import { aboutData, sampleFormats } from './sample-files.ts';

/** As far as from a folder of the Hugging Face cache to the data in a snapshot. */
const DEPTH = 4;
const MOST_FOLDERS = 300;
const SHOWN = 3;

/** What is said of a folder in which there is no file of samples. */
export function noSamples(path: string, shown: string): Problem {
  const below = foldersBelow(path, shown);
  const { files, folders } = entriesOf(path);
  const found = instead(shown, files, 'this folder');
  if (found !== undefined) return { where: shown, ...found };
  const samples = below.filter(({ files }) => files.some(isSamples) && !isWhole(files));
  if (samples.length > 0) return { where: shown, ...fromBelow(samples) };
  const [other] = below.flatMap((folder) => instead(folder.shown, folder.files) ?? []);
  if (other !== undefined) return { where: shown, ...other };
  const what =
    files.length + folders.length === 0
      ? 'this folder is empty: there are no files of samples'
      : 'there are no files of samples in this folder';
  const fix = 'Put .jsonl, .json, .csv or .txt files into it, or give the path of one.';
  return { where: shown, what, fix };
}

interface Below {
  readonly shown: string;
  readonly files: readonly string[];
}

/** What a whole folder is, whatever else lies in it. */
const wholes = ['adapter_config.json', 'config.json', 'model_index.json'];
const isWhole = (files: readonly string[]): boolean => wholes.some((name) => files.includes(name));

const isSamples = (name: string): boolean =>
  sampleFormats.has(extname(name).toLowerCase()) && !aboutData.test(name);

function fromBelow(samples: readonly Below[]): Omit<Problem, 'where'> {
  const list = samples.slice(0, SHOWN).map(({ shown, files }) => {
    const count = files.filter(isSamples).length;
    return `${shown} (${count} ${count === 1 ? 'file' : 'files'})`;
  });
  const more = samples.length > SHOWN ? ` and ${samples.length - SHOWN} more` : '';
  const what = `there are no files of samples in this folder itself; below it they are in ${list.join(', ')}${more}`;
  if (samples.length === 1) return { what, fix: `Name it: train_data_dir: ${samples[0].shown}` };
  const train = samples.find(({ shown }) => /(^|[\\/])train(ing)?$/i.test(shown)) ?? samples[0];
  const valid = samples.find(({ shown }) => /(^|[\\/])(valid|validation|val|dev)$/i.test(shown));
  const rest = valid === undefined ? '' : `, and to validate validation_data: [${valid.shown}]`;
  return { what, fix: `Name the one to train: train_data_dir: ${train.shown}${rest}` };
}

/** What a folder holds in place of files of samples, by their names. */
function instead(
  shown: string,
  files: readonly string[],
  called = `the folder ${shown}`,
): Omit<Problem, 'where'> | undefined {
  const named = (pattern: RegExp) => files.filter((name) => pattern.test(name));
  const some = (names: readonly string[], noun: string): string =>
    `${called} holds ${plural(names.length, noun)} (${names[0]}${names.length > 1 ? ' …' : ''})`;
  const arrow = named(/\.arrow$/i);
  if (arrow.length > 0)
    return {
      what: `${some(arrow, 'Arrow file')}: a data set as save_to_disk of the library datasets writes it, which is not supported`,
      fix: `Save it as JSON lines, in Python: load_from_disk(${JSON.stringify(shown)}).to_json("train.jsonl")`,
    };
  const parquet = named(/\.parquet$/i);
  if (parquet.length > 0)
    return {
      what: `${some(parquet, 'Parquet file')}, as data sets on Hugging Face do; Parquet is not supported`,
      fix: parquetToLines(join(shown, parquet.length === 1 ? parquet[0] : '*.parquet')),
    };
  const packed = named(/\.(gz|zst|zip|xz|bz2|tar|7z|rar)$/i);
  if (packed.length > 0)
    return { what: some(packed, 'packed file'), fix: 'Unpack it, and name the folder again.' };
  if (files.includes('adapter_config.json'))
    return { what: `${called} is an adapter, not data`, fix: 'Name a file or folder of samples.' };
  if (files.includes('config.json') || files.includes('model_index.json'))
    return {
      what: `${called} is a model, not data`,
      fix: 'A model is named by base_model; name a file or folder of samples here.',
    };
  const pictures = named(/\.(png|jpe?g|webp|avif|tiff?|gif|bmp)$/i);
  return pictures.length > 0
    ? {
        what: some(pictures, 'picture'),
        fix: 'To train on pictures, leave out task_type; texts are .jsonl, .json, .csv or .txt files.',
      }
    : undefined;
}

/** Folders below `path`, nearest first; hidden ones and the parts of a model are left out. */
function foldersBelow(path: string, shown: string): Below[] {
  const found: Below[] = [];
  let level = [{ path, shown, ...entriesOf(path) }];
  for (let depth = 0; depth < DEPTH && found.length < MOST_FOLDERS; depth++) {
    level = level.filter(({ files }) => !isWhole(files)).flatMap(inside);
    found.push(...level);
  }
  return found;
}

const inside = (at: { path: string; shown: string; folders: readonly string[] }) =>
  at.folders.slice(0, MOST_FOLDERS).map((name) => {
    const path = join(at.path, name);
    return { path, shown: join(at.shown, name), ...entriesOf(path) };
  });

function entriesOf(folder: string): { files: readonly string[]; folders: readonly string[] } {
  const seen = readEntries(folder).filter(({ name }) => !name.startsWith('.'));
  const names = (some: readonly Dirent[]) => some.map(({ name }) => name).sort();
  return {
    files: names(seen.filter((entry) => !entry.isDirectory())),
    folders: names(seen.filter((entry) => entry.isDirectory())),
  };
}

function readEntries(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // not to be read
  }
}
