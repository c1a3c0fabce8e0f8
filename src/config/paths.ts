// The paths in a configuration: taken from the current folder, or else from the folder of the file that names them.
import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';

type Wanted = 'file' | 'folder' | 'either';

/** What each key that names existing files must be. */
const inputs: Readonly<Record<string, Wanted>> = {
  train_data_dir: 'folder',
  metadata_path: 'file',
  base_model: 'either',
};

/** `owner/name` of a model hub: may be fetched later. */
const hubName = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/;

export interface PathProblem {
  readonly key: string;
  readonly what: string;
  readonly fix?: string;
}

/** `values` with every path made usable from the current folder. `configPath`: the file that names them, if there is one. */
export function findPaths(values: Readonly<Record<string, unknown>>, configPath: string | undefined) {
  const found: Record<string, unknown> = { ...values };
  const problems: PathProblem[] = [];
  for (const [key, wanted] of Object.entries(inputs)) {
    const path = values[key];
    if (typeof path !== 'string' || path === '') continue;
    const result = findPath(withHome(path), wanted, configPath);
    if (typeof result === 'string') found[key] = result;
    else if (!(key === 'base_model' && hubName.test(path) && result.absent)) problems.push({ key, what: result.what, ...(result.fix && { fix: result.fix }) });
  }
  if (typeof values.output_dir === 'string') found.output_dir = withHome(values.output_dir);
  return { values: found, problems };
}

const withHome = (path: string) => path.replace(/^~(?=[/\\]|$)/, homedir());

function findPath(path: string, wanted: Wanted, configPath: string | undefined) {
  const beside = configPath === undefined || isAbsolute(path) ? undefined : join(dirname(configPath), path);
  const candidates = [path, ...(beside === undefined || beside === join(path) ? [] : [beside])];
  const existing = candidates.find((candidate) => kindOf(candidate) !== undefined);
  if (existing === undefined) {
    const fix = isAbsolute(path) ? undefined : `looked at ${candidates.map((candidate) => resolve(candidate)).join(' and at ')}`;
    return { absent: true, what: `there is no such ${wanted === 'either' ? 'file or folder' : wanted}: ${path}`, fix };
  }
  const kind = kindOf(existing);
  if (wanted !== 'either' && kind !== wanted) return { absent: false, what: `${existing} is a ${kind}; a ${wanted} is wanted` };
  return existing;
}

function kindOf(path: string): 'file' | 'folder' | undefined {
  const info = statSync(path, { throwIfNoEntry: false });
  if (info === undefined) return undefined;
  return info.isDirectory() ? 'folder' : 'file';
}
