// The files of an adapter in each layout that is written.

import { lora } from '../adapters/lora.ts';
import { join } from 'node:path';
import { InternalError } from '../errors.ts';
import { toFloat32 } from '../tensor/half.ts';
import type { FloatDType } from '../tensor/half.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { bytesOf } from '../util/bytes-of.ts';
import { isObject } from '../util/is-object.ts';
import type { Folded } from './adapter-file.ts';
import { FOLDED_ALPHAS, foldedText } from './folded-alphas.ts';
import { alphaTensor, kohyaName } from './kohya.ts';
import { mostCommon } from './language-lora.ts';
import { LORA_METADATA } from './lora-metadata.ts';
import { multiplied, narrowed, type TellNarrowing } from './narrowing.ts';
import { PEFT_PREFIX } from './peft.ts';
import { pythonJson } from './python-json.ts';
import { kohyaXlName } from './picture-names.ts';
import { held, type PlannedFile, type PlannedModule, type PlannedTensor } from './planned.ts';

export interface ToWrite {
  readonly modules: readonly PlannedModule[];
  readonly metadata: Readonly<Record<string, string>>;
  /** That was asked for; the modules have it already. */
  readonly dtype?: FloatDType;
  /** Of Stable Diffusion XL, whose names in kohya's files are others. */
  readonly isXl: boolean;
  /** Called where B takes in a scale and its type would lose numbers. */
  readonly tell?: TellNarrowing;
  /** Called where B with its scale in it had to be rounded, so that it does not come back. */
  readonly onRounded?: (name: string) => void;
  /** Keep alpha in diffusers' metadata rather than in B. */
  readonly isAlphaInMetadata?: boolean;
}

/** Metadata that other formats have and this one computes anew, or not. */
const without = (
  metadata: Readonly<Record<string, string>>,
  keys: readonly string[],
): Record<string, string> =>
  Object.fromEntries(Object.entries(metadata).filter(([key]) => !keys.includes(key)));

const OWN_KEYS = ['format', LORA_METADATA, FOLDED_ALPHAS, 'sshs_model_hash', 'sshs_legacy_hash'];

/** One file with kohya's keys; layers without a known path keep their names. */
export function kohyaFiles(path: string, given: ToWrite): PlannedFile[] {
  const { ss_network_module: module = '' } = given.metadata;
  if (!module.startsWith('lycoris')) return namedFiles(path, given, {});
  const { algo: _algo, ...args } = argsOf(given.metadata);
  const isEmpty = Object.keys(args).length === 0;
  return namedFiles(path, given, {
    ss_network_module: 'networks.lora',
    ss_network_args: isEmpty ? undefined : pythonJson(args),
  });
}

/** `words`: metadata that take the place of those that there are; undefined takes them away. */
function namedFiles(
  path: string,
  { modules, metadata, isXl }: ToWrite,
  words: Readonly<Record<string, string | undefined>>,
): PlannedFile[] {
  const nameOf = ({ path: layer, name }: PlannedModule): string =>
    layer === undefined ? name : ((isXl ? kohyaXlName(layer) : kohyaName(layer)) ?? name);
  const tensors = modules.flatMap((module): [string, PlannedTensor][] => {
    const name = nameOf(module);
    const alpha = alphaTensor(`${name}.alpha`, module.alpha, floatOf(module.down.dtype));
    return [
      ...lora.roles.map((role): Named => [`${name}.${lora.keys.kohya[role]}`, module[role]]),
      [`${name}.alpha`, held(alpha)],
    ];
  });
  const changed = Object.entries({ ...without(metadata, OWN_KEYS), ...words });
  const kept = changed.filter((entry): entry is [string, string] => entry[1] !== undefined);
  const own = Object.fromEntries(kept);
  return [{ path, tensors: new Map(tensors), metadata: own, isHashed: true }];
}

type Named = [name: string, tensor: PlannedTensor];

const floatOf = (dtype: Tensor['dtype']): FloatDType =>
  dtype === 'float16' || dtype === 'bfloat16' ? dtype : 'float32';

/** The same with LyCORIS's word for what it is. */
export function lycorisFiles(path: string, given: ToWrite): PlannedFile[] {
  const isConv = given.modules.some(({ down }) => down.shape.slice(2).some((side) => side > 1));
  const args = { algo: isConv ? 'locon' : 'lora', ...argsOf(given.metadata) };
  return namedFiles(path, given, {
    ss_network_module: 'lycoris.kohya',
    ss_network_args: pythonJson(args),
  });
}

function argsOf({ ss_network_args: text }: ToWrite['metadata']): Record<string, unknown> {
  const found = text === undefined ? {} : parsedJson(text);
  return isObject(found) ? found : {};
}

/** diffusers' file: alpha / rank in B, noted; or alpha in the metadata. */
export function diffusersFiles(path: string, given: ToWrite): PlannedFile[] {
  const { modules, metadata, isAlphaInMetadata = false } = given;
  const folded = new Map<string, Folded>();
  const tensors = modules.flatMap((module): [string, PlannedTensor][] => {
    const name = pathOf(module);
    const isFolded = module.alpha !== module.down.shape[0] && !isAlphaInMetadata;
    const { down, up } = lora.keys.diffusers;
    const found = isFolded ? foldedB(`${name}.${up}`, module, given) : undefined;
    if (found?.isExact === true) folded.set(name, { alpha: module.alpha, dtype: module.up.dtype });
    if (found?.isExact === false) given.onRounded?.(name);
    return [
      [`${name}.${down}`, module.down],
      [`${name}.${up}`, found?.tensor ?? module.up],
    ];
  });
  const kept = without(metadata, OWN_KEYS);
  const noted = {
    ...(folded.size > 0 && { [FOLDED_ALPHAS]: foldedText(folded) }),
    ...(isAlphaInMetadata && { [LORA_METADATA]: statedText(modules) }),
  };
  return [{ path, tensors: new Map(tensors), metadata: { ...kept, format: 'pt', ...noted } }];
}

/**
 * B times alpha / rank, in its own type where B comes back from that bit for bit (a power of two
 * changes the exponents alone), else in float32, from which a shorter B comes back; or in the type
 * that is asked for.
 */
function foldedB(
  name: string,
  { up, down, alpha }: PlannedModule,
  { dtype, tell }: Pick<ToWrite, 'dtype' | 'tell'>,
): { readonly tensor: PlannedTensor; readonly isExact: boolean } {
  const scale = alpha / down.shape[0];
  const before = up.read();
  const product = multiplied(before, scale);
  const comesBack = (type: FloatDType): boolean =>
    scale !== 0 && sameBits(unfoldedB(narrowed(name, product, type), scale, up.dtype), before);
  const own = floatOf(up.dtype);
  const isExactInOwn = comesBack(own);
  const type = dtype ?? (isExactInOwn ? own : 'float32');
  const isExact = type === own ? isExactInOwn : comesBack(type);
  const written = narrowed(name, product, type, tell);
  const read = () => narrowed(name, multiplied(up.read(), scale), type);
  return { tensor: { dtype: written.dtype, shape: up.shape, read }, isExact };
}

const sameBits = (a: Tensor, b: Tensor): boolean =>
  Buffer.compare(bytesOf(a.data), bytesOf(b.data)) === 0;

/** B as it was before alpha / rank = `scale` was multiplied into it. */
export const unfoldedB = (up: Tensor, scale: number, dtype: Tensor['dtype']): Tensor =>
  narrowed('B', multiplied(toFloat32(up), 1 / scale), floatOf(dtype));

const pathOf = ({ path, name }: PlannedModule): string => {
  if (path === undefined) throw new InternalError(`${name} has no path`);
  return path;
};

/** The fields of PEFT's configuration that say the scales, sorted as diffusers writes them. */
function statedText(modules: readonly PlannedModule[]): string {
  const all = [...byComponent(modules)].flatMap(([component, members]) =>
    Object.entries(scaleFields(members, namesIn(component))).map(
      ([key, value]) => [`${component}.${key}`, value] as const,
    ),
  );
  return JSON.stringify(Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1))), null, 2);
}

function byComponent(modules: readonly PlannedModule[]): Map<string, PlannedModule[]> {
  const parts = new Map<string, PlannedModule[]>();
  for (const module of modules) {
    const [component] = pathOf(module).split('.', 1);
    parts.set(component, [...(parts.get(component) ?? []), module]);
  }
  return parts;
}

const inside = (module: PlannedModule): string => pathOf(module).replace(/^[^.]*\./, '');

function scaleFields(
  modules: readonly PlannedModule[],
  nameOf: (path: string) => string,
): Record<string, unknown> {
  const ranks = modules.map(({ down }) => down.shape[0]);
  const [r, alpha] = [mostCommon(ranks), mostCommon(modules.map((one) => one.alpha))];
  const entries = (holds: (one: PlannedModule) => number | undefined) =>
    Object.fromEntries(
      modules.flatMap((one): [string, number][] => {
        const value = holds(one);
        return value === undefined ? [] : [[nameOf(inside(one)), value]];
      }),
    );
  return {
    alpha_pattern: entries((one) => (one.alpha === alpha ? undefined : one.alpha)),
    lora_alpha: alpha,
    r,
    rank_pattern: entries(({ down }) => (down.shape[0] === r ? undefined : down.shape[0])),
    target_modules: modules.map((one) => nameOf(inside(one))).sort(),
  };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // metadata of no use; they are replaced
  }
}

/** The classes that PEFT notes, by which the folder of a component is known again. */
const classes: ReadonlyMap<string, readonly [name: string, library: string]> = new Map([
  ['unet', ['UNet2DConditionModel', 'diffusers.models.unets.unet_2d_condition']],
  ['text_encoder', ['CLIPTextModel', 'transformers.models.clip.modeling_clip']],
  ['text_encoder_2', ['CLIPTextModelWithProjection', 'transformers.models.clip.modeling_clip']],
]);

/**
 * The names of a component's layers: transformers 5 took the layer `text_model` out of its CLIP;
 * patterns without it match in older versions, too.
 */
const namesIn =
  (component: string) =>
  (path: string): string =>
    component === 'unet' ? path : path.replace(/^text_model\./, '');

/** PEFT's folders of a model for pictures: one for each component. */
export function peftFiles(folder: string, { modules, metadata }: ToWrite): PlannedFile[] {
  const kept = { ...without(metadata, OWN_KEYS), format: 'pt' };
  return [...byComponent(modules)].flatMap(([component, members]): PlannedFile[] => {
    const nameOf = namesIn(component);
    const tensors = members.flatMap((module): [string, PlannedTensor][] => {
      const name = `${PEFT_PREFIX}${nameOf(inside(module))}`;
      return lora.roles.map((role): Named => [`${name}.${lora.keys.peft[role]}`, module[role]]);
    });
    const config = `${JSON.stringify(peftConfigOf(component, scaleFields(members, nameOf)), null, 2)}\n`;
    return [
      {
        path: join(folder, component, 'adapter_model.safetensors'),
        tensors: new Map(tensors),
        metadata: kept,
      },
      { path: join(folder, component, 'adapter_config.json'), text: config },
    ];
  });
}

function peftConfigOf(
  component: string,
  scales: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const [base_model_class, parent_library] = classes.get(component) ?? [];
  const config = {
    auto_mapping: { base_model_class, parent_library },
    base_model_name_or_path: null,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: 'LORA',
    revision: null,
    task_type: null,
    ...scales,
  };
  return Object.fromEntries(Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1)));
}
