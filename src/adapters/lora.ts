// LoRA (Hu et al., arXiv 2106.09685), for linear layers and for convolutions, as a kind of adapter.

import { toFloat32 } from '../tensor/half.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { AdapterKind } from './kind.ts';
import { applyLora, declareLora } from './lora-apply.ts';
import { initialLora } from './lora-initial.ts';
import { mergeLora } from './lora-merge.ts';
import type { LoraModule, LoraRole, LoraSize } from './lora-module.ts';
import { isDownProduct, loraKeys, loraPart } from './lora-names.ts';

export const lora: AdapterKind<LoraSize, LoraModule, LoraRole> = {
  name: 'LoRA',
  roles: ['down', 'up'],
  keys: loraKeys,
  declare: declareLora,
  initialise: initialLora,
  apply: applyLora,
  readsInput: isDownProduct,
  merge: mergeLora,
  partOf: loraPart,
};

/** The name of a parameter in a graph. */
export const loraParameter = (path: string, role: LoraRole, adapter?: string): string =>
  [path, ...(adapter === undefined ? [] : [adapter]), loraKeys.graph[role]].join('.');

/** The factors of modules as the parameters of a graph. */
export const loraParameters = (
  modules: readonly ({ readonly path: string } & Readonly<Record<LoraRole, Tensor>>)[],
): Map<string, Tensor<'float32'>> =>
  new Map(
    modules.flatMap((module) =>
      lora.roles.map(
        (role) => [loraParameter(module.path, role), toFloat32(module[role])] as const,
      ),
    ),
  );
