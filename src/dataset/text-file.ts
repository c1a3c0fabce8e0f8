// Caption and table files: read and decoded.
import { readFile } from 'node:fs/promises';
import { chunks } from '../util/chunks.ts';
import { decodeText, decodeTogether, type Told, toldOf } from '../util/encoding/decode-text.ts';
import { reasonOf } from '../util/caught.ts';
import { needed } from '../util/needed.ts';

/** A file to read, and how messages call it. */
export interface NamedFile {
  readonly path: string;
  readonly shown: string;
}

/** The text of a file, or what is wrong with it. */
export async function readText({ path, shown }: NamedFile): Promise<Told> {
  const bytes = await bytesOf({ path, shown });
  return bytes instanceof Uint8Array ? toldOf(shown, decodeText(bytes)) : bytes;
}

/** Open files are few on some machines. */
const AT_ONCE = 64;

/** As `readText`, for files that belong together: an old encoding is judged by all of them. */
export async function readTexts(files: readonly NamedFile[]): Promise<Told[]> {
  const read: (Uint8Array | Told)[] = [];
  for (const some of chunks(files, AT_ONCE)) read.push(...(await Promise.all(some.map(bytesOf))));
  const found = read.filter((bytes) => bytes instanceof Uint8Array);
  const decoded = decodeTogether(found);
  const byBytes = new Map(found.map((bytes, i) => [bytes, decoded[i]]));
  return read.map((bytes, i) =>
    bytes instanceof Uint8Array
      ? toldOf(files[i].shown, needed(byBytes, bytes, 'decoded text'))
      : bytes,
  );
}

async function bytesOf({ path, shown }: NamedFile): Promise<Uint8Array | Told> {
  try {
    return await readFile(path);
  } catch (error) {
    const reason = reasonOf(error);
    const fix = 'Correct the path, or the rights to read it.';
    return { problem: { where: shown, what: `cannot be read: ${reason}`, fix } };
  }
}
