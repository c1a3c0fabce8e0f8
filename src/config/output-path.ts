// The path of something that is made: a folder of a run, a file to export to.
import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { UserError } from '../errors.ts';
import { checkPath, quoted, type Checked } from '../util/names.ts';

/** `~` and `~/…` stand for the home folder, as in a shell. */
export const withHome = (path: string): string => path.replace(/^~(?=[/\\]|$)/, () => homedir());

/** `path` by the rules of this machine; folders that are there may be called anything. */
export const checkOutputPath = (path: string): Checked =>
  checkPath(path, {
    windows: process.platform === 'win32',
    isFolder: (folder) => isFolder(withHome(folder)),
  });

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false; // not there, too long a name, or not to be looked at: it has to be made
  }
}

/** Throws UserError, before anything is written, where `path` has a name that is not to be made. */
export function requireOutputPath(path: string): void {
  const { value, fault } = checkOutputPath(path);
  if (fault !== undefined)
    throw new UserError([{ where: quoted(path), what: fault, fix: 'Choose another path.' }]);
  if (value !== path)
    throw new UserError([
      {
        where: quoted(path),
        what: 'a name in it has blanks or invisible characters at its ends, or dots at its end',
        fix: `Write ${quoted(value)}.`,
      },
    ]);
}
