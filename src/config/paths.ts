// The paths in a configuration: taken from the current folder, or else from the folder of the file
// that names them.
import { statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { checkName, quoted, trimmed } from '../util/names.ts';
import { codeOf } from '../util/caught.ts';
import { apartFrom } from '../util/look-alike.ts';
import { likelyPath, sameNormalPath } from './alike-path.ts';
import { explainAbsent } from './absent-path.ts';
import { checkOutputPath, withHome } from './output-path.ts';
import { fileInPlace, folderInPlace } from './other-kind.ts';

type Wanted = 'file' | 'folder' | 'either';

/** What each key that names existing files must be. */
const inputs: Readonly<Record<string, Wanted>> = {
  train_data_dir: 'folder',
  train_data: 'either',
  validation_data: 'either',
  metadata_path: 'file',
  base_model: 'either',
  eval_path: 'file',
  eval_general_path: 'file',
};

/** Something about the value of a key. */
export interface KeyNote {
  readonly key: string;
  readonly what: string;
  readonly fix?: string;
}

export interface FoundPaths {
  readonly values: Values;
  readonly problems: readonly KeyNote[];
  /** What is used otherwise than it was written. */
  readonly notes: readonly KeyNote[];
  /** A path as it is used -> as it was written. */
  readonly written: ReadonlyMap<string, string>;
}

type Values = Readonly<Record<string, unknown>>;

/** What one look at the paths collects. */
interface Collector {
  readonly problems: KeyNote[];
  readonly notes: KeyNote[];
  readonly written: Map<string, string>;
}

/**
 * `values` with every path made usable from the current folder, and names as files may have them.
 * `configPath`: the file that names them, if there is one.
 */
export function findPaths(values: Values, configPath: string | undefined): FoundPaths {
  const collector: Collector = { problems: [], notes: [], written: new Map() };
  const { task_type: task = 'image' } = values;
  const forTexts = task === 'text-generation';
  // a task that does not exist is told as such: what its data would be is not known
  const wantedOf: Readonly<Record<string, Wanted>> =
    task === 'image'
      ? { ...inputs, validation_data: 'folder' }
      : { ...inputs, train_data_dir: 'either' };
  const found = Object.entries(wantedOf).flatMap(([key, wanted]) => {
    const place = { key, wanted, configPath, forTexts };
    return values[key] === undefined
      ? []
      : [[key, mapPaths(values[key], inputPath(place, collector))] as const];
  });
  return {
    ...collector,
    values: {
      ...values,
      ...Object.fromEntries(found),
      ...outputs.map((key) => outputFolder(key, values, collector)).reduce(both),
      ...outputName(values, collector),
    },
  };
}

/** A key that names an existing file or folder. */
interface Place {
  readonly key: string;
  readonly wanted: Wanted;
  /** The file that names it, if there is one. */
  readonly configPath: string | undefined;
  readonly forTexts: boolean;
}

const inputPath =
  (place: Place, collector: Collector) =>
  (path: string): string => {
    const { problems, written } = collector;
    const { key } = place;
    const plain = path.trim();
    const result = hasControl(plain)
      ? controlInPath(path)
      : (foundPath(path, place) ?? findPath(withHome(plain), place));
    if (typeof result !== 'string') {
      problems.push({ key, ...result });
      return plain;
    }
    const name = result === withHome(path) ? path : plain;
    if (name !== path) collector.notes.push({ key, what: trimmed(path, name) });
    written.set(result, name);
    return result;
  };

/** A path with a blank at its end that is really there. */
function foundPath(path: string, place: Place) {
  if (path === path.trim()) return undefined;
  const result = findPath(withHome(path), place);
  return typeof result === 'string' ? result : undefined;
}

/** Keys that name folders which are made. */
const outputs = ['output_dir', 'backup_dir'] as const;

function outputFolder(
  key: (typeof outputs)[number],
  { [key]: given }: Values,
  { problems, notes, written }: Collector,
): Values {
  if (typeof given !== 'string' || given.trim() === '') return {};
  const { value, fault } = checkOutputPath(given);
  if (fault !== undefined) problems.push({ key, ...faultInPath(given, fault) });
  else if (value !== given) notes.push({ key, what: trimmed(given, value) });
  const used = withHome(value);
  written.set(used, value);
  return { [key]: used };
}

const both = (a: Values, b: Values): Values => ({ ...a, ...b });

const faultInPath = (path: string, fault: string) => ({
  what: `${quoted(path)} ${fault}`,
  fix: hasControl(path)
    ? controlInPath(path).fix
    : path.includes('\\')
      ? 'Write paths with /.'
      : 'Choose another folder.',
});

/**
 * Bytes of the longest output_name: file systems take 255, and `-step00000100.safetensors` comes
 * behind.
 */
const longestOutputName = 200;

/** The adapter's name without `.safetensors`; for pictures by default output_dir's last part. */
function outputName(values: Values, { problems, notes }: Collector): Values {
  const { output_name: given, output_dir: dir } = values;
  const derived = given === undefined && values.task_type !== 'text-generation';
  const name = derived ? lastPart(dir) : given;
  if (typeof name !== 'string') return {};
  const { value, fault } = checkOutputName(name);
  if (fault !== undefined && derived)
    problems.push({
      key: 'output_dir',
      what: `its last part, ${quoted(name)}, would be the adapter's name, and ${fault}`,
      fix: 'Give the adapter an output_name, or name another folder.',
    });
  else if (fault !== undefined)
    problems.push({
      key: 'output_name',
      what: `expected a file name; ${quoted(name)} ${fault}`,
      fix: 'Give it another name; folders are for output_dir.',
    });
  else if (value !== name.replace(/\.safetensors$/i, ''))
    notes.push({ key: derived ? 'output_dir' : 'output_name', what: trimmed(name, value) });
  return { output_name: value };
}

function checkOutputName(name: string) {
  const first = checkName(name, longestOutputName);
  const bare = first.value.replace(/\.safetensors$/i, '');
  return bare === first.value ? first : checkName(bare, longestOutputName);
}

/** Of a path that is itself in order; what is wrong with the path is told as such. */
function lastPart(dir: unknown): string | undefined {
  if (typeof dir !== 'string' || dir.trim() === '') return undefined;
  const { value, fault } = checkOutputPath(dir);
  return fault === undefined ? basename(resolve(withHome(value))) || 'lora' : undefined;
}

/** A path, a list of them, or of { path }; anything else is left to the schema. */
function mapPaths(value: unknown, f: (path: string) => string): unknown {
  if (typeof value === 'string') return value.trim() === '' ? value : f(value);
  if (Array.isArray(value)) return value.map((item: unknown) => mapPaths(item, f));
  if (typeof value === 'object' && value !== null && 'path' in value)
    return { ...value, path: mapPaths(value.path, f) };
  return value;
}

const hasControl = (path: string) => /[\0-\x1f]/.test(path);

const controlInPath = (path: string) => ({
  what: `the path has a special character in it: ${JSON.stringify(path)}`,
  fix: 'Inside double quotes \\n and \\t are a line break and a tab: write paths with /, or leave the quotes out.',
});

type NotFound = Omit<KeyNote, 'key'>;

/** The path as it can be used from here, or why there is none. */
function findPath(path: string, place: Place): string | NotFound {
  const { configPath, wanted } = place;
  const besides =
    configPath === undefined || isAbsolute(path) ? undefined : join(dirname(configPath), path);
  const beside = besides === join(path) ? undefined : besides;
  const candidates = [path, ...(beside === undefined ? [] : [beside])];
  const existing =
    candidates.find((candidate) => kindOf(candidate) !== undefined) ??
    candidates.map(sameNormalPath).find((candidate) => candidate !== undefined);
  const refused = candidates.find((candidate) => kindOf(candidate) === 'refused');
  if (refused !== undefined) return { what: `${refused} cannot be opened: permission denied` };
  if (existing === undefined) return notThere(path, beside, place);
  const kind = kindOf(existing);
  if (wanted !== 'either' && kind !== wanted)
    return kind === 'file' ? fileInPlace(existing, place) : folderInPlace(existing, place);
  return existing;
}

function notThere(path: string, beside: string | undefined, place: Place): NotFound {
  const { key, forTexts } = place;
  const wanted = place.wanted === 'either' ? 'file or folder' : place.wanted;
  const isData = forTexts && !key.startsWith('eval');
  const hub = key === 'base_model' ? 'models' : isData ? 'datasets' : undefined;
  const explained = explainAbsent(path, { key, wanted, hub, ...(beside && { beside }) });
  if (explained !== undefined) return explained;
  if (path.length > 300) return { what: `there is no such ${wanted}: ${path.slice(0, 300)}…` };
  const near = [path, beside].flatMap((one) => (one && likelyPath(one)) ?? [])[0];
  if (near !== undefined)
    return {
      what: `there is no such ${wanted}: ${apartFrom(path, near)}`,
      fix: `Did you mean ${apartFrom(near, path)}?`,
    };
  const what = `there is no such ${wanted}: ${path}`;
  const places = [path, beside].flatMap((one) => (one === undefined ? [] : [resolve(one)]));
  return isAbsolute(path) ? { what } : { what, fix: `Looked at ${places.join(' and at ')}.` };
}

function kindOf(path: string): 'file' | 'folder' | 'refused' | undefined {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    const code = codeOf(error);
    // gone, a link in a circle, a name too long
    return code === 'EACCES' || code === 'EPERM' ? 'refused' : undefined;
  }
}

/** `config` with every path as it was written. */
export function asWritten<T extends Values>(config: T, written: ReadonlyMap<string, string>): T {
  const back = (path: string) => written.get(path) ?? path;
  const keys = [...Object.keys(inputs), ...outputs].filter((key) => config[key] !== undefined);
  return {
    ...config,
    ...Object.fromEntries(keys.map((key) => [key, mapPaths(config[key], back)])),
  };
}
