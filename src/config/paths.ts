// The paths in a configuration: taken from the current folder, or else from the folder of the file
// that names them.
import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';

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

/** `owner/name` of a model hub: may be fetched later. */
const hubName = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/;

export interface PathProblem {
  readonly key: string;
  readonly what: string;
  readonly fix?: string;
}

/**
 * `values` with every path made usable from the current folder. `configPath`: the file that names
 * them, if there is one.
 */
export function findPaths(
  values: Readonly<Record<string, unknown>>,
  configPath: string | undefined,
) {
  const found: Record<string, unknown> = { ...values };
  const problems: PathProblem[] = [];
  const wantedOf =
    values.task_type === 'text-generation'
      ? { ...inputs, train_data_dir: 'either' as const }
      : inputs;
  for (const [key, wanted] of Object.entries(wantedOf)) {
    if (values[key] === undefined) continue;
    found[key] = mapPaths(values[key], (path) => {
      const result = hasControl(path)
        ? { absent: false, ...controlInPath(path) }
        : findPath(withHome(path), wanted, configPath);
      if (typeof result === 'string') return result;
      if (!(key === 'base_model' && hubName.test(path) && result.absent))
        problems.push({ key, what: result.what, ...(result.fix && { fix: result.fix }) });
      return path;
    });
  }
  if (typeof values.output_dir === 'string') {
    found.output_dir = withHome(values.output_dir);
    if (hasControl(values.output_dir))
      problems.push({ key: 'output_dir', ...controlInPath(values.output_dir) });
  }
  return { values: found, problems };
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

const withHome = (path: string) => path.replace(/^~(?=[/\\]|$)/, homedir());

function findPath(path: string, wanted: Wanted, configPath: string | undefined) {
  const beside =
    configPath === undefined || isAbsolute(path) ? undefined : join(dirname(configPath), path);
  const candidates = [path, ...(beside === undefined || beside === join(path) ? [] : [beside])];
  const existing = candidates.find((candidate) => kindOf(candidate) !== undefined);
  const refused = candidates.find((candidate) => kindOf(candidate) === 'refused');
  if (refused !== undefined)
    return {
      absent: false,
      what: `${refused} cannot be opened: permission denied`,
      fix: undefined,
    };
  if (existing === undefined) {
    const fix = isAbsolute(path)
      ? undefined
      : `looked at ${candidates.map((candidate) => resolve(candidate)).join(' and at ')}`;
    const shown = path.length > 300 ? `${path.slice(0, 300)}…` : path;
    return {
      absent: true,
      what: `there is no such ${wanted === 'either' ? 'file or folder' : wanted}: ${shown}`,
      fix: path.length > 300 ? undefined : fix,
    };
  }
  const kind = kindOf(existing);
  if (wanted !== 'either' && kind !== wanted)
    return { absent: false, what: `${existing} is a ${kind}; expected a ${wanted}` };
  return existing;
}

function kindOf(path: string): 'file' | 'folder' | 'refused' | undefined {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    // gone, a link in a circle, a name too long
    return code === 'EACCES' || code === 'EPERM' ? 'refused' : undefined;
  }
}
