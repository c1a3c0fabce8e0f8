// Pictures of a format that is read, but of a kind that is not: what each is, in plain words.

import { frameOf, headSegments } from './containers/jpeg-segments.ts';
import { stillCoding, trackLength } from './containers/iso-boxes.ts';
import { TiffFile, tiffTags, type TiffDirectory } from './containers/tiff-directory.ts';
import { pagesOfTiff } from './picture-frames.ts';
import { CONVERT, rawPhoto, type UnreadFile } from './unread-files.ts';
import type { PictureFormat } from './picture-format.ts';

const SAVE = 'Save it as RGB with 8 or 16 bits a channel, or convert it to png or jpg.';

/** What the picture is, where it is of a kind that is not read. */
export function unsupportedKind(format: PictureFormat, bytes: Uint8Array): UnreadFile | undefined {
  if (format === 'tiff') return unsupportedTiff(bytes);
  if (format === 'jpeg') return unsupportedJpeg(bytes);
  const isSequence = format === 'avif' && trackLength(bytes) > 0;
  return isSequence && stillCoding(bytes) === undefined
    ? {
        what: 'it is an AVIF animation without a still picture, which is not supported',
        fix: CONVERT,
      }
    : undefined;
}

const JPEG_LS = 0xf7;

function unsupportedJpeg(bytes: Uint8Array): UnreadFile | undefined {
  if (headSegments(bytes).some(({ marker }) => marker === JPEG_LS))
    return { what: 'it is a JPEG-LS picture, which is not supported', fix: CONVERT };
  const bits = frameOf(bytes)?.data[0] ?? 8;
  return bits === 8
    ? undefined
    : { what: `it is a JPEG of ${bits} bits a channel, which is not supported`, fix: SAVE };
}

/** Numbers of Adobe TIFF 6.0, of DNG and of LogLuv. */
const FILTERS = 32803;
const LINEAR_RAW = 34892;
const photometrics = new Map([
  [8, 'Lab'],
  [9, 'Lab (ICC)'],
  [10, 'Lab (ITU)'],
  [32844, 'LogL'],
  [32845, 'LogLuv'],
]);
const YCBCR = 6;
const INKS = 5;
const JPEG_COMPRESSIONS = [6, 7];
const SIGNED = 2;
const COMPLEX = [5, 6];

/** Codes of compressions that the decoder does not know, by their names. */
const compressions = new Map([
  [32809, 'ThunderScan'],
  [32766, 'NeXT'],
  [32908, 'PixarFilm'],
  [32909, 'PixarLog'],
  [33003, 'JPEG 2000'],
  [33004, 'JPEG 2000'],
  [33005, 'JPEG 2000'],
  [34661, 'JBIG'],
  [34712, 'JPEG 2000'],
  [34887, 'LERC'],
  [34892, 'lossy JPEG'],
  [34925, 'LZMA'],
  [34926, 'Zstandard'],
  [34927, 'WebP'],
  [34933, 'PNG'],
  [34934, 'JPEG XR'],
  [22610, 'JPEG XR'],
  [50000, 'Zstandard'],
  [50001, 'WebP'],
  [50002, 'JPEG XL'],
  [52546, 'JPEG XL'],
]);

function unsupportedTiff(bytes: Uint8Array): UnreadFile | undefined {
  const file = new TiffFile(bytes);
  const directories = file.directories();
  if (directories === 'cut off' || directories.length === 0) return undefined;
  const inner = directories.flatMap((directory) =>
    directory.valuesOf(tiffTags.subDirectories).flatMap((at) => file.directoryAt(at) ?? []),
  );
  if ([...directories, ...inner].some(isRaw)) return rawPhoto;
  const what = unsupportedNumbers(directories[0]) ?? unsupportedColours(directories[0]);
  if (what !== undefined) return { what, fix: SAVE };
  const packing = compressions.get(directories[0].valuesOf(tiffTags.compression)[0]);
  if (packing !== undefined)
    return {
      what: `its pixels are compressed with ${packing}, which is not supported in TIFF files`,
      fix: 'Save it uncompressed or with LZW, or convert it to png or jpg.',
    };
  const [first, ...others] = pagesOfTiff(bytes);
  return first === 'page' || !others.includes('page')
    ? undefined
    : {
        what: `the first picture in the file, which would be used, is a ${first}`,
        fix: 'Save the picture itself as png or jpg.',
      };
}

function isRaw(directory: TiffDirectory): boolean {
  const [photometric] = directory.valuesOf(tiffTags.photometric);
  return (
    [FILTERS, LINEAR_RAW].includes(photometric) ||
    directory.valuesOf(tiffTags.dngVersion).length > 0
  );
}

function unsupportedNumbers(directory: TiffDirectory): string | undefined {
  const [bits = 1] = directory.valuesOf(tiffTags.bitsPerSample);
  const [format = 1] = directory.valuesOf(tiffTags.sampleFormat);
  if (COMPLEX.includes(format)) return 'its pixels are complex numbers, which are not supported';
  if (bits > 32) return `its pixels are numbers of ${bits} bits, which are not supported`;
  if (format === SIGNED && bits === 8)
    return 'its pixels are numbers from -128 to 127, which are not supported';
  return undefined;
}

function unsupportedColours(directory: TiffDirectory): string | undefined {
  const [photometric = 1] = directory.valuesOf(tiffTags.photometric);
  const [samples = 1] = directory.valuesOf(tiffTags.samplesPerPixel);
  const [compression = 1] = directory.valuesOf(tiffTags.compression);
  const name = photometrics.get(photometric);
  if (name !== undefined) return `its colours are ${name}, which is not supported`;
  if (photometric === YCBCR && !JPEG_COMPRESSIONS.includes(compression))
    return 'its colours are YCbCr without JPEG, which is not supported';
  const most = photometric === INKS ? 5 : 4;
  return samples > most
    ? `it has ${samples} channels, of which no more than ${most} are supported`
    : undefined;
}
