// Paths that are not there as they are written, but under names that look the same.
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { alikeTo, nearest } from '../util/look-alike.ts';

/** The only path whose parts are those of `path` in the other Unicode form: the same path. */
export function sameNormalPath(path: string): string | undefined {
  return walked(path, (name, names) => {
    const same = names.filter((one) => one.normalize('NFC') === name.normalize('NFC'));
    return same.length === 1 ? same[0] : undefined;
  });
}

/** A path that may be meant: its parts look like those of `path`, or nearly. */
export const likelyPath = (path: string): string | undefined =>
  walked(path, (name, names) => alikeTo(name, names)[0] ?? nearest(name, names));

/** `path` with each part that is not there as one that is; undefined where there is none. */
function walked(
  path: string,
  choose: (name: string, names: readonly string[]) => string | undefined,
): string | undefined {
  if (existsSync(path)) return path;
  const folder = dirname(path);
  if (folder === path) return undefined;
  const above = walked(folder, choose);
  const name = path.slice(folder === '.' && !path.startsWith('.') ? 0 : folder.length);
  const plain = name.replace(/^[\\/]+|[\\/]+$/g, '');
  const found = above === undefined || plain === '' ? undefined : choose(plain, namesIn(above));
  return above === undefined || found === undefined ? undefined : join(above, found);
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // a file, or not to be looked at
  }
}
