// Why a file of a model is not there: links that lead nowhere, downloads that were not finished.

import { existsSync, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Endings of files that are still being downloaded, or whose download broke off. */
const unfinished = /\.(incomplete|part|partial|crdownload|download|aria2|filepart|!ut|tmp)$/i;

/** In plain words, of a path at which there is no file. */
export function missingFile(path: string): string {
  const target = linkTarget(path);
  if (target !== undefined)
    return `it is a link to ${target}, which is not there: the folder was copied without what its links lead to (cp -rL copies it)`;
  const [begun] = unfinishedIn(dirname(path)).filter((name) => name.startsWith(basename(path)));
  return begun === undefined
    ? 'this file is missing'
    : `this file is missing, but there is ${begun}: its download is not finished`;
}

/** Names of files in a folder whose download is not finished. */
export function unfinishedIn(folder: string): string[] {
  // hf download --local-dir keeps what it has so far in the folder below
  const places = ['', join('.cache', 'huggingface', 'download')];
  return places.flatMap((place) =>
    namesIn(join(folder, place))
      .filter((name) => unfinished.test(name))
      .map((name) => join(place, name)),
  );
}

/** Whether the file's name says that its download is not finished. */
export const isUnfinished = (path: string): boolean =>
  unfinished.test(path) || existsSync(`${path}.aria2`);

function linkTarget(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    return undefined; // nothing of that name, or what stands before it is no folder
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return []; // not there, not a folder, or not to be read
  }
}

export const isBrokenLink = (path: string): boolean =>
  !existsSync(path) && linkTarget(path) !== undefined;
