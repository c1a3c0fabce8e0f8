// Devices as Vulkan lists them. lavapipe and SwiftShader are as they were seen; the others are made
// up in the likeness of such cards.

import { featureNames, type VulkanRecord } from './vulkan-record.ts';

const GiB = 2 ** 30;
const MiB = 2 ** 20;
const version = (minor: number): number => (1 << 22) | (minor << 12);

const desktop = new Set(
  featureNames.filter((n) => n !== 'textureCompressionETC2' && n !== 'textureCompressionASTC_LDR'),
);

export const amd: VulkanRecord = {
  apiVersion: version(3),
  vendorID: 0x1002,
  deviceName: 'AMD Radeon RX 7800 XT (RADV NAVI32)',
  deviceType: 2,
  driverID: 3,
  driverName: 'radv',
  driverInfo: 'Mesa 25.0.7',
  maxStorageBufferRange: 4 * GiB - 1,
  maxMemoryAllocationSize: 2 * GiB - 1,
  maxBufferSize: 2 * GiB,
  features: desktop,
  shaderFloat16: true,
  storageBuffer16BitAccess: true,
  heaps: [
    { bytes: 15 * GiB, deviceLocal: false },
    { bytes: 16 * GiB, deviceLocal: true },
  ],
};

export const geforce: VulkanRecord = {
  ...amd,
  vendorID: 0x10de,
  deviceName: 'NVIDIA GeForce RTX 4090',
  driverID: 4,
  driverName: 'NVIDIA',
  driverInfo: '570.86.16',
  maxMemoryAllocationSize: 4 * GiB - 32 * MiB,
  maxBufferSize: 1024 * GiB,
  heaps: [
    { bytes: 24 * GiB, deviceLocal: true, budget: { limit: 23 * GiB, used: GiB } },
    { bytes: 23 * GiB, deviceLocal: false, budget: { limit: 23 * GiB, used: 0 } },
    { bytes: 246 * MiB, deviceLocal: true, budget: { limit: 240 * MiB, used: 0 } },
  ],
};

export const iris: VulkanRecord = {
  ...amd,
  vendorID: 0x8086,
  deviceName: 'Intel(R) Iris(R) Xe Graphics (TGL GT2)',
  deviceType: 1,
  driverID: 6,
  driverName: 'Intel open-source Mesa driver',
  driverInfo: 'Mesa 25.0.7',
  maxStorageBufferRange: GiB,
  maxBufferSize: 4 * GiB,
  heaps: [{ bytes: 15 * GiB, deviceLocal: true }],
};

export const radeonApu: VulkanRecord = {
  ...amd,
  deviceName: 'AMD Radeon 780M (RADV PHOENIX)',
  deviceType: 1,
  heaps: [
    { bytes: 5 * GiB, deviceLocal: false },
    { bytes: 10 * GiB, deviceLocal: true },
  ],
};

/** A virtual machine's card. */
export const virtio: VulkanRecord = {
  ...amd,
  deviceName: 'Virtio-GPU Venus (NVIDIA GeForce RTX 4090)',
  deviceType: 3,
  driverName: 'venus',
};

export const swiftShader: VulkanRecord = {
  ...amd,
  vendorID: 0x1ae0,
  deviceName: 'SwiftShader Device (Subzero)',
  deviceType: 4,
  driverID: 10,
  driverName: 'SwiftShader driver',
  driverInfo: '',
  maxStorageBufferRange: GiB,
  maxMemoryAllocationSize: GiB,
  maxBufferSize: GiB,
  features: new Set(featureNames.filter((name) => name !== 'shaderInt16')),
  shaderFloat16: false,
  storageBuffer16BitAccess: false,
  heaps: [{ bytes: 2 * GiB, deviceLocal: true }],
};

/** Of Mesa 22, as Debian 12 has it. */
export const lavapipe: VulkanRecord = {
  ...swiftShader,
  vendorID: 0x10005,
  deviceName: 'llvmpipe (LLVM 15.0.6, 256 bits)',
  driverID: 13,
  driverName: 'llvmpipe',
  driverInfo: 'Mesa 22.3.6 (LLVM 15.0.6)',
  maxStorageBufferRange: 128 * MiB,
  maxMemoryAllocationSize: 2 * GiB,
  maxBufferSize: 4 * GiB - 1,
  features: new Set(
    [...desktop].filter(
      (n) =>
        n !== 'shaderSampledImageArrayDynamicIndexing' &&
        n !== 'shaderStorageImageArrayDynamicIndexing',
    ),
  ),
  shaderFloat16: true,
  storageBuffer16BitAccess: true,
};
