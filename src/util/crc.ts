// Check sums of 32 bits, by their polynomials.

/** CRC-32, of PNG and zip: 0x04c11db7 with its bits reversed. */
export const crc32 = checksum(0xedb88320);
/** CRC-32C (Castagnoli), of TFRecord files: 0x1edc6f41 with its bits reversed. */
export const crc32c = checksum(0x82f63b78);

function checksum(polynomial: number): (bytes: Uint8Array) => number {
  const table = Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    return crc;
  });
  return (bytes) => {
    let crc = 0xffffffff;
    for (const byte of bytes) crc = table[(crc ^ byte) & 0xff] ^ (crc >>> 8);
    return (crc ^ 0xffffffff) >>> 0;
  };
}
