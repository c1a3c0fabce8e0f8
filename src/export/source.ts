// What lies at a path that somebody wants to export: an adapter of a language model, a whole model,
// or an adapter for pictures.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { openSafetensors } from '../checkpoints/safetensors-file.ts';
import { UserError } from '../errors.ts';
import { otherKind } from './adapter-kinds.ts';
import { adaptersBelow } from './adapter-levels.ts';

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
  if (found === undefined)
    return fail(
      path,
      'there is no such file or folder',
      'Name the folder of an adapter (with adapter_config.json) or of a model (with config.json).',
    );
  return found.isDirectory() ? ofFolder(path) : ofFile(path);
}

function ofFolder(folder: string): ExportSource {
  if (existsSync(join(folder, 'adapter_config.json'))) return { kind: 'adapter', folder };
  if (existsSync(join(folder, 'config.json'))) return { kind: 'model', folder };
  if (existsSync(join(folder, 'model_index.json')))
    return fail(folder, 'this is a base model for pictures; GGUF is for language models');
  const names = readdirSync(folder).sort();
  const weights = names.filter((name) => name.endsWith('.safetensors'));
  const inside = adaptersBelow(folder);
  if (weights.length > 0) return ofFile(join(folder, weights[0]));
  const fix =
    inside.length > 0
      ? `There are adapters in it: ${inside.join(', ')}.`
      : 'Name the folder of an adapter (with adapter_config.json) or of a model (with config.json).';
  return fail(folder, 'there is neither adapter_config.json nor config.json in this folder', fix);
}

function ofFile(path: string): ExportSource {
  const [name, folder] = [basename(path), dirname(path)];
  if (/\.gguf$/i.test(name)) return fail(path, 'this is already a GGUF file');
  if (name === 'adapter_config.json' || name === 'config.json') return ofFolder(folder);
  const { tensors } = openSafetensors(path);
  const keys = [...tensors.keys()];
  const layers = keys.filter((key) =>
    /^(lora_(unet|te\d?)_.*\.lora_down|(unet|text_encoder)\..*\.lora_A|.*\.lora_linear_layer\.down|.*\.processor\..*down)\.weight$/.test(
      key,
    ),
  ).length;
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
    'Name the folder of an adapter (with adapter_config.json) or of a model (with config.json).',
  );
}

function fail(where: string, what: string, fix?: string): never {
  throw new UserError([{ where, what, ...(fix !== undefined && { fix }) }]);
}
