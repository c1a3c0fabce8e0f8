// Text as it is compared: without regard to case, width of characters, kinds of spaces and
// quotation marks; each character knows where it came from.

export interface Folded {
  readonly text: string;
  /** For each unit of `text`, where in `source` its character begins; one more for the end. */
  readonly at: readonly number[];
  /** The text given, in Unicode's composed form (NFC). */
  readonly source: string;
}

/** Part [start, end) of `Folded.source`. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

/** Characters of scripts that write no spaces between words. */
const spaceless =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\u30fc]/u;
const east = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\u30fc\u3001-\u303f]/u;

const alike: Readonly<Record<string, string>> = {
  '‘': "'",
  '’': "'",
  ʼ: "'",
  '´': "'",
  '`': "'",
  '“': '"',
  '”': '"',
  '„': '"',
  '«': '"',
  '»': '"',
  '‐': '-',
  '‑': '-',
  '‒': '-',
  '–': '-',
  '—': '-',
  '−': '-',
};

/**
 * One character: compatibility form (full width becomes half width), small letters, one kind of
 * quotation mark, dash and space; '' for what cannot be seen.
 */
function foldCharacter(character: string): string {
  const same = alike[character] ?? character.normalize('NFKC').toLowerCase();
  if (/^\s+$/u.test(same)) return ' ';
  return /^[\p{Cf}\p{Cc}]$/u.test(same) ? '' : same;
}

/**
 * `１，０００ ㎝ von` as `1000 cm von`. Spaces beside Chinese and Japanese characters, and commas that
 * group digits, are left out.
 */
export function fold(text: string): Folded {
  const source = text.normalize('NFC');
  const units: { character: string; at: number }[] = [];
  let at = 0;
  for (const character of source) {
    for (const unit of foldCharacter(character)) units.push({ character: unit, at });
    at += character.length;
  }
  const kept = withoutGroups(withoutSpaces(units));
  return {
    text: kept.map(({ character }) => character).join(''),
    at: [
      ...kept.flatMap(({ character, at: from }) =>
        Array.from({ length: character.length }, () => from),
      ),
      at,
    ],
    source,
  };
}

interface Unit {
  readonly character: string;
  readonly at: number;
}

function withoutSpaces(units: readonly Unit[]): Unit[] {
  const kept: Unit[] = [];
  units.forEach((unit, i) => {
    const [before, after] = [kept.at(-1)?.character, units[i + 1]?.character];
    const idle =
      unit.character === ' ' &&
      (before === undefined ||
        after === undefined ||
        after === ' ' ||
        east.test(after) ||
        endsEast(kept));
    if (!idle) kept.push(unit);
  });
  while (kept.at(-1)?.character === ' ') kept.pop();
  return kept;
}

/** Ends with an Eastern character, or with one and a punctuation mark. */
const endsEast = (units: readonly Unit[]): boolean =>
  east.test(units.at(-1)?.character ?? '') ||
  (/^[,;:!?)]$/.test(units.at(-1)?.character ?? '') && east.test(units.at(-2)?.character ?? ''));

const digit = /^\p{Nd}$/u;
const isDigit = (unit: Unit | undefined): boolean =>
  unit !== undefined && digit.test(unit.character);

/** Without the comma of 1,000. */
function withoutGroups(units: readonly Unit[]): Unit[] {
  const groups = (i: number): boolean =>
    units[i].character === ',' &&
    isDigit(units[i - 1]) &&
    [1, 2, 3].every((n) => isDigit(units[i + n])) &&
    !isDigit(units[i + 4]);
  return units.filter((_, i) => !groups(i));
}

/**
 * Where `phrase` stands in the text. A word must begin where the phrase begins (art is not in
 * party, refund is in refunds), and a number must be the whole number (3 is not in 13 or 3.5). In
 * scripts without spaces any place counts.
 */
export function find({ text, at }: Folded, phrase: string): Place[] {
  const wanted = fold(phrase).text;
  const places: Place[] = [];
  if (wanted === '') return places;
  for (let i = text.indexOf(wanted); i >= 0; i = text.indexOf(wanted, i + 1)) {
    const end = i + wanted.length;
    if (startsWell(text, i) && endsWell(text, end))
      places.push({ start: at[i], end: endOf(at, end) });
  }
  return places;
}

/** A character that folds into several ends with the last of them. */
function endOf(at: readonly number[], end: number): number {
  const last = at[end - 1];
  return at.slice(end).find((from) => from > last) ?? at[at.length - 1];
}

const letter = /^\p{L}$/u;
const plainLetter = (character: string): boolean =>
  letter.test(character) && !spaceless.test(character);

const numeral = /^[〇零一二两三四五六七八九十百千万亿]$/u;
const unit = /^[十百千万亿]$/u;
/** 十 and 三 make 十三; a phrase that begins with 万 or 千 means the unit of any number. */
const makesNumber = (left: string, right: string): boolean =>
  numeral.test(left) && numeral.test(right) && (unit.test(left) || right === '十');

function startsWell(text: string, start: number): boolean {
  const [before, first] = [text[start - 1] ?? ' ', text[start]];
  if (makesNumber(before, first)) return false;
  if (digit.test(first))
    return !digit.test(before) && !(/[.,]/.test(before) && digit.test(text[start - 2] ?? ''));
  return !(plainLetter(first) && plainLetter(before));
}

function endsWell(text: string, end: number): boolean {
  const [last, after] = [text[end - 1], text[end] ?? ' '];
  if (makesNumber(last, after) || (numeral.test(last) && unit.test(after))) return false;
  return (
    !digit.test(last) ||
    !(digit.test(after) || (/[.,]/.test(after) && digit.test(text[end + 1] ?? '')))
  );
}

/**
 * Words in small letters, numbers, and single characters of scripts without spaces; punctuation is
 * left out.
 */
export function tokensOf(text: string): string[] {
  const runs = fold(text).text.match(/[\p{L}\p{M}\p{N}]+(?:['.][\p{L}\p{N}]+)*/gu) ?? [];
  return runs.flatMap((run) => (spaceless.test(run) ? divided(run) : [run]));
}

/** `iphone手机15` as `iphone`, `手`, `机`, `15`. */
function divided(run: string): string[] {
  const parts: string[] = [];
  let joinable = false;
  for (const character of run) {
    const single = spaceless.test(character);
    if (joinable && !single) parts[parts.length - 1] += character;
    else parts.push(character);
    joinable = !single;
  }
  return parts;
}
