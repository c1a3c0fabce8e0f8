// A date as Python's strftime writes it under LC_ALL=C: in English, whatever this machine speaks.

/** Civil time without zone, as `datetime.now()` has it; month and day from 1. */
export interface CivilTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

const pattern = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?)?$/;

/** `2026-01-31` or `2026-01-31T23:59:59`; undefined where there is no such day or time. */
export function parseCivilTime(text: string): CivilTime | undefined {
  const found = pattern.exec(text);
  if (found === null) return undefined;
  const [year, month, day, hour, minute, second] = found.slice(1).map((part = '0') => Number(part));
  const time = { year, month, day, hour, minute, second };
  const date = dateOf(time);
  const isReal =
    year >= 1 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24;
  return isReal && minute < 60 && second < 60 ? time : undefined;
}

/** In UTC, to the second: `2026-01-31T23:59:59`. */
export const civilTimeText = (date: Date): string => date.toISOString().slice(0, 19);

function dateOf({ year, month, day, hour, minute, second }: CivilTime): Date {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  return date;
}

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

const DAY = 86_400_000;
const short = (name: string): string => name.slice(0, 3);
const weekday = (time: CivilTime): number => dateOf(time).getUTCDay();
/** From 0. */
const dayOfYear = (time: CivilTime): number =>
  Math.floor((dateOf(time).getTime() - dateOf({ ...time, month: 1, day: 1 }).getTime()) / DAY);
/** Weeks begin with `first` (0 Sunday, 1 Monday); days before the year's first one are in 0. */
const week = (time: CivilTime, first: number): number =>
  Math.floor((dayOfYear(time) + 7 - ((weekday(time) + 7 - first) % 7)) / 7);

/** ISO 8601: the week of a day is that of its Thursday. */
function isoWeek(time: CivilTime): { year: number; week: number } {
  const thursday = new Date(dateOf(time).getTime() + (3 - ((weekday(time) + 6) % 7)) * DAY);
  const year = thursday.getUTCFullYear();
  const first = new Date(0);
  first.setUTCFullYear(year, 0, 1);
  return { year, week: 1 + Math.floor((thursday.getTime() - first.getTime()) / (7 * DAY)) };
}

const hour12 = ({ hour }: CivilTime): number => hour % 12 || 12;

/** A field is a number with its width and what fills it, a word, or other fields. */
type Field =
  | readonly [value: (time: CivilTime) => number, width: number, fill: '0' | ' ']
  | ((time: CivilTime) => string)
  | string;

const fields: Readonly<Record<string, Field>> = {
  a: (time) => short(days[weekday(time)]),
  A: (time) => days[weekday(time)],
  b: ({ month }) => short(months[month - 1]),
  B: ({ month }) => months[month - 1],
  c: '%a %b %e %H:%M:%S %Y',
  C: [({ year }) => Math.floor(year / 100), 2, '0'],
  d: [({ day }) => day, 2, '0'],
  D: '%m/%d/%y',
  e: [({ day }) => day, 2, ' '],
  f: () => '000000',
  F: '%Y-%m-%d',
  g: [(time) => isoWeek(time).year % 100, 2, '0'],
  G: [(time) => isoWeek(time).year, 1, '0'],
  h: '%b',
  H: [({ hour }) => hour, 2, '0'],
  I: [hour12, 2, '0'],
  j: [(time) => dayOfYear(time) + 1, 3, '0'],
  k: [({ hour }) => hour, 2, ' '],
  l: [hour12, 2, ' '],
  m: [({ month }) => month, 2, '0'],
  M: [({ minute }) => minute, 2, '0'],
  n: () => '\n',
  p: ({ hour }) => (hour < 12 ? 'AM' : 'PM'),
  P: ({ hour }) => (hour < 12 ? 'am' : 'pm'),
  r: '%I:%M:%S %p',
  R: '%H:%M',
  s: [(time) => dateOf(time).getTime() / 1000, 1, '0'],
  S: [({ second }) => second, 2, '0'],
  t: () => '\t',
  T: '%H:%M:%S',
  u: [(time) => weekday(time) || 7, 1, '0'],
  U: [(time) => week(time, 0), 2, '0'],
  V: [(time) => isoWeek(time).week, 2, '0'],
  w: [weekday, 1, '0'],
  W: [(time) => week(time, 1), 2, '0'],
  x: '%m/%d/%y',
  X: '%H:%M:%S',
  y: [({ year }) => year % 100, 2, '0'],
  Y: [({ year }) => year, 1, '0'],
  z: () => '', // without a zone, as Python
  Z: () => '',
  '%': () => '%',
};

/**
 * `format` with its fields filled in. Flags as glibc has them: `%-d` without padding, `%_d` with
 * blanks, `%0e` with zeros, `%^a` in capitals, `%#p` in the other case. What is no field stays.
 */
export function strftime(format: string, time: CivilTime): string {
  return format.replace(/%([-_0^#]*)[EO]?([a-zA-Z%])/g, (whole, flags: string, name: string) => {
    const field = fields[name];
    return field === undefined ? whole : cased(filled(field, flags, time), flags, name);
  });
}

function filled(field: Field, flags: string, time: CivilTime): string {
  if (typeof field === 'string') return strftime(field, time);
  if (typeof field === 'function') return field(time);
  const [value, width, fill] = field;
  const digits = String(value(time));
  if (flags.includes('-')) return digits;
  return digits.padStart(width, flags.includes('_') ? ' ' : flags.includes('0') ? '0' : fill);
}

function cased(text: string, flags: string, name: string): string {
  if (flags.includes('#')) return name === 'p' ? text.toLowerCase() : text.toUpperCase();
  return flags.includes('^') ? text.toUpperCase() : text;
}
