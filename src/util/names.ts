// One rule for the names of files and folders that are made: what Windows, macOS and Linux all
// take, and what people can see and type. Windows: learn.microsoft.com, "Naming Files, Paths, and
// Namespaces".
import { INVISIBLE, JOINERS, withCodes } from './visible.ts';

/** Bytes of the longest name, in UTF-8, that all usual file systems take. */
const longestName = 255;

/** A name or path as it is used, and why it cannot be, if so. */
export interface Checked {
  readonly value: string;
  /** `has ":" in it …`, to go behind the name. */
  readonly fault?: string;
}

const blanksAtEnds = new RegExp(`^[\\s${INVISIBLE}]+|[\\s${INVISIBLE}]+$`, 'gu');
const dotsAtEnd = new RegExp(`[\\s.${INVISIBLE}]+$`, 'u');
const invisibleInside = new RegExp(`[${INVISIBLE}]`, 'u');
const refused = /[<>:"|?*\\/]/;
const devices =
  /^(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])\s*(\.|$)/i;

/** `name` in quotation marks, with what cannot be seen as its code. */
export const quoted = (name: string): string => `"${withCodes(name.replaceAll('"', '\\"'))}"`;

/** Says that `from` is used as `to`. */
export const trimmed = (from: string, to: string): string =>
  `${quoted(from)} is used as ${quoted(to)}: ${lostEnds(from, to)}`;

/** Why a name, or a path, that became `to` could not stay as it was. */
const lostEnds = (from: string, to: string): string =>
  from.split('.').length > to.split('.').length
    ? 'blanks at the ends of a name, and dots at its end, are left out'
    : 'blanks and invisible characters at the ends are left out';

/**
 * The name of one file or folder, without blanks and invisible characters at its ends and dots at
 * its end. `most`: bytes in UTF-8.
 */
export function checkName(name: string, most = longestName): Checked {
  const value = name.replace(blanksAtEnds, '').replace(dotsAtEnd, '');
  const fault = faultOf(value, most);
  return fault === undefined ? { value } : { value: value === '' ? name : value, fault };
}

function faultOf(name: string, most: number): string | undefined {
  if (name === '') return 'is not a name: without its blanks and dots nothing is left';
  const [char] = refused.exec(name) ?? [];
  if (char !== undefined) return `contains ${char}, which file names must not contain`;
  const [hidden] = invisibleInside.exec(name.replaceAll(JOINERS, '')) ?? [];
  if (hidden !== undefined) return `contains an invisible character, ${codeOf(hidden)}`;
  const [device] = devices.exec(name) ?? [];
  if (device !== undefined) return 'is a name that Windows reserves for a device';
  const bytes = new TextEncoder().encode(name).length;
  return bytes > most ? `is ${bytes} bytes long; names have at most ${most}` : undefined;
}

const codeOf = (char: string): string =>
  `U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;

export interface PathRules {
  /** Where `\` divides as `/` does, and paths may begin with a drive or a share. */
  readonly windows: boolean;
  /** Whether there is a folder of this path: its name is what it is. */
  readonly isFolder: (path: string) => boolean;
}

/** `$HOME`, `${HOME}`, `%USERPROFILE%`, `~somebody`. */
const unfilled = /^(\$\w+|\$\{\w+\}|%\w+%|~[^\\/\s]+)(?=[\\/]|\s*$)/;
const roots = { windows: /^([a-z]:(?=[\\/]|$)|[\\/]{2}[^\\/]+[\\/][^\\/]+)/i, others: /^/ };

/**
 * A path whose folders are made where they are missing: each of those has a name that `checkName`
 * takes.
 */
export function checkPath(path: string, { windows, isFolder }: PathRules): Checked {
  const [variable] = unfilled.exec(path) ?? [];
  if (variable !== undefined && !isFolder(variable))
    return { value: path, fault: `begins with ${variable}, which only a shell expands` };
  const [root] = (windows ? roots.windows : roots.others).exec(path) ?? [''];
  const parts = path.slice(root.length).split(windows ? /([\\/])/ : /(\/)/);
  let value = root;
  let there = true;
  for (const part of parts) {
    const before = value + part;
    there &&= part === '' || /^[\\/]$/.test(part) || isFolder(before);
    const checked = there ? { value: part } : checkPart(part);
    if (checked.fault !== undefined)
      return { value: path, fault: part === path ? checked.fault : inPath(checked, part) };
    value += checked.value;
  }
  return value === '' ? { value: path, fault: 'is not a path: it is empty' } : { value };
}

const inPath = ({ fault }: Checked, part: string): string =>
  `has a part, ${quoted(part)}, that ${fault}`;

/** A part of a path may also be `.` or `..`, or nothing between two slashes. */
function checkPart(part: string): Checked {
  const plain = part.replace(blanksAtEnds, '');
  return /^(\.{0,2}|[\\/])$/.test(plain) ? { value: plain } : checkName(part);
}
