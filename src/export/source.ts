// What lies at a path that somebody wants to export: an adapter of a language model, a whole model,
// or an adapter for pictures.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { lora } from '../adapters/lora.ts';
import { picturePath } from '../adapter-files/picture-names.ts';
import { openSafetensors } from '../checkpoints/safetensors-file.ts';
import { UserError } from '../errors.ts';
import { plural } from '../util/plural.ts';
import { otherKind } from '../adapter-files/adapter-kinds.ts';
import { adapterBelow } from '../adapter-files/adapter-levels.ts';

const isKohya = (key: string): boolean => /^(lora_(unet|te\d?)|lycoris)_/.test(key);

export type ExportSource =
  /** PEFT's folder, with adapter_config.json. */
  | { readonly kind: 'adapter'; readonly folder: string }
  /** A Hugging Face folder, with config.json. */
  | { readonly kind: 'model'; readonly folder: string }
  | { readonly kind: 'picture adapter'; readonly path: string; readonly layers: number };

/**
 * `path`: a folder or a file in it. Throws UserError that says what is there when it is none of
 * these, CheckpointError for a damaged file.
 */
export function exportSource(path: string): ExportSource {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return fail(path, 'there is no such file or folder', NAME);
  return found.isDirectory() ? ofFolder(path) : ofFile(path);
}

function ofFolder(folder: string): ExportSource {
  if (existsSync(join(folder, 'adapter_config.json'))) return { kind: 'adapter', folder };
  if (existsSync(join(folder, 'config.json'))) return { kind: 'model', folder };
  if (existsSync(join(folder, 'model_index.json')))
    return fail(folder, 'this is a model for pictures (diffusers), not a language model', NAME);
  const names = readdirSync(folder).sort();
  const weights = names.filter((name) => name.endsWith('.safetensors'));
  if (weights.length > 0) return ofFile(join(folder, weights[0]));
  return fail(
    folder,
    'there is neither adapter_config.json nor config.json in this folder',
    adapterBelow(folder) ?? NAME,
  );
}

function ofFile(path: string): ExportSource {
  const [name, folder] = [basename(path), dirname(path)];
  if (/\.gguf$/i.test(name))
    return fail(
      path,
      'this is a GGUF file, which llama.cpp and Ollama load as it is',
      `For another form: ${NAME.replace('Name', 'name')}`,
    );
  if (name === 'adapter_config.json' || name === 'config.json') return ofFolder(folder);
  const { tensors } = openSafetensors(path);
  const keys = [...tensors.keys()];
  const layers = keys.filter((key) => {
    const found = lora.partOf(key);
    return found?.part === 'down' && (isKohya(key) || picturePath(found.name) !== undefined);
  }).length;
  if (layers > 0) return { kind: 'picture adapter', path, layers };
  if (existsSync(join(folder, 'adapter_config.json'))) return { kind: 'adapter', folder };
  if (keys.some((key) => /\.lora_(A|B)(\.default)?\.weight$/.test(key)))
    return fail(
      path,
      'this is an adapter without its adapter_config.json, which has its scale',
      'Put adapter_config.json into the same folder.',
    );
  if (existsSync(join(folder, 'config.json'))) return { kind: 'model', folder };
  const other = otherKind(keys);
  if (other !== undefined) return fail(path, `this is ${other.what}`, other.fix);
  return fail(
    path,
    'this is neither an adapter nor a language model with its config.json beside it',
    NAME,
  );
}

/**
 * The folder of a language model's adapter. Throws UserError where something else is at `path`;
 * `verb`: what is done with adapters of language models alone (`merged`).
 */
export function adapterSource(path: string, verb: string): string {
  const source = exportSource(path);
  if (source.kind === 'adapter') return source.folder;
  if (source.kind === 'model')
    return fail(
      path,
      'this is a complete model, not an adapter',
      adapterBelow(path) ?? 'Name the folder of an adapter, with adapter_config.json.',
    );
  return fail(
    path,
    `this is an adapter for pictures (Stable Diffusion, ${plural(source.layers, 'layer')}); only adapters of language models can be ${verb}`,
    'WebUI, Forge, ComfyUI and diffusers load the file beside its base model, as it is.',
  );
}

const NAME =
  "Name the folder of a language model's adapter (with adapter_config.json) or of a language model (with config.json).";

function fail(where: string, what: string, fix: string): never {
  throw new UserError([{ where, what, fix }]);
}
