// Where the base model of an adapter lies.
import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
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
 * The given folder, or the one that the adapter names, seen from here or from the adapter's folder.
 * Throws UserError where there is no config.json in it.
 */
export function baseFolder({ folder, named, given }: BaseWanted): string {
  if (given !== undefined) {
    if (existsSync(join(given, 'config.json'))) return given;
    throw new UserError([
      {
        where: `--base ${given}`,
        what: existsSync(given) ? 'there is no config.json in it' : 'there is no such folder',
        fix,
      },
    ]);
  }
  const where = join(folder, 'adapter_config.json');
  if (named === undefined)
    throw new UserError([{ where, what: 'it does not name its base model', fix }]);
  const candidates = isAbsolute(named) ? [named] : [named, join(folder, named)];
  const found = candidates.find((candidate) => existsSync(join(candidate, 'config.json')));
  if (found !== undefined) return found;
  throw new UserError([
    { where, what: `its base model, ${named}, is not a folder on this machine`, fix },
  ]);
}
