// Caption and table files as people save them: UTF-8 with or without mark, UTF-16, or the Chinese code page of Excel.
import { readFile } from 'node:fs/promises';

export interface DecodedText {
  readonly text: string;
  readonly encoding: 'utf-8' | 'utf-16le' | 'utf-16be' | 'gb18030';
}

/** The text of a file, without byte order mark. Throws Error when the bytes are in none of the four encodings. */
export async function readText(path: string): Promise<DecodedText> {
  return decodeText(await readFile(path));
}

export function decodeText(bytes: Uint8Array): DecodedText {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return decode('utf-16le', bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return decode('utf-16be', bytes);
  try {
    return decode('utf-8', bytes);
  } catch {
    return decode('gb18030', bytes); // what Excel on a Chinese Windows saves as "CSV"
  }
}

function decode(encoding: DecodedText['encoding'], bytes: Uint8Array): DecodedText {
  return { text: new TextDecoder(encoding, { fatal: true }).decode(bytes), encoding };
}
