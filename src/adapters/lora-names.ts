// How the tensors of a LoRA are called, in graphs and in the files of each layout.

import type { Node } from '../graph/graph.ts';
import type { NamedIn } from './kind.ts';
import type { LoraRole } from './lora-module.ts';

const downUp = { down: 'lora_down.weight', up: 'lora_up.weight' };
const capitals = { down: 'lora_A.weight', up: 'lora_B.weight' };
const small = { down: 'lora_a', up: 'lora_b' };

/** Behind the module's name, a dot between. */
export const loraKeys: Readonly<Record<NamedIn, Readonly<Record<LoraRole, string>>>> = {
  graph: downUp,
  kohya: downUp,
  diffusers: capitals,
  peft: capitals,
  mlx: small,
  gguf: small,
};

/** `<name>.lora_down.weight`, `.lora_A.weight`, `.lora.down.weight`, `_lora.down.weight` … */
const factor =
  /^(.+?)(?:\.lora_|\.lora\.|_lora\.|\.lora_linear_layer\.)(down|up|A|B)(?:\.default(?:_\d+)?)?\.weight$/;

/** What a tensor of this name is to its module, in any file for pictures that there has been. */
export function loraPart(key: string): { name: string; part: LoraRole | 'alpha' } | undefined {
  const [, name, side] = factor.exec(key) ?? [];
  if (name !== undefined) return { name, part: side === 'down' || side === 'A' ? 'down' : 'up' };
  const alpha = /^(.+)\.alpha$/.exec(key);
  return alpha === null ? undefined : { name: alpha[1], part: 'alpha' };
}

/** The scope of the product that several layers' adapters share. */
export const JOINT_SCOPE = 'lora_down';

/** Whether a node of a graph multiplies what a layer reads by A, alone or with other layers' A. */
export const isDownProduct = ({ op, scope, inputs }: Node): boolean =>
  scope.endsWith(`.${JOINT_SCOPE}`) ||
  (op === 'Linear' && inputs[1]?.name.endsWith(`.${loraKeys.graph.down}`) === true);
