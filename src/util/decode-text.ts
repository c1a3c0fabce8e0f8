// Text files as people save them: UTF-8 with or without mark, UTF-16, or the Chinese code page of
// Windows.

export interface DecodedText {
  readonly text: string;
  readonly encoding: 'utf-8' | 'utf-16le' | 'utf-16be' | 'gb18030';
}

/**
 * The text of a file, without byte order mark. Throws Error when the bytes are in none of the four
 * encodings.
 */
export function decodeText(bytes: Uint8Array): DecodedText {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return decode('utf-16le', bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return decode('utf-16be', bytes);
  try {
    return decode('utf-8', bytes);
  } catch {
    return decode('gb18030', bytes); // what Excel and Notepad on a Chinese Windows save
  }
}

function decode(encoding: DecodedText['encoding'], bytes: Uint8Array): DecodedText {
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    if (!text.includes('\0\0')) return { text, encoding };
  } catch (cause) {
    throw new Error('it is not text in UTF-8, UTF-16 or GBK', { cause });
  }
  throw new Error('it is not a text file');
}

/** Characters that would act on a terminal, or could not be seen, as `\x1b`; line breaks stay. */
export function visible(text: string): string {
  return text.replace(
    /[\0-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ufeff]/g,
    (sign) => {
      const code = sign.charCodeAt(0).toString(16);
      return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u${code.padStart(4, '0')}`;
    },
  );
}
