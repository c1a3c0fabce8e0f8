// What a graph of ComfyUI says of the picture: the settings of its samplers, its texts, the files
// that it loads.

import { isObject } from '../../util/is-object.ts';

type Summary = readonly (readonly [name: string, value: string])[];
type Json = Readonly<Record<string, unknown>>;

/** Inputs that are worth telling, of whatever node. */
const told = new Set([
  ...['seed', 'noise_seed', 'steps', 'cfg', 'sampler_name', 'scheduler', 'denoise'],
  ...['ckpt_name', 'unet_name', 'vae_name', 'lora_name', 'strength_model', 'strength_clip'],
  ...['text', 'width', 'height', 'stop_at_clip_layer'],
]);

/**
 * Of the `prompt` (nodes by their number, each with `class_type` and `inputs`); of a `workflow`
 * only the kinds of its nodes. Undefined where it is neither.
 */
export function comfySummary(json: Json): Summary | undefined {
  const nodes = Object.values(json).filter(isNode);
  if (nodes.length > 0) return nodes.flatMap(settingsOf);
  if (!Array.isArray(json.nodes)) return undefined;
  const kinds = json.nodes.flatMap((node: unknown) =>
    isObject(node) && typeof node.type === 'string' ? [node.type] : [],
  );
  return [['nodes', [...new Set(kinds)].join(', ')]];
}

interface Node {
  readonly class_type: string;
  readonly inputs: Json;
}

const isNode = (value: unknown): value is Node =>
  isObject(value) && typeof value.class_type === 'string' && isObject(value.inputs);

const settingsOf = ({ class_type, inputs }: Node): Summary =>
  Object.entries(inputs).flatMap(([name, value]) =>
    told.has(name) && (typeof value === 'string' || typeof value === 'number')
      ? [[`${class_type}.${name}`, String(value)] as const]
      : [],
  );
