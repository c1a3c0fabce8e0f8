// The machine without its graphics cards: system, processor, memory, disk.

import { execFileSync } from 'node:child_process';
import { existsSync, statfsSync } from 'node:fs';
import {
  availableParallelism,
  cpus,
  freemem,
  loadavg,
  release,
  totalmem,
  type,
  version,
} from 'node:os';
import { dirname, resolve } from 'node:path';
import { openForeign } from '../runtime/graphics/foreign.ts';
import { memoryLimit } from '../runtime/memory.ts';
import { contents, isContainer, isWsl } from '../runtime/graphics/system.ts';
import { cacheFolder } from '../storage/cache-folder.ts';

export const processorFeatures = ['avx2', 'avx512', 'vnni', 'amx', 'bf16'] as const;
export type ProcessorFeature = (typeof processorFeatures)[number];

/** null: the system does not tell. */
export type ProcessorFeatures = { readonly [F in ProcessorFeature]: boolean | null };

export interface Machine {
  readonly system: {
    readonly name: string;
    /** Such as linux-x64. */
    readonly platform: string;
    readonly release: string;
    /** Linux inside Windows. */
    readonly isWsl: boolean;
    readonly isContainer: boolean;
  };
  readonly processor: {
    readonly name: string;
    /** That this process may use. */
    readonly threads: number;
    /** Programs that wanted to compute during the last minute; null on Windows. */
    readonly load: number | null;
    readonly features: ProcessorFeatures;
  };
  /** Bytes. */
  readonly memory: {
    readonly total: number;
    readonly free: number;
    /** What this process may have, in a container; null where that is all. */
    readonly limit: number | null;
  };
  readonly disks: readonly Disk[];
}

export interface Disk {
  readonly purpose: 'cache' | 'working folder';
  readonly path: string;
  /** Bytes; null where the system does not tell. */
  readonly free: number | null;
  readonly total: number | null;
}

export const thisMachine = (): Machine => ({
  system: {
    name: systemName(contents('/etc/os-release')),
    platform: `${process.platform}-${process.arch}`,
    release: release(),
    isWsl: isWsl(),
    isContainer: isContainer(),
  },
  processor: {
    name: cpus()[0]?.model.trim() || 'unknown',
    threads: availableParallelism(),
    load: process.platform === 'win32' ? null : loadavg()[0],
    features: featuresHere(),
  },
  memory: { total: totalmem(), free: freemem(), limit: memoryLimit() ?? null },
  disks: [diskOf('cache', cacheFolder()), diskOf('working folder', process.cwd())],
});

/** From /etc/os-release; elsewhere as the system calls itself. */
function systemName(osRelease: string): string {
  const [, pretty] = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(osRelease) ?? [];
  if (pretty !== undefined) return pretty;
  return process.platform === 'win32' ? version() : `${type()} ${release()}`;
}

function diskOf(purpose: Disk['purpose'], path: string): Disk {
  try {
    const { bavail, blocks, bsize } = statfsSync(existing(path));
    return { purpose, path, free: bavail * bsize, total: blocks * bsize };
  } catch {
    return { purpose, path, free: null, total: null };
  }
}

/** The folder, or the nearest one above it that is there. */
function existing(path: string): string {
  const above = dirname(resolve(path));
  return existsSync(path) || above === path ? path : existing(above);
}

const unknown: ProcessorFeatures = {
  avx2: null,
  avx512: null,
  vnni: null,
  amx: null,
  bf16: null,
};

function featuresHere(): ProcessorFeatures {
  if (process.platform === 'linux') return linuxFeatures(contents('/proc/cpuinfo'));
  if (process.platform === 'darwin') return appleFeatures(appleFlag);
  if (process.platform === 'win32') return windowsFeatures(windowsFlags());
  return unknown;
}

/** Lists of flags: x86's `flags`, Arm's `Features`. */
export function linuxFeatures(cpuinfo: string): ProcessorFeatures {
  const [, list] = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo) ?? [];
  if (list === undefined) return unknown;
  const flags = new Set(list.split(/\s+/));
  const has = (...names: readonly string[]): boolean => names.some((name) => flags.has(name));
  return {
    avx2: has('avx2'),
    avx512: has('avx512f'),
    vnni: has('avx512_vnni', 'avx_vnni'),
    amx: has('amx_tile'),
    bf16: has('avx512_bf16', 'amx_bf16', 'bf16'),
  };
}

/** Numbers of IsProcessorFeaturePresent (winnt.h); it knows no others of ours. */
export const windowsFeatures = (flag: (feature: number) => boolean | null): ProcessorFeatures => ({
  ...unknown,
  avx2: flag(40),
  avx512: flag(41),
});

function windowsFlags(): (feature: number) => boolean | null {
  try {
    const kernel = openForeign()('kernel32.dll');
    const isPresent = kernel.call('IsProcessorFeaturePresent', 'int32', ['uint32']);
    return (feature) => isPresent(feature) !== 0;
  } catch {
    return () => null;
  }
}

/** Apple silicon has none of x86's. */
export const appleFeatures = (flag: (name: string) => boolean | null): ProcessorFeatures => ({
  avx2: flag('hw.optional.avx2_0') ?? false,
  avx512: flag('hw.optional.avx512f') ?? false,
  vnni: false,
  amx: false,
  bf16: flag('hw.optional.arm.FEAT_BF16'),
});

function appleFlag(name: string): boolean | null {
  try {
    const stdio = ['ignore', 'pipe', 'ignore'] as const;
    return execFileSync('sysctl', ['-n', name], { stdio: [...stdio], timeout: 2000 })
      .toString()
      .startsWith('1');
  } catch {
    return null;
  }
}
