// LoRA files with the keys of kohya's sd-scripts, which WebUI, Forge, ComfyUI and diffusers all
// load; and back.

import { lora } from '../adapters/lora.ts';
import { openSafetensors, type SafetensorsFile } from '../checkpoints/safetensors-file.ts';
import { CheckpointError } from '../errors.ts';
import { fromFloat32, toFloat32, type FloatDType } from '../tensor/half.ts';
import { serialize } from '../tensor/safetensors.ts';
import { float32, type Tensor } from '../tensor/tensor.ts';
import { needed } from '../util/needed.ts';
import { loadedModules } from './adapter-file.ts';
import { kindProblems, pictureStartProblems } from './adapter-kinds.ts';
import { legacyHash, modelHash } from './hashes.ts';
import { assertShapes, throwProblems, type LoraWeights } from './lora.ts';
import { multiplied, narrowed, requireFloat32, type TellNarrowing } from './narrowing.ts';
import { openPictureFile } from './picture-file.ts';

/** The first part of our module paths, and of kohya's names. */
const prefixes: ReadonlyMap<string, string> = new Map([
  ['unet', 'lora_unet'],
  ['text_encoder', 'lora_te'],
]);

/** `unet.down_blocks.0.attentions.0.proj_in` → `lora_unet_down_blocks_0_attentions_0_proj_in`. */
export function kohyaName(path: string): string {
  const [component, ...rest] = path.split('.');
  return [needed(prefixes, component, "name in kohya's files for"), ...rest].join('_');
}

/**
 * The inverse for the module paths of a model: the underscores cannot be told apart without them.
 */
export function modulePaths(paths: Iterable<string>): ReadonlyMap<string, string> {
  const byName = new Map<string, string>();
  for (const path of paths) {
    byName.set(kohyaName(path), path);
    // diffusers writes SD 1.x's only text encoder with SDXL's name for the first of two.
    if (path.startsWith('text_encoder.'))
      byName.set(kohyaName(path).replace(/^lora_te_/, 'lora_te1_'), path);
  }
  return byName;
}

export interface KohyaLora {
  readonly modules: readonly LoraWeights[];
  /** `ss_…` and `modelspec.…`; the `sshs_` hashes are computed here. */
  readonly metadata: Readonly<Record<string, string>>;
  /** A tensor that this type cannot hold is written in float32. */
  readonly dtype: FloatDType;
  /** Called for such tensors, and for numbers that are lost. */
  readonly tell?: TellNarrowing;
}

/** The bytes of the file: three tensors a module, sorted; metadata with both hashes. */
export function writeKohyaLora({ modules, metadata, dtype, tell }: KohyaLora): Uint8Array {
  const tensors = new Map(modules.flatMap((module) => moduleTensors(module, dtype, tell)));
  const training = Object.fromEntries(
    Object.entries(metadata).filter(([key]) => key.startsWith('ss_')),
  );
  const hashed = serialize(tensors, training);
  return serialize(tensors, {
    ...metadata,
    sshs_model_hash: modelHash(hashed),
    sshs_legacy_hash: legacyHash(hashed),
  });
}

function moduleTensors(
  module: LoraWeights,
  dtype: FloatDType,
  tell?: TellNarrowing,
): [string, Tensor][] {
  assertShapes(module);
  const name = kohyaName(module.path);
  const factor = (key: string, tensor: Tensor): [string, Tensor] => [
    key,
    narrowed(key, multiplied(tensor, 1), dtype, tell),
  ];
  return [
    ...lora.roles.map((role) => factor(`${name}.${lora.keys.kohya[role]}`, module[role])),
    [`${name}.alpha`, alphaTensor(`${name}.alpha`, module.alpha, dtype)],
  ];
}

/** In the file's type where that holds it exactly: all else of the module is multiplied with it. */
export function alphaTensor(name: string, alpha: number, dtype: FloatDType): Tensor {
  requireFloat32(name, Float64Array.of(alpha));
  const exact = float32([], [alpha]);
  const short = fromFloat32(exact, dtype);
  return toFloat32(short).data[0] === exact.data[0] ? short : exact;
}

/**
 * Reads a LoRA file with kohya's keys. `paths`: the module paths of the base model, which give the
 * names back. A module without alpha has alpha = rank. Tensors keep the file's dtype. Throws
 * CheckpointError that lists the modules the model does not have, and the incomplete ones.
 */
export function readKohyaLora(
  path: string,
  paths: Iterable<string>,
): {
  modules: LoraWeights[];
  metadata: Readonly<Record<string, string>>;
  /** Names of tensors that belong to no module, such as a trainer's. */
  leftovers: readonly string[];
} {
  const file = openSafetensors(path);
  refuseOtherAdapters(file, path);
  const known = modulePaths(paths);
  throwProblems(
    namesOf(file)
      .filter((name) => !known.has(name))
      .map((name) => ({
        where: `${path} ${name}`,
        what: 'the base model has no such module: the LoRA belongs to another architecture',
      })),
  );
  const opened = openPictureFile('kohya', file, path);
  const modules = opened.modules.map((module) => ({ ...module, path: known.get(module.name) }));
  const { metadata, leftovers } = opened;
  return { modules: loadedModules(path, modules), metadata, leftovers };
}

const namesOf = ({ tensors }: SafetensorsFile): string[] => [
  ...new Set([...tensors.keys()].flatMap((key) => lora.partOf(key)?.name ?? [])),
];

function refuseOtherAdapters({ tensors, metadata }: SafetensorsFile, path: string): void {
  const names = [...tensors.keys()];
  throwProblems(kindProblems(names, path));
  throwProblems(pictureStartProblems(metadata, path));
  if (!names.some((name) => /^lora_(unet|te\d?)_/.test(name)))
    throw new CheckpointError([
      {
        where: path,
        what: "this is not a LoRA with kohya's keys: no tensor name begins with lora_unet_ or lora_te_",
        fix: 'Name a plain LoRA.',
      },
    ]);
}
