// Names on a model hub, `owner/name`: nothing is downloaded here, but what huggingface_hub
// downloaded lies in its cache. The cache's layout: huggingface.co/docs, "Understand caching".
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';

export type HubKind = 'models' | 'datasets';

/** `owner/name`, or what may be one. */
export const isHubName = (text: string): boolean =>
  /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/.test(text);

/** The `owner/name` in an address of a hub's page. */
export function hubNameOf(address: string): { name: string; kind: HubKind } | undefined {
  const match =
    /^(?:https?:\/\/(?:www\.)?(?:huggingface\.co|hf\.co|hf-mirror\.com)\/|hf:\/\/)(datasets\/)?([\w.-]+\/[\w.-]+)/i.exec(
      address,
    );
  return match === null
    ? undefined
    : { name: match[2], kind: match[1] === undefined ? 'models' : 'datasets' };
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Where huggingface_hub keeps what it downloaded. */
export function hubCacheFolder(environment: Environment = process.env): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = environment;
  const home = HF_HOME || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');
  return HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE || join(home, 'hub');
}

/** The folder of a name's files in the cache; undefined where it is not there. */
export function cachedFolder(
  name: string,
  kind: HubKind,
  environment?: Environment,
): string | undefined {
  return currentSnapshot(
    join(hubCacheFolder(environment), `${kind}--${name.replaceAll('/', '--')}`),
  );
}

/** `models--owner--name` → `owner/name`; undefined for another folder. */
export function nameOfCached(folder: string): string | undefined {
  const match = /^(?:models|datasets)--(.+)$/.exec(basename(folder));
  return match?.[1].replace('--', '/');
}

/** Of `models--owner--name`: the snapshot that its branch main names, else the newest one. */
export function currentSnapshot(repository: string): string | undefined {
  const snapshots = join(repository, 'snapshots');
  const main = join(snapshots, textOf(join(repository, 'refs', 'main')) ?? '.');
  if (main !== snapshots && isFolder(main)) return main;
  return namesIn(snapshots)
    .map((name) => join(snapshots, name))
    .filter(isFolder)
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}

/** `base_model: path`, or `--base path`. */
export const setting = (key: string, path: string): string =>
  key.startsWith('--') ? `${key} ${path}` : `${key}: ${path}`;

/** What to do where `owner/name` is no path here. `key`: what is to name the folder. */
export function hubRemedy(name: string, kind: HubKind, key: string): string {
  const cached = cachedFolder(name, kind);
  if (cached !== undefined)
    return `it is in the cache of Hugging Face on this machine: ${setting(key, cached)}`;
  const folder = `${kind === 'models' ? 'models' : 'data'}/${basename(name)}`;
  const type = kind === 'models' ? '' : '--repo-type dataset ';
  return `nothing is downloaded here, and ${name} is not in ${hubCacheFolder()} either. Download it, for example with: hf download ${type}${name} --local-dir ${folder}; then ${setting(key, folder)}`;
}

const textOf = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8').trim() || undefined;
  } catch {
    return undefined; // there is none
  }
};

const namesIn = (folder: string): string[] => {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
};

const isFolder = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
