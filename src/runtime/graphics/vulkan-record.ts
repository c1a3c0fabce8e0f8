// What Vulkan says of a device, and what Dawn makes of it: Dawn is the WebGPU inside ONNX Runtime.
// After Dawn 1e975e28, src/dawn/native: vulkan/PhysicalDeviceVk.cpp, vulkan/VulkanInfo.cpp,
// d3d12/PhysicalDeviceD3D12.cpp and Adapter.cpp.

import type { AdapterType, GraphicsAdapter, GraphicsApi } from './adapter.ts';

/** Members of VkPhysicalDeviceFeatures that decide here. */
export const featureNames = [
  'robustBufferAccess',
  'fullDrawIndexUint32',
  'imageCubeArray',
  'independentBlend',
  'sampleRateShading',
  'depthBiasClamp',
  'textureCompressionETC2',
  'textureCompressionASTC_LDR',
  'textureCompressionBC',
  'fragmentStoresAndAtomics',
  'shaderUniformBufferArrayDynamicIndexing',
  'shaderSampledImageArrayDynamicIndexing',
  'shaderStorageBufferArrayDynamicIndexing',
  'shaderStorageImageArrayDynamicIndexing',
  'shaderInt16',
] as const;
export type FeatureName = (typeof featureNames)[number];

export interface MemoryHeap {
  readonly bytes: number;
  /** Of the device, not of the host. */
  readonly deviceLocal: boolean;
  /** What this process may have of it, and what it has; where the driver tells. */
  readonly budget?: { readonly limit: number; readonly used: number };
}

/** Fields by the names of Vulkan's structures; what the driver does not have is 0 or empty. */
export interface VulkanRecord {
  /** Encoded: major << 22 | minor << 12 | patch. */
  readonly apiVersion: number;
  readonly vendorID: number;
  readonly deviceName: string;
  /** VkPhysicalDeviceType. */
  readonly deviceType: number;
  /** VkDriverId. */
  readonly driverID: number;
  readonly driverName: string;
  readonly driverInfo: string;
  readonly maxStorageBufferRange: number;
  readonly maxMemoryAllocationSize: number;
  /** Of maintenance4; 0 without it. */
  readonly maxBufferSize: number;
  readonly features: ReadonlySet<FeatureName>;
  readonly shaderFloat16: boolean;
  readonly storageBuffer16BitAccess: boolean;
  readonly heaps: readonly MemoryHeap[];
}

/** PCI and Khronos identifiers of vendors. */
export const makers: Readonly<Record<number, string>> = {
  0x1002: 'AMD',
  0x1010: 'Imagination',
  0x106b: 'Apple',
  0x10de: 'NVIDIA',
  0x13b5: 'Arm',
  0x1414: 'Microsoft',
  0x144d: 'Samsung',
  0x14e4: 'Broadcom',
  0x15ad: 'VMware',
  0x19e5: 'Huawei',
  0x1ae0: 'Google',
  0x1af4: 'Red Hat',
  0x1ed5: 'Moore Threads',
  0x5143: 'Qualcomm',
  0x8086: 'Intel',
  0x10005: 'Mesa',
};
const NVIDIA = 0x10de;
const QUALCOMM = 0x5143;

/** VK_DRIVER_ID_MESA_DOZEN: Vulkan on Direct3D 12, a second entry for a card that has its own. */
const DOZEN = 23;

/** By VkPhysicalDeviceType. */
const types: Readonly<Record<number, AdapterType>> = {
  1: 'integrated',
  2: 'discrete',
  3: 'virtual',
  4: 'software',
};

const MiB = 2 ** 20;
const GiB = 2 ** 30;

/** How a record becomes an adapter where WebGPU goes through `api`. */
export function adapterOf(record: VulkanRecord, api: GraphicsApi): GraphicsAdapter {
  const heap = ownHeap(record);
  return {
    name: record.deviceName,
    maker: makers[record.vendorID] ?? `vendor 0x${record.vendorID.toString(16)}`,
    type: types[record.deviceType] ?? 'unknown',
    api,
    driver: `${record.driverName} ${record.driverInfo}`.trim() || undefined,
    memory: heap?.bytes,
    freeMemory: heap?.budget && Math.max(0, heap.budget.limit - heap.budget.used),
    halfPrecision: api === 'Vulkan' ? halfPrecision(record) : undefined,
    largestBuffer: api === 'Vulkan' ? largestBuffer(record) : largestDirect3dBuffer(record),
  };
}

/**
 * The largest heap of the device. Not their sum: a driver may list the part that the processor
 * sees a second time.
 */
function ownHeap({ heaps }: VulkanRecord): MemoryHeap | undefined {
  const own = heaps.filter(({ deviceLocal }) => deviceLocal);
  return own.sort((a, b) => b.bytes - a.bytes)[0];
}

/**
 * Dawn's `shader-f16`, with the toggles of ONNX Runtime 1.30: `vulkan_enable_f16_on_nvidia`, and
 * `decompose_uniform_buffers`, without which uniform buffers would have to hold 16 bits, too.
 */
const halfPrecision = (record: VulkanRecord): boolean =>
  record.shaderFloat16 && record.features.has('shaderInt16') && record.storageBuffer16BitAccess;

/** The smaller one of `maxBufferSize` and `maxStorageBufferBindingSize`. */
function largestBuffer(record: VulkanRecord): number {
  const buffer = record.maxBufferSize || record.maxMemoryAllocationSize;
  // OpArrayLength is 0 from 2 GiB on with NVIDIA's driver (crbug.com/435684920)
  const binding = record.vendorID === NVIDIA ? 2 * GiB - 4 : record.maxStorageBufferRange;
  return Math.min(buffer, binding);
}

const largestDirect3dBuffer = ({ vendorID }: VulkanRecord): number =>
  vendorID === QUALCOMM ? 256 * MiB : 2 * GiB;

const isBC = (f: VulkanRecord['features']): boolean => f.has('textureCompressionBC');
const isMobile = (f: VulkanRecord['features']): boolean =>
  f.has('textureCompressionETC2') && f.has('textureCompressionASTC_LDR');

/** Each is asked for by name. */
const required = featureNames.filter(
  (name) => !name.startsWith('textureCompression') && name !== 'shaderInt16',
);

/** What Dawn's Vulkan needs and the device lacks, by Vulkan's names; none where it is taken. */
export function lacks(record: VulkanRecord): readonly string[] {
  const { features, apiVersion } = record;
  return [
    ...(apiVersion < ((1 << 22) | (1 << 12)) ? ['Vulkan 1.1'] : []),
    ...required.filter((name) => !features.has(name)),
    ...(isBC(features) || isMobile(features) ? [] : ['textureCompressionBC']),
    ...(largestBuffer(record) < 128 * MiB ? ['buffers of 128 MiB'] : []),
  ];
}

/**
 * Dawn's order on Vulkan: discrete, integrated, software, then all others, a virtual one among
 * them. On Direct3D it is the system's for high performance, where software comes last.
 */
const rank = ({ api, type }: GraphicsAdapter): number => {
  if (type === 'discrete') return 0;
  if (type === 'integrated') return 1;
  return (type === 'software') === (api === 'Vulkan') ? 2 : 3;
};

/** The order in which Dawn takes them, asked for high performance; equals keep their order. */
export const inOrder = (adapters: readonly GraphicsAdapter[]): GraphicsAdapter[] =>
  [...adapters].sort((a, b) => rank(a) - rank(b));

/** Each card once: without the entries that translate to Direct3D 12 where there are others. */
export function eachOnce(records: readonly VulkanRecord[]): readonly VulkanRecord[] {
  const native = records.filter(({ driverID }) => driverID !== DOZEN);
  return native.length > 0 ? native : records;
}
