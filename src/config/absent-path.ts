// A path at which there is nothing: what was written in place of a path, and what may be meant.
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reasonOf } from '../util/caught.ts';
import {
  hubNameOf,
  hubRemedy,
  isHubName,
  cachedFolder,
  setting,
  type HubKind,
} from './hub-names.ts';
import { suggest } from '../util/suggest.ts';

/** What is said of a path that is not there. */
export interface Absent {
  readonly what: string;
  readonly fix?: string;
}

export interface AbsentOptions {
  /** The key that names the path. */
  readonly key: string;
  /** What should be there: file, folder, file or folder. */
  readonly wanted: string;
  /** The same path from the folder of the configuration, where that is another. */
  readonly beside?: string;
  /** What a name on a hub would be there; undefined where none is meant. */
  readonly hub: HubKind | undefined;
  /** Default: this machine's. */
  readonly platform?: NodeJS.Platform;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Undefined where the path looks like one, and nothing like it is there. */
export function explainAbsent(path: string, options: AbsentOptions): Absent | undefined {
  for (const explain of explanations) {
    const found = explain(path, options);
    if (found !== undefined) return found;
  }
  return undefined;
}

type Explanation = (path: string, options: AbsentOptions) => Absent | undefined;

const quotes: Explanation = (path, { key }) => {
  const inner = /^["'`“”‘’«](.+)["'`“”’»]$/.exec(path)?.[1];
  return inner === undefined
    ? undefined
    : {
        what: `the quotation marks belong to the value: ${path}`,
        fix: `Write it without them, or with one pair: ${setting(key, inner)}`,
      };
};

const address: Explanation = (path, { key, hub }) => {
  const [scheme] = /^[a-z][a-z0-9+.-]+:\/\//i.exec(path) ?? [];
  if (scheme === undefined) return undefined;
  if (/^file:/i.test(scheme)) {
    const what = `expected a path, found an address: ${path}`;
    return { what, fix: `Write ${setting(key, pathOfAddress(path))}` };
  }
  const what = `${path} is a web address; expected a path`;
  const named = hubNameOf(path);
  if (named !== undefined && hub !== undefined)
    return { what, fix: sentence(hubRemedy(named.name, named.kind, key)) };
  return { what, fix: 'Download it, and write the path of the file or folder.' };
};

const sentence = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;

function pathOfAddress(path: string): string {
  try {
    return fileURLToPath(path);
  } catch (error) {
    return `the path alone (${reasonOf(error)})`;
  }
}

const variable: Explanation = (path, { key, environment = process.env }) => {
  const match = /\$\{?(\w+)\}?|%(\w+)%/.exec(path);
  if (match === null) return undefined;
  const value = environment[match[1] ?? match[2]];
  const what = `only a shell expands ${match[0]}, in ${path}`;
  const fix = `Write the path in full: ${setting(
    key,
    path.replace(match[0], () => value ?? '…'),
  )}`;
  return { what, fix };
};

const otherHome: Explanation = (path) => {
  const [user] = /^~[^/\\]+/.exec(path) ?? [];
  return user === undefined
    ? undefined
    : { what: `only a shell expands ${user}, in ${path}`, fix: 'Write the path in full.' };
};

/** A drive or a share of Windows, elsewhere. */
const windowsPath: Explanation = (path, { key, platform = process.platform }) => {
  const drive = /^([a-z]):[\\/](.*)$/i.exec(path);
  if (platform === 'win32' || (drive === null && !path.startsWith('\\\\'))) return undefined;
  const what = `${path} is a path of Windows, and this is ${platform === 'darwin' ? 'macOS' : 'Linux'}`;
  if (drive === null) return { what, fix: 'Write the path that the share has here.' };
  const rest = drive[2].replaceAll('\\', '/');
  const mounted = `/mnt/${drive[1].toLowerCase()}/${rest}`; // WSL
  if (exists(mounted)) return { what, fix: `Write ${setting(key, mounted)}` };
  const end = suffixHere(rest);
  const fix =
    end === undefined
      ? `Write the path that it has here; in WSL it is ${mounted}.`
      : `Write the path that it has here: ${setting(key, end)}`;
  return { what, fix };
};

/** The longest end of a path that is there from the current folder. */
function suffixHere(path: string): string | undefined {
  const parts = path.split('/').filter((part) => part !== '');
  return parts.map((_, i) => `./${parts.slice(i).join('/')}`).find(exists);
}

const backslashes: Explanation = (path, { key, platform = process.platform }) => {
  const plain = path.replaceAll('\\', '/');
  return platform !== 'win32' && plain !== path && exists(plain)
    ? { what: `there is nothing called ${path}`, fix: `Write paths with /: ${setting(key, plain)}` }
    : undefined;
};

/** Owners that no hub has: a path from another folder. */
const folders = /^(models?|data|datasets?|checkpoints?|outputs?|base|weights|pictures|images)\//i;

/** Nothing near it is there: perhaps a name on a hub. */
const hubName: Explanation = (path, { key, hub, wanted }) => {
  if (hub === undefined) return undefined;
  const isName = isHubName(path) && !folders.test(path) && !exists(dirname(path));
  if (!isName && !(/^[\w.-]+$/.test(path) && isThere(path, hub))) return undefined;
  const thing = hub === 'models' ? 'model' : 'data set';
  return {
    what: `there is no such ${wanted}: ${path}`,
    fix: `If the ${thing} of this name on Hugging Face is meant: ${hubRemedy(path, hub, key)}`,
  };
};

const isThere = (name: string, kind: HubKind): boolean => cachedFolder(name, kind) !== undefined;

/** A slip of the hand, or an ending left out. */
const nearName: Explanation = (path, { key, wanted, beside }) => {
  for (const place of [path, beside]) {
    const near = place === undefined ? undefined : nearest(place);
    if (near !== undefined)
      return {
        what: `there is no such ${wanted}: ${path}`,
        fix: `Did you mean ${setting(key, near)}?`,
      };
  }
  return undefined;
};

function nearest(path: string): string | undefined {
  const [names, name] = [namesIn(dirname(path)), basename(path)];
  const start = `${name.toLowerCase()}.`;
  const near =
    names.find((other) => other.toLowerCase().startsWith(start)) ??
    names.find((other) => other.toLowerCase() === name.toLowerCase()) ??
    suggest(name, names);
  if (near === undefined) return undefined;
  return `${/^\.[\\/]/.test(path) ? './' : ''}${join(dirname(path), near)}`;
}

const explanations: readonly Explanation[] = [
  quotes,
  address,
  variable,
  otherHome,
  windowsPath,
  backslashes,
  hubName,
  nearName,
];

function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false; // too long a name, or not to be looked at
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
