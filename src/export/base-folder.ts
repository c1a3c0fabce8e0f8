// Where the base model of an adapter lies.
import { existsSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { misplaced } from '../checkpoints/model-levels.ts';
import { explainAbsent } from '../config/absent-path.ts';
import { hubRemedy, isHubName } from '../config/hub-names.ts';
import { withHome } from '../config/output-path.ts';
import { UserError } from '../errors.ts';

export interface BaseWanted {
  /** Of the adapter. */
  readonly folder: string;
  /** What its adapter_config.json names. */
  readonly named: string | undefined;
  /** What the user names, which goes before. */
  readonly given?: string;
}

const fix = "Name the base model's folder: --base <folder>.";

/**
 * The given folder, or the one that the adapter names: a relative path is taken from the current
 * folder, else from the adapter's folder or the nearest one above it; `~` is the home folder.
 * Throws UserError where there is no config.json in it.
 */
export function baseFolder({ folder, named, given }: BaseWanted): string {
  if (given !== undefined) {
    const found = modelFolder(given);
    if (found !== undefined) return found;
    throw new UserError([{ where: `--base ${given}`, ...whyNoBase(given) }]);
  }
  const where = join(folder, 'adapter_config.json');
  if (named === undefined)
    throw new UserError([{ where, what: 'it does not name its base model', fix }]);
  const found = findBase(folder, named);
  if (found !== undefined) return found;
  if (isHubName(named) && !existsSync(named)) {
    const remedy = hubRemedy(named, 'models', '--base');
    const what = `its base model, ${named}, is not a folder on this machine`;
    throw new UserError([
      { where, what, fix: `${fix} If the model of this name on Hugging Face is meant: ${remedy}` },
    ]);
  }
  const looked = isAbsolute(withHome(named))
    ? ''
    : "Looked in the current folder, in the adapter's folder and in those above it. ";
  const what = `its base model, ${named}, is not a folder on this machine`;
  throw new UserError([{ where, what, fix: `${looked}${fix}` }]);
}

function whyNoBase(given: string): { readonly what: string; readonly fix: string } {
  if (existsSync(given)) return misplaced(given, 'language model', '--base');
  const wanted = { key: '--base', wanted: 'folder', hub: 'models' } as const;
  return { what: 'there is no such folder', fix, ...explainAbsent(given, wanted) };
}

/** The folder of a model that is named, or whose config.json is. */
function modelFolder(path: string): string | undefined {
  const folder = basename(path) === 'config.json' ? dirname(path) : path;
  return existsSync(join(folder, 'config.json')) ? folder : undefined;
}

/** Where an adapter in `folder` finds the base that it names; undefined where it does not. */
export function findBase(folder: string, named: string): string | undefined {
  const path = withHome(named);
  const candidates = isAbsolute(path)
    ? [path]
    : [path, ...upwards(resolve(folder)).map((above) => join(above, path))];
  return candidates.flatMap((candidate) => modelFolder(candidate) ?? [])[0];
}

const upwards = (folder: string): string[] =>
  dirname(folder) === folder ? [folder] : [folder, ...upwards(dirname(folder))];
