// What is published of a run's texts: nothing in it tells where on this machine its files lie.
import { homedir } from 'node:os';
import { basename, isAbsolute } from 'node:path';
import type { LoadedConfig } from './load.ts';

type Source = Pick<LoadedConfig, 'writtenPaths' | 'source'>;

/**
 * `text` with the configuration's paths as they were written, its own file by its name, and `~` for
 * the home folder.
 */
export function publishedText(text: string, job: Source): string {
  const names = namesOf(job);
  const paths = [...names.keys()].sort((a, b) => b.length - a.length).map(escaped);
  if (paths.length === 0) return text;
  // a whole path, or the beginning of one; not a part of a longer name
  const pattern = new RegExp(`(?<![\\w./\\\\~-])(${paths.join('|')})(?![\\w-]|\\.\\w)`, 'g');
  return text.replace(pattern, (path) => names.get(path) ?? path);
}

function namesOf({ writtenPaths, source: { path } }: Source): Map<string, string> {
  const home = homedir();
  return new Map([
    ...(home.length > 1 ? [[home, '~'] as const] : []),
    ...(path !== undefined && isAbsolute(path) ? [[path, basename(path)] as const] : []),
    ...[...writtenPaths].filter(([used, written]) => used !== written || isAbsolute(used)),
  ]);
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
