// What people take for pictures that are read, by the first bytes: formats that are not read, and
// files that are no pictures.

import { foreignFile } from '../util/file-signatures.ts';
import { brandsOf, stillCoding } from './containers/iso-boxes.ts';

/** What a file is instead of a picture that is read, and what to do. */
export interface UnreadFile {
  readonly what: string;
  readonly fix: string;
}

export const CONVERT = 'Convert it to png or jpg.';
const REPLACE = 'Replace the file, or remove it from the data set.';

const notRead = (name: string): UnreadFile => ({
  what: `it is ${name}, which is not supported`,
  fix: CONVERT,
});
const noPicture = (name: string, fix = REPLACE): UnreadFile => ({
  what: `it is ${name}, not a picture`,
  fix,
});

export const rawPhoto: UnreadFile = {
  what: 'it is a raw photo, as cameras store them, which is not supported',
  fix: 'Develop it with a photo program, and save it as png or jpg.',
};

/** Texts, by byte; `offset: text`. */
const latin = (bytes: Uint8Array, start = 0, end = 64): string =>
  String.fromCharCode(...bytes.subarray(start, end));

/** Whether the bytes are these characters at `offset`. */
export const has = (bytes: Uint8Array, text: string, offset = 0): boolean =>
  latin(bytes, offset, offset + text.length) === text;

/** First bytes, with what begins so. */
const beginnings: readonly (readonly [UnreadFile, ...string[]])[] = [
  [notRead('a Photoshop file (PSD)'), '8BPS'],
  [notRead('a JPEG XL picture'), '\xff\x0a', '\0\0\0\x0cJXL '],
  [notRead('a JPEG 2000 picture'), '\0\0\0\x0cjP  ', '\xff\x4f\xff\x51'],
  [notRead('a JPEG XR picture'), 'II\xbc'],
  [notRead('an icon (ICO)'), '\0\0\x01\0'],
  [notRead('a mouse pointer (CUR)'), '\0\0\x02\0\x01'],
  [notRead('an icon (ICNS)'), 'icns'],
  [notRead('a GIMP file (XCF)'), 'gimp xcf'],
  [notRead('an EXR picture'), '\x76\x2f\x31\x01'],
  [notRead('an HDR picture'), '#?RADIANCE', '#?RGBE'],
  [notRead('a DDS texture'), 'DDS '],
  [notRead('a KTX texture'), '\xabKTX'],
  [notRead('a QOI picture'), 'qoif'],
  [notRead('an SGI picture'), '\x01\xda\0\x01', '\x01\xda\x01\x01'],
  [notRead('a FLIF picture'), 'FLIF'],
  [notRead('a BPG picture'), 'BPG\xfb'],
  [notRead('a DjVu document'), 'AT&TFORM'],
  [notRead('a FITS picture'), 'SIMPLE  ='],
  [notRead('an MNG animation'), '\x8aMNG', '\x8bJNG'],
  [notRead('a PostScript drawing (EPS)'), '%!PS', '\xc5\xd0\xd3\xc6'],
  [notRead('a drawing of Windows (WMF)'), '\xd7\xcd\xc6\x9a'],
  [notRead('a PCX picture'), '\x0a\x05\x01\x08'],
  [
    rawPhoto,
    'FUJIFILMCCD-RAW',
    'IIRO',
    'IIRS',
    'MMOR',
    'IIU\0',
    'FOVb',
    '\0MRM',
    'II\x1a\0\0\0HEAPCCDR',
    'II*\0\x10\0\0\0CR',
  ],
  [noPicture('a PDF', CONVERT), '%PDF'],
  [noPicture('a zip file', 'Unpack it.'), 'PK\x03\x04'],
  [noPicture('a video'), '\x1a\x45\xdf\xa3', 'FLV', 'OggS', '\0\0\x01\xba', '\0\0\x01\xb3'],
  [noPicture('a sound file'), 'ID3', 'fLaC'],
  [noPicture('a program'), 'MZ\x90', '\x7fELF'],
  [noPicture('an office document', CONVERT), '\xd0\xcf\x11\xe0'],
  [noPicture('an array of NumPy', 'Save it as png.'), '\x93NUMPY'],
  [
    noPicture('a side file of macOS', 'Remove it: the picture itself lies beside it.'),
    '\0\x05\x16\x07',
    '\0\x05\x16\0',
  ],
];

const heicBrands = ['heic', 'heix', 'hevc', 'hevx', 'heim', 'heis', 'hevm', 'hevs'];
const HEIC: UnreadFile = notRead('a HEIC picture, as iPhones take them');

/** ISO media files: by how their still picture is coded, else by their brands. */
function mediaFile(bytes: Uint8Array): UnreadFile | undefined {
  const brands = brandsOf(bytes);
  if (brands.length === 0) return isOldMovie(bytes) ? noPicture('a video') : undefined;
  const coding = stillCoding(bytes) ?? '';
  if (coding === 'hvc1' || coding === 'lhv1') return HEIC;
  if (/^(vvc1|jpeg|j2k1|avc1|unci|evc1)$/.test(coding))
    return notRead(`a HEIF picture of the kind ${coding}`);
  if (brands.some((brand) => brand.startsWith('crx'))) return rawPhoto;
  if (brands.some((brand) => heicBrands.includes(brand))) return HEIC;
  if (brands.some((brand) => ['mif1', 'mif2', 'msf1', 'miaf', 'heif'].includes(brand)))
    return notRead('a HEIF picture');
  if (brands[0] === 'jxl ') return notRead('a JPEG XL picture');
  if (brands[0].startsWith('jp2') || brands[0].startsWith('jpx'))
    return notRead('a JPEG 2000 picture');
  return noPicture('a video');
}

/** QuickTime's older files have no brands. */
const isOldMovie = (bytes: Uint8Array): boolean =>
  ['moov', 'mdat', 'wide', 'free', 'skip', 'pnot'].some((type) => has(bytes, type, 4));

/** A RIFF file of another kind than WebP. */
function riffFile(bytes: Uint8Array): UnreadFile | undefined {
  if (!has(bytes, 'RIFF')) return undefined;
  const kind = latin(bytes, 8, 12);
  if (kind === 'AVI ') return noPicture('a video');
  return kind === 'WAVE' ? noPicture('a sound file') : undefined;
}

/** P1 … P7 and white space: the pictures of Netpbm. */
const netpbm = (bytes: Uint8Array): UnreadFile | undefined =>
  /^P[1-7fF][\s#]/.test(latin(bytes, 0, 3)) ? notRead('a PPM picture') : undefined;

/** TGA has no name in its first bytes: its head must make sense in every field. */
function targa(bytes: Uint8Array): UnreadFile | undefined {
  if (bytes.length < 18) return undefined;
  const [, colourMap, type] = bytes;
  const [width, height] = [bytes[12] + 256 * bytes[13], bytes[14] + 256 * bytes[15]];
  const isTarga =
    colourMap <= 1 &&
    [1, 2, 3, 9, 10, 11].includes(type) &&
    (type % 8 === 1) === (colourMap === 1) &&
    width > 0 &&
    height > 0 &&
    [8, 15, 16, 24, 32].includes(bytes[16]) &&
    (bytes[17] & 0xc0) === 0;
  return isTarga ? notRead('a TGA picture') : undefined;
}

/** As a text: by what it says. */
function textFile(bytes: Uint8Array): UnreadFile | undefined {
  const text = textOf(bytes);
  if (text === undefined) return undefined;
  const page = /<(!doctype html|html|head|body|script|title)[\s>]/i;
  const [svg, html] = [/<svg[\s>]/i, page].map((pattern) => text.search(pattern));
  if (svg >= 0 && (html < 0 || svg < html)) return notRead('an SVG drawing');
  if (html >= 0) return noPicture('a web page', 'Download the picture itself.');
  if (/^\s*([{[]|<\?xml)/.test(text) && /error|denied|expired|not.?found|forbidden/i.test(text))
    return noPicture("a server's error message", 'Download the picture itself again.');
  return noPicture('a text file');
}

/** Enough to find what a page or a drawing begins with behind its comments. */
const TEXT_LOOKED_AT = 8192;

/** The beginning of a text in UTF-8 or UTF-16; undefined: it is no text. */
function textOf(bytes: Uint8Array): string | undefined {
  const isWide = has(bytes, '\xff\xfe') || has(bytes, '\xfe\xff');
  const encoding = isWide ? (bytes[0] === 0xff ? 'utf-16le' : 'utf-16be') : 'utf-8';
  try {
    const head = bytes.subarray(0, TEXT_LOOKED_AT);
    const whole = bytes.length <= TEXT_LOOKED_AT;
    const text = new TextDecoder(encoding, { fatal: true }).decode(head, { stream: !whole });
    return /[\0-\x08\x0e-\x1f\x7f\ufffd]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

export const isText = (bytes: Uint8Array): boolean => textOf(bytes) !== undefined;

/** Files that are known wherever they turn up; pages and answers of servers are told here. */
function strayFile(bytes: Uint8Array): UnreadFile | undefined {
  const found = foreignFile(bytes);
  return found === undefined || found.kind === 'web-page' || found.kind === 'refusal'
    ? undefined
    : { what: `it is ${found.name}`, fix: found.fix };
}

/** What the file is, by its bytes; its beginning is enough. */
export function unreadKind(bytes: Uint8Array): UnreadFile {
  if (bytes.length === 0) return { what: 'the file is empty (0 bytes)', fix: REPLACE };
  const begun = beginnings.find(([, ...texts]) => texts.some((text) => has(bytes, text)));
  const found =
    begun?.[0] ??
    [mediaFile, riffFile, netpbm, strayFile, textFile, targa]
      .map((look) => look(bytes))
      .find((kind) => kind !== undefined);
  if (found !== undefined) return found;
  const zeros = bytes.every((value) => value === 0);
  const what = zeros ? 'the file holds nothing but zeros' : 'its content is not a picture';
  return { what, fix: REPLACE };
}
