// Names that people take for the same: which they are, how a message tells them apart, and which
// one was meant.
import { distance } from 'fastest-levenshtein';
import { BLANKS, codeOf, INVISIBLE, JOINERS, withCodes } from './visible.ts';

/** Selectors of variants: they change how the character before them is drawn, if at all. */
const SELECTORS = /[\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/gu;
const blanks = new RegExp(`[\\s${BLANKS}]+`, 'gu');
const invisible = new RegExp(`[${INVISIBLE}]`, 'gu');

/** What a spreadsheet or a keyboard of another script writes in place of a Latin character. */
const alike = new Map(
  [
    ['-', '\u2010\u2011\u2012\u2013\u2014\u2015\u2212'],
    ["'", '\u2018\u2019\u201b\u02bc\u00b4`'],
    ['"', '\u201c\u201d\u201e\u201f'],
    ['_', '\u203f'],
    ['a', '\u0430\u03b1'],
    ['b', '\u0432\u03b2'],
    ['c', '\u0441'],
    ['e', '\u0435\u03b5'],
    ['h', '\u043d\u03b7'],
    ['i', '\u0456\u03b9\u0131'],
    ['j', '\u0458'],
    ['k', '\u043a\u03ba'],
    ['m', '\u043c\u03bc'],
    ['n', '\u03bd'],
    ['o', '\u043e\u03bf'],
    ['p', '\u0440\u03c1'],
    ['s', '\u0455'],
    ['t', '\u0442\u03c4'],
    ['u', '\u03c5'],
    ['x', '\u0445\u03c7'],
    ['y', '\u0443'],
  ].flatMap(([plain, others]) => Array.from(others, (other) => [other, plain] as const)),
);

/** A name as it prints: composed, without what is invisible, every blank and look-alike plain. */
export const printOf = (name: string): string =>
  Array.from(name.replace(JOINERS, '').replace(blanks, ' ').normalize('NFKC'), plainOf)
    .join('')
    .replace(SELECTORS, '')
    .replace(blanks, ' ')
    .replace(invisible, '')
    .trim();

function plainOf(character: string): string {
  const lower = character.toLowerCase();
  const plain = alike.get(lower);
  if (plain === undefined) return character;
  return character === lower ? plain : plain.toUpperCase();
}

/** What people remember of a name: as it prints, in lower case. */
export const lookOf = (name: string): string => printOf(name).toLowerCase();

/** How a message shows `name` beside `other`: by codes, where the two would print alike. */
export function apartFrom(name: string, other: string): string {
  const [shown, shownOther] = [withCodes(name), withCodes(other)];
  if (printOf(shown) !== printOf(shownOther)) return shown;
  return shown.replace(/[^\0-~]/gu, codeOf);
}

/** Both as a message shows them side by side. */
export const apart = (one: string, other: string): readonly [string, string] => [
  apartFrom(one, other),
  apartFrom(other, one),
];

/**
 * Those of `names` that are `wanted` by the first rule that finds any: the same characters, the
 * same in Unicode's composed form, but for upper and lower case, or the same look. Where there are
 * several, it is not clear which is meant.
 */
export function alikeTo(wanted: string, names: readonly string[]): readonly string[] {
  const composed = wanted.normalize('NFC');
  const look = lookOf(wanted);
  const rules: readonly ((name: string) => boolean)[] = [
    (name) => name === wanted,
    (name) => name.normalize('NFC') === composed,
    (name) => name.normalize('NFC').toLowerCase() === composed.toLowerCase(),
    (name) => lookOf(name) === look && look !== '',
  ];
  for (const rule of rules) {
    const found = names.filter(rule);
    if (found.length > 0) return found;
  }
  return [];
}

const digits = (text: string): string => (text.match(/\d+/g) ?? []).join(' ');

/** An ending that both names have says nothing of how near they are. */
function withoutEnding(one: string, other: string): readonly [string, string] {
  const [ending = ''] = /\.[a-z0-9]{1,11}$/.exec(one) ?? [];
  return ending !== '' && other.endsWith(ending)
    ? [one.slice(0, -ending.length), other.slice(0, -ending.length)]
    : [one, other];
}

/** Characters that may differ: two, or a quarter of a long name, but never more than half of it. */
const mostAway = (length: number): number =>
  Math.min(Math.max(2, Math.ceil(length / 4)), Math.floor(length / 2));

/**
 * The nearest of `names`, when it is near enough to be a slip of the hand. Numbers are not: `3.png`
 * is not `2.png`; nor is `nix.png` a slip for `t.png`.
 */
export function nearest<T extends string>(wanted: string, names: readonly T[]): T | undefined {
  const look = lookOf(wanted);
  let best: { readonly name: T; readonly away: number } | undefined;
  for (const name of names) {
    const [one, other] = withoutEnding(look, lookOf(name));
    const most = mostAway(Math.max(one.length, other.length));
    if (Math.abs(other.length - one.length) > most || digits(other) !== digits(one)) continue;
    const away = distance(one, other);
    if (away <= most && away < (best?.away ?? Infinity)) best = { name, away };
  }
  return best?.name;
}
