// A file where a folder is wanted, and a folder where a file is: what it is, and where the right
// thing lies.
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import {
  foreignFile,
  packedKinds,
  pictureKinds,
  SIGNATURE_BYTES,
} from '../util/file-signatures.ts';

interface Wanted {
  readonly key: string;
}

interface OtherKind {
  readonly what: string;
  readonly fix?: string;
}

const pictures = /\.(png|jpe?g|jpe|jfif|webp|bmp|tiff?|avif|gif|heic|psd)$/i;
const tables = /^metadata\./i;
const texts = /\.(jsonl?|ndjson|txt|csv|tsv)$/i;
const archives = /\.(zip|tar|tgz|gz|7z|rar|xz|bz2|zst)$/i;

/** Of a file that is given as the folder of pictures. */
export function fileInPlace(path: string, { key }: Wanted): OtherKind {
  const foreign = foreignFile(headOf(path));
  const folder = `${key}: ${dirname(path)}`;
  if (pictures.test(path) || (foreign !== undefined && pictureKinds.includes(foreign.kind)))
    return { what: `${path} is one picture; expected a folder`, fix: `Name its folder: ${folder}` };
  if (foreign !== undefined && packedKinds.includes(foreign.kind))
    return {
      what: `${path} is ${foreign.name}; expected a folder`,
      fix: `${foreign.fix.replace(/,.*/, '')}, and name the folder that comes out.`,
    };
  if (archives.test(path))
    return {
      what: `${path} is an archive; expected a folder`,
      fix: 'Unpack it, and name the folder.',
    };
  if (tables.test(basename(path)))
    return {
      what: `${path} is a table of captions; expected the folder of the pictures`,
      fix: `Write ${folder}${/\.csv$/i.test(path) ? `; a table with another name or place is metadata_path: ${path}` : ''}`,
    };
  if (texts.test(path))
    return {
      what: `${path} is a file of texts; expected a folder of pictures`,
      fix: 'To train a language model on texts, set task_type: text-generation. A table of captions is metadata_path.',
    };
  return { what: `${path} is ${foreign?.name ?? 'a file'}; expected a folder` };
}

/** What files a key takes, by their names. */
const filesOf: Readonly<Record<string, RegExp>> = {
  metadata_path: /\.csv$/i,
  eval_path: /\.(ya?ml|jsonl?|csv)$/i,
  eval_general_path: /\.(ya?ml|jsonl?|csv)$/i,
};

/** Of a folder that is given as a file. */
export function folderInPlace(path: string, { key }: Wanted): OtherKind {
  const what = `${path} is a folder; expected a file`;
  const wanted = Object.hasOwn(filesOf, key) ? filesOf[key] : undefined;
  const found = namesIn(path).filter((name) => wanted?.test(name) === true);
  const [first] = found;
  if (first === undefined)
    return { what: `${what}, and there is no ${extensions(key)} file in it` };
  const more = found.length - 1;
  const others = more === 0 ? '' : ` (or ${more === 1 ? found[1] : `one of ${more} others`})`;
  return { what, fix: `Name the file in it: ${key}: ${join(path, first)}${others}` };
}

const extensions = (key: string): string =>
  key === 'metadata_path' ? '.csv' : '.yaml, .json, .jsonl or .csv';

function headOf(path: string): Uint8Array {
  try {
    const file = openSync(path, 'r');
    try {
      const head = new Uint8Array(SIGNATURE_BYTES);
      return head.subarray(0, readSync(file, head, 0, head.length, 0));
    } finally {
      closeSync(file);
    }
  } catch {
    return new Uint8Array(); // not to be read: its name has to do
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => extname(name) !== '')
      .sort();
  } catch {
    return [];
  }
}
