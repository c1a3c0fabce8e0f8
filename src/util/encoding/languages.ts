// How likely a text is in a language, in bits: what decides between encodings. A model of single
// characters and their neighbours, small enough to be read.
import {
  commonHangul,
  commonKanji,
  commonSimplified,
  commonTraditional,
} from './common-characters.ts';

/** Encodings that are guessed, by the names that TextDecoder has for them. */
export type LegacyEncoding =
  | 'gb18030'
  | 'big5'
  | 'shift_jis'
  | 'euc-jp'
  | 'euc-kr'
  | 'windows-1250'
  | 'windows-1251'
  | 'windows-1252'
  | 'windows-1253'
  | 'windows-1254'
  | 'windows-1255'
  | 'windows-1256'
  | 'windows-874'
  | 'koi8-r'
  | 'macintosh'
  | 'utf-16le'
  | 'utf-16be';

/** A character's neighbours; the empty string at the ends of the text. */
interface Place {
  readonly character: string;
  readonly before: string;
  readonly after: string;
}

/** Bits of one character outside ASCII. */
export type CharacterBits = (place: Place) => number;

export interface Hypothesis {
  readonly encoding: LegacyEncoding;
  readonly language: string;
  /** How rare files of this language and encoding are among training data, in bits. */
  readonly prior: number;
  readonly bitsOf: CharacterBits;
  /** Words in ASCII that speak for the language. */
  readonly words: ReadonlySet<string>;
}

const ASCII_BITS = 5;
const ASCII_CONTROL_BITS = 25;
/** What no text holds: controls above ASCII, private use, U+FFFD, the frames of old terminals. */
const IMPOSSIBLE_BITS = 30;

const never = /[\p{Cc}\p{Co}\p{Cn}\ufffd\u2500-\u25ff]/u;
const asciiLetter = /[a-z]/i;

/** Bits of a text, and of its characters outside ASCII alone. */
export function textBits(
  text: string,
  { bitsOf, words }: Pick<Hypothesis, 'bitsOf' | 'words'>,
): { readonly bits: number; readonly foreign: number; readonly foreignBits: number } {
  const characters = Array.from(text);
  let [ascii, foreign, foreignBits] = [0, 0, 0];
  characters.forEach((character, i) => {
    if (character < '\x80') {
      ascii += character < ' ' && !'\t\r'.includes(character) ? ASCII_CONTROL_BITS : ASCII_BITS;
      return;
    }
    foreign++;
    const [before, after] = [characters[i - 1] ?? '', characters[i + 1] ?? ''];
    foreignBits += never.test(character) ? IMPOSSIBLE_BITS : bitsOf({ character, before, after });
  });
  const bits = ascii + foreignBits - wordBits(text, words);
  return { bits, foreign, foreignBits };
}

const BITS_OF_A_WORD = 4;
const MOST_WORDS = 3;

function wordBits(text: string, words: ReadonlySet<string>): number {
  const found = text
    .toLowerCase()
    .split(/[^\p{L}]+/u)
    .filter((word) => words.has(word));
  return BITS_OF_A_WORD * Math.min(MOST_WORDS, found.length);
}

// ---- alphabets

interface Alphabet {
  /** Lower-case letters outside ASCII, the commonest first. */
  readonly letters: string;
  /** Bits of the commonest and of the rarest letter. */
  readonly range: readonly [number, number];
  /** Added where two such letters stand side by side. */
  readonly side: number;
  /** Added where an ASCII letter stands beside it: scripts do not mix within a word. */
  readonly beside: number;
  /** Added to a letter that is a word of its own. */
  readonly alone: number;
  /** What stands after some of the letters. */
  readonly follows?: readonly Follows[];
}

type Follows = readonly [letters: string, after: RegExp];

const OTHER_LETTER_BITS = 14;
const OTHER_SYMBOL_BITS = 11;
const CAPITAL_INSIDE_BITS = 14;
const MISPLACED_BITS = 7;
/** A symbol within a word, where none belongs. */
const SYMBOL_INSIDE_BITS = 16;

const isLetter = (character: string): boolean => /\p{L}/u.test(character);
const isSmall = (character: string): boolean => /\p{Ll}/u.test(character);

function alphabetBits({
  letters,
  range,
  side,
  beside,
  alone,
  follows = [],
}: Alphabet): CharacterBits {
  const list = Array.from(letters);
  const step = (range[1] - range[0]) / Math.max(1, list.length - 1);
  const base = new Map(list.map((letter, i) => [letter, range[0] + i * step]));
  return (place) => {
    const { character, before, after } = place;
    if (!/[\p{L}\p{M}]/u.test(character)) return symbolBits(place);
    const bits = base.get(character.toLowerCase()) ?? OTHER_LETTER_BITS;
    const misplaced = follows.some(
      ([some, wanted]) => some.includes(character.toLowerCase()) && !wanted.test(after),
    );
    const capital = !isSmall(character) && character.toLowerCase() !== character;
    const mixed = [before, after].some((other) => asciiLetter.test(other));
    return (
      bits +
      (capital ? (isSmall(before) ? CAPITAL_INSIDE_BITS : 1) : 0) +
      (before > '\x7f' && isLetter(before) ? side : 0) +
      (mixed ? beside : 0) +
      (!isLetter(before) && !isLetter(after) ? alone : 0) +
      (misplaced ? MISPLACED_BITS : 0)
    );
  };
}

/** Symbols with the neighbours that they have in print: letter, space or digit on which side. */
const symbols: readonly (readonly [characters: string, before: RegExp, after: RegExp, number])[] = [
  ['’', /[\p{L}\d]/u, /\p{L}|[\s.,;:!?)]|^$/u, 3],
  ['“„«‘‚', /[\s([]|^$/u, /[\p{L}\d\s]/u, 4],
  ['”“»', /[\p{L}\d.,;:!?)…\s]/u, /[\s.,;:!?)\]]|^$/u, 4],
  ['–—', /[\s\p{L}\d]/u, /[\s\p{L}\d]|^$/u, 4],
  ['…', /[\p{L}\s\d]/u, /[\s”"'’)]|^$/u, 5],
  ['°', /[\d\s]/u, /[\sCF.,;)]|^$/u, 4],
  ['€£¥', /[\s\d(]|^$/u, /[\s\d.,;)]|^$/u, 5],
  ['©', /[\d\s]|^$/, /[\s\d]|^$/, 4],
  ['®™', /[\p{L}\d\s]|^$/u, /[\s.,;:)\d]|^$/u, 4],
  ['²³½¼¾', /[\dm\s]|^$/, /[\s.,;:)]|^$/, 6],
  ['¿¡', /[\s("“]|^$/u, /\p{L}/u, 9],
  ['•·×§', /[\s\d\p{L}]|^$/u, /[\s\d\p{L}]/u, 6],
  ['\u00a0', /./u, /./u, 6],
];

function symbolBits({ character, before, after }: Place): number {
  const fits = symbols.filter(
    ([characters, left, right]) =>
      characters.includes(character) && left.test(before) && right.test(after),
  );
  const inside = (isLetter(before) && isLetter(after)) || /\p{Cf}/u.test(character);
  return Math.min(
    inside ? SYMBOL_INSIDE_BITS : OTHER_SYMBOL_BITS,
    ...fits.map(([, , , bits]) => bits),
  );
}

const latin = (letters: string, side = 4, follows: readonly Follows[] = []): CharacterBits =>
  alphabetBits({ letters, range: [4, 8], side, beside: 0, alone: 3, follows });
const otherScript = (letters: string, rarest = 8): CharacterBits =>
  alphabetBits({ letters, range: [3, rarest], side: 0, beside: 12, alone: 6 });

// ---- East Asia

/** Characters in the order of rarity; the last group is whatever is in none. */
interface EastAsian {
  readonly common: string;
  readonly commonBits: number;
  readonly frequent: () => ReadonlySet<string>;
  readonly kanaBits: number;
  readonly hangulBits: number;
  readonly rareHanBits: number;
}

const FREQUENT_BITS = 14;
const PUNCTUATION_BITS = 6.5;
const AFTER_LETTER_BITS = 6;
const AFTER_OTHER_BITS = 2;

const punctuation = new Set('，。、：；“”‘’？！《》〈〉（）【】「」『』—…·～　％＋');

function eastAsianBits(language: EastAsian): CharacterBits {
  const common = new Set(language.common);
  const frequent = onFirstCall(language.frequent);
  const kind = (character: string): number => {
    if (common.has(character)) return language.commonBits;
    if (punctuation.has(character)) return PUNCTUATION_BITS;
    if (/[\u3041-\u3093\u30a1-\u30f6ー]/.test(character)) return language.kanaBits;
    if (frequent().has(character)) return FREQUENT_BITS;
    if (/[０-９Ａ-Ｚａ-ｚ]/.test(character)) return 11;
    if (/[\uff61-\uff9f]/.test(character)) return language.kanaBits + 6;
    if (/\p{Script=Hangul}/u.test(character)) return language.hangulBits;
    return /\p{Script=Han}/u.test(character) ? language.rareHanBits : 20;
  };
  return ({ character, before, after }) =>
    kind(character) +
    (before > '\x7f' ? 0.3 : asciiLetter.test(before) ? AFTER_LETTER_BITS : AFTER_OTHER_BITS) +
    (asciiLetter.test(after) ? AFTER_LETTER_BITS : 0);
}

function onFirstCall<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

/**
 * The characters of the double-byte rows [first, last]: the standards put the frequent ones in rows
 * of their own.
 */
function rows(encoding: string, first: number, last: number, from = 0xa1): ReadonlySet<string> {
  const decoder = new TextDecoder(encoding);
  const found = new Set<string>();
  for (let lead = first; lead <= last; lead++)
    for (let trail = from; trail <= 0xfe; trail++) {
      const text = decoder.decode(Uint8Array.of(lead, trail));
      if (text.length === 1 && text !== '\ufffd') found.add(text);
    }
  return found;
}

const simplified = eastAsianBits({
  common: commonSimplified,
  commonBits: 10,
  frequent: () => rows('gb18030', 0xb0, 0xd7),
  kanaBits: 20,
  hangulBits: 24,
  rareHanBits: 19,
});
const traditional = eastAsianBits({
  common: commonTraditional,
  commonBits: 10,
  frequent: () => rows('big5', 0xa4, 0xc6, 0x40),
  kanaBits: 20,
  hangulBits: 24,
  rareHanBits: 19,
});
const japanese = eastAsianBits({
  common: commonKanji,
  commonBits: 11,
  frequent: () => rows('euc-jp', 0xb0, 0xcf),
  kanaBits: 6.5,
  hangulBits: 24,
  rareHanBits: 19,
});
const korean = eastAsianBits({
  common: commonHangul,
  commonBits: 8.7,
  frequent: () => rows('euc-kr', 0xb0, 0xc8),
  kanaBits: 22,
  hangulBits: 22,
  rareHanBits: 20,
});

// ---- all that is tried

const english = 'a an the of in on at with and to is are for from by you your my i it s t photo';

const row = (
  encoding: LegacyEncoding,
  language: string,
  prior: number,
  bitsOf: CharacterBits,
  words = english,
): Hypothesis => ({ encoding, language, prior, bitsOf, words: new Set(words.split(' ')) });

type Western = readonly [language: string, prior: number, bitsOf: CharacterBits, words?: string];

/** Languages of Windows-1252, which old Macs have in an encoding of their own. */
const western: readonly Western[] = [
  ['English', 0, latin('éïñèöüçêâ', 8)],
  [
    'French',
    0,
    latin('éèàêçâùîôûëïœ', 4, [
      ['êâîôûëïœç', /\p{L}/u],
      ['è', /[bcdfgjklmnpqrstvz]/],
      ['ù', /^\P{L}?$/u],
    ]),
    'le la les de du des un une et en dans sur avec est que qui pour il je vous au aux d l',
  ],
  [
    'German',
    0,
    latin('üäößé', 4, [['üäö', /\p{L}/u]]),
    'der die das und ein eine in im mit auf von zu ist sie ich den dem nicht',
  ],
  [
    'Spanish',
    0,
    latin('óáíñéúü', 4, [['ñ', /[aeiouáéíóú]/]]),
    'el la los las de del un una y en con que es por para se su al no',
  ],
  [
    'Portuguese',
    1,
    latin('ãáéçíóêõâúôà', 2, [['õ', /e/]]),
    'o a os as de do da um uma e em no na com que para por se ao',
  ],
  [
    'Italian',
    1,
    latin('èàùòìé', 8, [['èàùòìé', /^\P{L}?$/u]]),
    'il la lo gli di del della un una e in con che per non si da i le',
  ],
  ['Nordic', 1, latin('äåöøæé'), 'och i en ett med det som er og av til for ikke den att ja on'],
  ['Icelandic', 4, latin('áíðóöúéæþý', 2), 'og er af um til fyrir hann hún sem en ekki var'],
];
const cyrillic = otherScript('оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё', 9);
const greek = otherScript('αοιετσνηυρπκμλωςάδόίέγήχθύφβώξζψ');
const hebrew = otherScript('יוהלרתאמבשנעםדחקפגטסזןצכךףץ');
const arabic = otherScript('اليمنرتبةدعسفحقكهجشصطخأذضزثئءغإىظؤآ');
const thai = otherScript('านรกอเงมยลวดทสตะปบคหแจพชขใไโผศณ่้ีิัืุู็์ำฟถธภซึฉญฐฎฏฑฒฬฮๆ');

export const hypotheses: readonly Hypothesis[] = [
  row('gb18030', 'Chinese', 0, simplified),
  row('big5', 'Chinese', 2, traditional),
  row('shift_jis', 'Japanese', 2, japanese),
  row('euc-jp', 'Japanese', 7, japanese),
  row('euc-kr', 'Korean', 3, korean),
  row('utf-16le', 'Chinese', 10, simplified),
  row('utf-16le', 'Japanese', 12, japanese),
  row('utf-16be', 'Chinese', 14, simplified),
  row('utf-16be', 'Japanese', 14, japanese),
  ...western.flatMap(([language, prior, bitsOf, words]) => [
    row('windows-1252', language, prior, bitsOf, words),
    row('macintosh', language, prior + 8, bitsOf, words),
  ]),
  row('windows-1250', 'Polish', 8, latin('łąężśóćńź', 1), 'w z na i do nie jest to po od za o jak'),
  row(
    'windows-1250',
    'Czech',
    8,
    latin('íáéěýřčžůšúňďťóľôäĺŕ', 1),
    'a v na se z s o do je k pro ve',
  ),
  row('windows-1250', 'Hungarian', 9, latin('áéőöóüűíú', 2), 'a az egy nem is hogy ez van volt'),
  row('windows-1250', 'Romanian', 10, latin('ăîşţâ', 2), 'de la cu pe o un din nu ce sau'),
  row('windows-1250', 'Croatian', 10, latin('čšžćđ', 2), 'i u na je se da s za od'),
  row('windows-1254', 'Turkish', 8, latin('ışüğçöâ', 1), 've bir bu da de ile ne o mi'),
  row('windows-1251', 'Russian', 3, cyrillic),
  row('koi8-r', 'Russian', 8, cyrillic),
  row('windows-1253', 'Greek', 10, greek),
  row('windows-1255', 'Hebrew', 12, hebrew),
  row('windows-1256', 'Arabic', 12, arabic),
  row('windows-874', 'Thai', 20, thai),
];

const block = (character: string): number => {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x250 ? 0 : code < 0x2e80 ? code >> 8 : 0x2e80;
};

/** Scripts do not mix within a word of UTF-8; bytes that are UTF-8 by accident do. */
const MIXED_BITS = 8;

const withoutMixture =
  (bitsOf: CharacterBits): CharacterBits =>
  (place) =>
    bitsOf(place) + (mixed(place.before, place.character) ? MIXED_BITS : 0);

/** Letters and combining marks, but for the accents that stand with any letter. */
const ofScript = (character: string): boolean => /(?![\u0300-\u036f])[\p{L}\p{M}]/u.test(character);

const mixed = (before: string, character: string): boolean =>
  before > '\x7f' && [before, character].every(ofScript) && block(before) !== block(character);

/** Whether letters of different scripts, neither of them ASCII, stand side by side. */
export function mixesScripts(text: string): boolean {
  const characters = Array.from(text);
  return characters.some((character, i) => i > 0 && mixed(characters[i - 1], character));
}

/** UTF-8 itself, as a rival: in any language. */
export const utf8Languages: readonly Pick<Hypothesis, 'bitsOf' | 'words'>[] = [
  ...new Map(hypotheses.map(({ bitsOf, words }) => [bitsOf, words])),
].map(([bitsOf, words]) => ({ bitsOf: withoutMixture(bitsOf), words }));
