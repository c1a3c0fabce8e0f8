// Caption and table files: read and decoded.
import { readFile } from 'node:fs/promises';
import { decodeText, type DecodedText } from '../util/decode-text.ts';

/**
 * The text of a file, without byte order mark. Throws Error when the bytes are in none of the known
 * encodings.
 */
export async function readText(path: string): Promise<DecodedText> {
  return decodeText(await readFile(path));
}
