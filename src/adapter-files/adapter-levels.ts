// The folder of a language model's adapter, where another one is named: a file in it, a run that
// has none yet, a folder above several.

import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { foundBelow } from '../checkpoints/model-levels.ts';
import { CheckpointError, type Problem } from '../errors.ts';
import { plural } from '../util/plural.ts';

const CONFIG = 'adapter_config.json';
const SHOWN = 3;

const hasAdapter = (folder: string): boolean => existsSync(join(folder, CONFIG));

/** The remedy where adapters lie below a folder: the nearest three. Undefined where none do. */
export function adapterBelow(folder: string): string | undefined {
  const found = foundBelow(folder, hasAdapter);
  if (found.length === 0) return undefined;
  const rest = found.length - SHOWN;
  const others = rest > 0 ? ` (or one of ${plural(rest, 'other')})` : '';
  return `Name ${found.slice(0, SHOWN).join(', or ')}${others}.`;
}

/** `path`, or the folder of the file that it is. Throws CheckpointError where it has no adapter. */
export function requireAdapterFolder(path: string): string {
  if (hasAdapter(path)) return path;
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  if (isFile && hasAdapter(dirname(path))) return dirname(path);
  throw new CheckpointError([noAdapter(path)]);
}

/** What a path is at which there is no adapter_config.json, and where adapters lie. */
function noAdapter(path: string): Problem {
  const has = (name: string): boolean => existsSync(join(path, name));
  const below = adapterBelow(path);
  if (below !== undefined)
    return {
      where: path,
      what: `there is no ${CONFIG} in this folder, but there is below it`,
      fix: below,
    };
  const fix = 'Name the folder of an adapter, with adapter_config.json.';
  if (has('run.json'))
    return {
      where: path,
      what: 'this is the folder of a run that saved no adapter of a language model',
      fix,
    };
  if (has('config.json'))
    return { where: path, what: 'this is a complete model, not an adapter', fix };
  const what = existsSync(path) ? `there is no ${CONFIG} in it` : 'there is no such file or folder';
  return { where: path, what, fix };
}
