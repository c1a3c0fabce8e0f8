// The graphics cards that WebGPU can take. ONNX Runtime does not say which one it takes: the system
// is asked for them, and Dawn's order is kept (docs/decisions/0022-asking-for-graphics-cards.md).

import { reasonOf } from '../util/caught.ts';
import type { GraphicsAdapter, GraphicsAdapters } from './graphics/adapter.ts';
import {
  afterFailure,
  allUnsuitable,
  softwareAlone,
  softwareFirst,
  windowsHasNone,
  windowsIsSilent,
  withoutDriver,
  withoutProvider,
} from './graphics/missing.ts';
import {
  thisSystem,
  type GraphicsSystem,
  type VideoController,
  type VulkanAnswer,
} from './graphics/system.ts';
import { adapterOf, eachOnce, inOrder, lacks } from './graphics/vulkan-record.ts';

export type { GraphicsAdapter, GraphicsAdapters, MissingAdapter } from './graphics/adapter.ts';

/** Never throws: what fails is the reason why there is none. */
export async function graphicsAdapters(
  system: GraphicsSystem = thisSystem(),
): Promise<GraphicsAdapters> {
  if (!system.hasWebGpu) return { adapters: [], missing: withoutProvider(system) };
  if (system.platform.startsWith('darwin')) return { adapters: [appleAdapter(system)] };
  const answer = system.vulkan();
  return system.platform.startsWith('win32')
    ? onWindows(system, answer)
    : throughVulkan(system, answer);
}

function throughVulkan(system: GraphicsSystem, answer: VulkanAnswer): GraphicsAdapters {
  if ('failed' in answer) return { adapters: [], missing: afterFailure(system, answer) };
  const { records } = answer;
  if (records.length === 0) return { adapters: [], missing: withoutDriver(system) };
  const suitable = records.filter((record) => lacks(record).length === 0);
  if (suitable.length > 0) {
    return found(
      system,
      eachOnce(suitable).map((record) => adapterOf(record, 'Vulkan')),
    );
  }
  return { adapters: [], missing: allUnsuitable(system, records) };
}

function found(system: GraphicsSystem, listed: readonly GraphicsAdapter[]): GraphicsAdapters {
  const adapters = inOrder(listed);
  if (adapters[0].type !== 'software') return { adapters };
  const isAlone = adapters.every(({ type }) => type === 'software');
  return { adapters, missing: isAlone ? softwareAlone(system, adapters) : softwareFirst(adapters) };
}

/** Computes through Direct3D 12; Vulkan, which the same drivers bring, knows more of a card. */
async function onWindows(system: GraphicsSystem, answer: VulkanAnswer): Promise<GraphicsAdapters> {
  if ('records' in answer && answer.records.length > 0) {
    const records = eachOnce(answer.records);
    return found(
      system,
      records.map((record) => adapterOf(record, 'Direct3D 12')),
    );
  }
  try {
    const controllers = await system.controllers();
    if (controllers.length === 0) return { adapters: [], missing: windowsHasNone };
    return found(system, controllers.map(controllerAdapter));
  } catch (error) {
    return { adapters: [], missing: windowsIsSilent(reasonOf(error)) };
  }
}

const controllerAdapter = ({ name, maker, driver }: VideoController): GraphicsAdapter => ({
  name,
  maker,
  type: name.startsWith('Microsoft Basic') ? 'software' : 'unknown',
  api: 'Direct3D 12',
  driver: driver || undefined,
});

/** Apple silicon: shaders have half precision, and the memory is the machine's. */
const appleAdapter = ({ processor, memory }: GraphicsSystem): GraphicsAdapter => ({
  name: processor,
  maker: 'Apple',
  type: 'integrated',
  api: 'Metal',
  memory,
  halfPrecision: true,
});
