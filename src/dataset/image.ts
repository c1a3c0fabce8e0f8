// Pictures in and out: the one file that imports sharp.
import sharp from 'sharp';

/** Draws SVG text at `size` x `size` pixels: RGB bytes [size, size, 3], transparency on white. */
export async function renderSvg(svg: string, size: number): Promise<Uint8Array> {
  const { data } = await sharp(Buffer.from(svg), { density: 72 })
    .resize(size, size, { fit: 'fill', kernel: 'lanczos3' })
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return new Uint8Array(data.buffer, data.byteOffset, data.length);
}

/** PNG bytes of RGB bytes [height, width, 3]. */
export async function encodePng(rgb: Uint8Array, width: number, height: number): Promise<Uint8Array> {
  return sharp(rgb, { raw: { width, height, channels: 3 } }).png({ compressionLevel: 9 }).toBuffer();
}

/** PNG bytes of RGB bytes [height, width, 3] reduced to `colours` colours: small files for drawn pictures. */
export async function encodePalettePng(rgb: Uint8Array, width: number, height: number, colours: number): Promise<Uint8Array> {
  const picture = sharp(rgb, { raw: { width, height, channels: 3 } });
  return picture.png({ palette: true, colours, dither: 0.3, effort: 8, compressionLevel: 9 }).toBuffer();
}
