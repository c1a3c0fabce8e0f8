// Machines as `lora doctor` may find them.

import type { GraphicsAdapter, GraphicsAdapters } from '../runtime/adapters.ts';
import { examine, type DoctorReport, type Surroundings } from './examine.ts';
import type { Machine } from './machine.ts';
import type { Rates } from './measure.ts';

const GiB = 2 ** 30;

export const workstation: Machine = {
  system: {
    name: 'Ubuntu 24.04.1 LTS',
    platform: 'linux-x64',
    release: '6.8.0-45-generic',
    isWsl: false,
    isContainer: false,
  },
  processor: {
    name: 'AMD Ryzen 9 7950X',
    threads: 32,
    load: 0.4,
    features: { avx2: true, avx512: true, vnni: true, amx: false, bf16: true },
  },
  memory: { total: 64 * GiB, free: 50 * GiB, limit: null },
  disks: [
    { purpose: 'cache', path: '/home/ana/.cache/lora-scripts', free: 400 * GiB, total: 900 * GiB },
    { purpose: 'working folder', path: '/home/ana/brand', free: 400 * GiB, total: 900 * GiB },
  ],
};

export const radeon: GraphicsAdapter = {
  name: 'AMD Radeon RX 7800 XT',
  maker: 'AMD',
  type: 'discrete',
  api: 'Vulkan',
  driver: 'radv Mesa 25.0.7',
  memory: 16 * GiB,
  halfPrecision: true,
  largestBuffer: 2 * GiB,
};

export const fast: Rates = {
  products: 10e12,
  convolutions: 8e12,
  memory: 400e9,
  toDevice: 8e9,
  fromDevice: 4e9,
};
export const slow: Rates = { products: 300e9, convolutions: 200e9, memory: 20e9 };

export interface Found {
  readonly machine?: Machine;
  readonly graphics: GraphicsAdapters;
  readonly open?: Surroundings['open'];
  readonly measurements?: boolean;
}

/** The report on a machine that need not be there. */
export async function reportOn(found: Found): Promise<DoctorReport> {
  const surroundings: Surroundings = {
    machine: () => found.machine ?? workstation,
    graphics: () => Promise.resolve(found.graphics),
    open:
      found.open ??
      ((device) =>
        Promise.resolve({
          ownsMemory: device === 'webgpu',
          compile: () => Promise.reject(new Error('nothing is computed')),
          release: () => Promise.resolve(),
        })),
    measure: ({ ownsMemory }) => Promise.resolve(ownsMemory ? fast : slow),
  };
  const { measurements } = found;
  for await (const event of examine({ surroundings, measurements })) {
    if (event.type === 'report') return event.report;
  }
  throw new Error('there was no report');
}
