// Windows-1252 by its table: TextDecoder of Node 20 and 22 takes it for Latin-1, without quotation
// marks and dashes (https://github.com/nodejs/node/issues/56542).

/** 0x80 to 0x9f; five of them are no characters. */
const upper = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

/** So many bytes go into one call. */
const CHUNK = 8192;

/** All bytes have a character; the controls among them show that it is another encoding. */
export function windows1252(bytes: Uint8Array): string {
  let text = '';
  for (let start = 0; start < bytes.length; start += CHUNK)
    text += String.fromCharCode(...bytes.subarray(start, start + CHUNK));
  return text.replace(/[\x80-\x9f]/g, (control) => upper[control.charCodeAt(0) - 0x80]);
}
