// What is asked of the machine to know its graphics cards, and how.

import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { reasonOf } from '../../util/caught.ts';
import { isObject } from '../../util/is-object.ts';
import { hasWebGpu } from '../onnxruntime/session.ts';
import { openForeign, type ForeignLibrary } from './foreign.ts';
import { vulkanDevices } from './vulkan.ts';
import { makers, type VulkanRecord } from './vulkan-record.ts';

export type VulkanAnswer =
  | { readonly records: readonly VulkanRecord[] }
  | { readonly failed: 'no-package' | 'no-loader' | 'failed'; readonly reason: string };

/** As Windows lists it. */
export interface VideoController {
  readonly name: string;
  readonly maker: string;
  readonly driver: string;
}

/** A machine, or a test's idea of one. */
export interface GraphicsSystem {
  /** Such as linux-x64. */
  readonly platform: string;
  /** Whether ONNX Runtime has WebGPU there. */
  readonly hasWebGpu: boolean;
  readonly isWsl: boolean;
  readonly isContainer: boolean;
  /** ID and ID_LIKE of /etc/os-release. */
  readonly distributions: readonly string[];
  /** Makers of the cards on the PCI bus, each once; undefined where the system does not tell. */
  readonly cards: readonly string[] | undefined;
  readonly processor: string;
  readonly memory: number;
  vulkan(): VulkanAnswer;
  /** Windows only; throws where it cannot be asked. */
  controllers(): Promise<readonly VideoController[]>;
}

export const thisSystem = (): GraphicsSystem => ({
  platform: `${process.platform}-${process.arch}`,
  hasWebGpu,
  isWsl: isWsl(),
  isContainer: isContainer(),
  distributions: distributionsOf(contents('/etc/os-release')),
  cards: cardsOn('/sys/bus/pci/devices'),
  processor: cpus()[0]?.model ?? '',
  memory: totalmem(),
  vulkan: askVulkan,
  controllers: askWindows,
});

/** Linux inside Windows. */
export const isWsl = (): boolean => process.platform === 'linux' && /microsoft/i.test(release());

export const isContainer = (): boolean =>
  existsSync('/.dockerenv') || existsSync('/run/.containerenv');

/** Of a small file of the system; empty where there is none. */
export function contents(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** `ubuntu` and `debian` of an Ubuntu's file. */
export const distributionsOf = (osRelease: string): string[] =>
  [...osRelease.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].flatMap(([, ids]) => ids.split(' '));

/** Class 3 of PCI: displays. */
function cardsOn(folder: string): string[] | undefined {
  try {
    const displays = readdirSync(folder).filter((name) =>
      contents(`${folder}/${name}/class`).startsWith('0x03'),
    );
    const ids = displays.map((name) => Number(contents(`${folder}/${name}/vendor`)));
    return [...new Set(ids.map((id) => makers[id] ?? `vendor 0x${id.toString(16)}`))];
  } catch {
    return undefined;
  }
}

/** Never throws. */
function askVulkan(): VulkanAnswer {
  const open = attempt('no-package', openForeign);
  if ('failed' in open) return open;
  const path = process.platform === 'win32' ? 'vulkan-1.dll' : 'libvulkan.so.1';
  const library = attempt('no-loader', () => open.value(path));
  if ('failed' in library) return library;
  const records = attempt('failed', () => devicesOf(library.value));
  return 'failed' in records ? records : { records: records.value };
}

function devicesOf(library: ForeignLibrary): VulkanRecord[] {
  try {
    return vulkanDevices(library);
  } finally {
    library.release();
  }
}

type Failure = Extract<VulkanAnswer, { failed: string }>;

function attempt<T>(failed: Failure['failed'], act: () => T): { readonly value: T } | Failure {
  try {
    return { value: act() };
  } catch (error) {
    return { failed, reason: reasonOf(error).split('\n')[0] };
  }
}

/** Milliseconds after which Windows is not waited for. */
const PATIENCE = 15_000;

async function askWindows(): Promise<readonly VideoController[]> {
  const query =
    'Get-CimInstance Win32_VideoController | ' +
    'Select-Object Name,AdapterCompatibility,DriverVersion | ConvertTo-Json -Compress';
  const { stdout } = await promisify(execFile)(
    'powershell.exe',
    ['-NoProfile', '-NonInteractive', '-Command', query],
    { timeout: PATIENCE, windowsHide: true },
  );
  return controllersOf(stdout);
}

/** From what ConvertTo-Json prints: an object, or a list where there are several. */
export function controllersOf(json: string): VideoController[] {
  const value: unknown = JSON.parse(json || '[]');
  return [value].flat().map((entry) => ({
    name: textOf(entry, 'Name'),
    maker: textOf(entry, 'AdapterCompatibility'),
    driver: textOf(entry, 'DriverVersion'),
  }));
}

function textOf(entry: unknown, key: string): string {
  if (!isObject(entry)) return '';
  const value = entry[key];
  return typeof value === 'string' ? value.trim() : '';
}
