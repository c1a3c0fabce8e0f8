// Asks Vulkan's loader for its devices. Layouts of structures are those of vulkan_core.h on
// 64-bit systems; sType and pNext are the first 16 bytes of each.

import type { ForeignLibrary } from './foreign.ts';
import {
  featureNames,
  type FeatureName,
  type MemoryHeap,
  type VulkanRecord,
} from './vulkan-record.ts';

const INCOMPATIBLE_DRIVER = -9;

/** What vkCreateInstance and vkEnumeratePhysicalDevices say; throws where they fail otherwise. */
export function vulkanDevices(library: ForeignLibrary): VulkanRecord[] {
  const instance = createInstance(library);
  if (instance === undefined) return [];
  try {
    return handles(library, instance).map((device) => recordOf(library, device));
  } finally {
    library.call('vkDestroyInstance', 'void', ['uintptr_t', 'uintptr_t'])(instance, 0);
  }
}

function checked(result: number, name: string): void {
  // VK_INCOMPLETE is 5: more devices came meanwhile
  if (result < 0) throw new Error(`${name} answered ${result}`);
}

/** Undefined where no driver fits. */
function createInstance(library: ForeignLibrary): bigint | undefined {
  const create = library.call('vkCreateInstance', 'int32', ['uintptr_t', 'uintptr_t', 'uintptr_t']);
  const application = library.block(48);
  application.view.setUint32(44, (1 << 22) | (3 << 12), true); // apiVersion 1.3
  const info = library.block(64);
  info.view.setUint32(0, 1, true); // VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO
  info.view.setBigUint64(24, application.address, true);
  const instance = library.block(8);
  const result = create(info.address, 0, instance.address);
  if (result === INCOMPATIBLE_DRIVER) return undefined;
  checked(result, 'vkCreateInstance');
  return instance.view.getBigUint64(0, true);
}

function handles(library: ForeignLibrary, instance: bigint): bigint[] {
  const name = 'vkEnumeratePhysicalDevices';
  const enumerate = library.call(name, 'int32', ['uintptr_t', 'uintptr_t', 'uintptr_t']);
  const count = library.block(4);
  checked(enumerate(instance, count.address, 0), name);
  const most = count.view.getUint32(0, true);
  // some drivers fail when they are asked for none (crbug.com/1475146)
  if (most === 0) return [];
  const list = library.block(8 * most);
  checked(enumerate(instance, count.address, list.address), name);
  const length = Math.min(most, count.view.getUint32(0, true));
  return Array.from({ length }, (_, i) => list.view.getBigUint64(8 * i, true));
}

/** sType and bytes of a structure. */
type Structure = readonly [sType: number, bytes: number];

const PROPERTIES_2: Structure = [1000059001, 840];
const DRIVER_PROPERTIES: Structure = [1000196000, 536];
const MAINTENANCE_3_PROPERTIES: Structure = [1000168000, 32];
const MAINTENANCE_4_PROPERTIES: Structure = [1000413001, 24];
const FEATURES_2: Structure = [1000059000, 240];
const STORAGE_16BIT_FEATURES: Structure = [1000083000, 32];
const FLOAT16_INT8_FEATURES: Structure = [1000082000, 24];
const MEMORY_PROPERTIES_2: Structure = [1000059006, 536];
const MEMORY_BUDGET: Structure = [1000237000, 272];

/** Structures that each extend the one before it; drivers pass over those that they do not know. */
function filled(
  library: ForeignLibrary,
  name: string,
  device: bigint,
  structures: readonly Structure[],
): DataView[] {
  const blocks = structures.map(([sType, bytes]) => {
    const block = library.block(bytes);
    block.view.setUint32(0, sType, true);
    return block;
  });
  for (const [i, { view }] of blocks.entries()) {
    view.setBigUint64(8, blocks.at(i + 1)?.address ?? 0n, true);
  }
  library.call(name, 'void', ['uintptr_t', 'uintptr_t'])(device, blocks[0].address);
  return blocks.map(({ view }) => view);
}

function recordOf(library: ForeignLibrary, device: bigint): VulkanRecord {
  return {
    ...propertiesOf(library, device),
    ...featuresOf(library, device),
    heaps: heapsOf(library, device),
  };
}

function propertiesOf(library: ForeignLibrary, device: bigint) {
  const [properties, driver, maintenance3, maintenance4] = filled(
    library,
    'vkGetPhysicalDeviceProperties2',
    device,
    [PROPERTIES_2, DRIVER_PROPERTIES, MAINTENANCE_3_PROPERTIES, MAINTENANCE_4_PROPERTIES],
  );
  return {
    apiVersion: properties.getUint32(16, true),
    vendorID: properties.getUint32(24, true),
    deviceType: properties.getUint32(32, true),
    deviceName: textAt(properties, 36),
    maxStorageBufferRange: properties.getUint32(340, true), // limits are at 312
    driverID: driver.getUint32(16, true),
    driverName: textAt(driver, 20),
    driverInfo: textAt(driver, 276),
    maxMemoryAllocationSize: bytesAt(maintenance3, 24),
    maxBufferSize: bytesAt(maintenance4, 16),
  };
}

function featuresOf(library: ForeignLibrary, device: bigint) {
  const [features, storage, float16] = filled(library, 'vkGetPhysicalDeviceFeatures2', device, [
    FEATURES_2,
    STORAGE_16BIT_FEATURES,
    FLOAT16_INT8_FEATURES,
  ]);
  const has = (view: DataView, i: number): boolean => view.getUint32(16 + 4 * i, true) !== 0;
  return {
    features: new Set(featureNames.filter((name) => has(features, featureIndices[name]))),
    storageBuffer16BitAccess: has(storage, 0),
    shaderFloat16: has(float16, 0),
  };
}

/** Places in VkPhysicalDeviceFeatures. */
const featureIndices: { readonly [F in FeatureName]: number } = {
  robustBufferAccess: 0,
  fullDrawIndexUint32: 1,
  imageCubeArray: 2,
  independentBlend: 3,
  sampleRateShading: 6,
  depthBiasClamp: 12,
  textureCompressionETC2: 20,
  textureCompressionASTC_LDR: 21,
  textureCompressionBC: 22,
  fragmentStoresAndAtomics: 26,
  shaderUniformBufferArrayDynamicIndexing: 33,
  shaderSampledImageArrayDynamicIndexing: 34,
  shaderStorageBufferArrayDynamicIndexing: 35,
  shaderStorageImageArrayDynamicIndexing: 36,
  shaderInt16: 41,
};

function heapsOf(library: ForeignLibrary, device: bigint): MemoryHeap[] {
  const [memory, budget] = filled(library, 'vkGetPhysicalDeviceMemoryProperties2', device, [
    MEMORY_PROPERTIES_2,
    ...(hasExtension(library, device, 'VK_EXT_memory_budget') ? [MEMORY_BUDGET] : []),
  ]);
  const length = memory.getUint32(276, true);
  return Array.from({ length }, (_, i) => {
    return {
      bytes: bytesAt(memory, 280 + 16 * i),
      deviceLocal: (memory.getUint32(288 + 16 * i, true) & 1) !== 0,
      budget: budget && { limit: bytesAt(budget, 16 + 8 * i), used: bytesAt(budget, 144 + 8 * i) },
    };
  });
}

function hasExtension(library: ForeignLibrary, device: bigint, wanted: string): boolean {
  const name = 'vkEnumerateDeviceExtensionProperties';
  const parameters = ['uintptr_t', 'uintptr_t', 'uintptr_t', 'uintptr_t'] as const;
  const enumerate = library.call(name, 'int32', parameters);
  const count = library.block(4);
  checked(enumerate(device, 0, count.address, 0), name);
  const most = count.view.getUint32(0, true);
  const list = library.block(260 * Math.max(1, most));
  checked(enumerate(device, 0, count.address, list.address), name);
  return Array.from({ length: most }, (_, i) => textAt(list.view, 260 * i)).includes(wanted);
}

const bytesAt = (view: DataView, at: number): number => Number(view.getBigUint64(at, true));

/** UTF-8 up to its zero. */
function textAt(view: DataView, at: number): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, 256);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(bytes.subarray(0, end < 0 ? 256 : end));
}
