// Why a machine has no adapter, and what to install on it.

import type { GraphicsAdapter, MissingAdapter } from './adapter.ts';
import type { GraphicsSystem, VulkanAnswer } from './system.ts';
import { adapterOf, lacks, type VulkanRecord } from './vulkan-record.ts';

export function withoutProvider({ platform }: GraphicsSystem): MissingAdapter {
  return {
    why: 'no-provider',
    found: `ONNX Runtime for Node has no WebGPU on ${platform}`,
    fixes: [],
  };
}

export function afterFailure(
  system: GraphicsSystem,
  { failed, reason }: Extract<VulkanAnswer, { failed: string }>,
): MissingAdapter {
  if (failed === 'no-loader') {
    return {
      why: 'no-loader',
      found: `Vulkan's loader cannot be opened (${reason})${cardless(system)}`,
      fixes: [loaderStep(system), ...driverSteps(system)],
    };
  }
  const isLeftOut = failed === 'no-package';
  return {
    why: 'cannot-tell',
    found: isLeftOut
      ? `@koromix/koffi-${system.platform}, through which Vulkan is asked, is not installed`
      : `Vulkan could not be asked for its devices (${reason})`,
    fixes: isLeftOut ? ['Install lora-scripts again, without --omit=optional'] : [UPDATE],
  };
}

export const withoutDriver = (system: GraphicsSystem): MissingAdapter => ({
  why: 'no-driver',
  found: `Vulkan's loader is there, but no driver offers it a device${cardless(system)}`,
  fixes: driverSteps(system),
});

/** A card whose own driver is missing is not seen: a Vulkan in software may be all that is. */
export const allUnsuitable = (
  system: GraphicsSystem,
  records: readonly VulkanRecord[],
): MissingAdapter => ({
  why: 'unsuitable',
  found:
    records
      .map((record) => `${record.deviceName} lacks what WebGPU needs: ${lacks(record).join(', ')}`)
      .join('; ') + cardless(system),
  fixes: records.every((record) => adapterOf(record, 'Vulkan').type === 'software')
    ? driverSteps(system)
    : [UPDATE],
});

export const softwareAlone = (
  system: GraphicsSystem,
  adapters: readonly GraphicsAdapter[],
): MissingAdapter => ({
  why: 'software-only',
  found: `${adapters[0].name} computes on the processor${cardless(system)}`,
  fixes: system.platform.startsWith('linux') ? driverSteps(system) : [UPDATE],
});

/** A virtual card is of no kind that Dawn knows, and comes last. */
export const softwareFirst = ([first, ...others]: readonly GraphicsAdapter[]): MissingAdapter => {
  const card = others.find(({ type }) => type !== 'software')?.name ?? '';
  return {
    why: 'software-first',
    found: `WebGPU takes ${first.name}, which computes on the processor, before ${card}`,
    fixes: [
      `Show Vulkan the driver of ${card} alone: VK_DRIVER_FILES=/usr/share/vulkan/icd.d/<its file>.json`,
    ],
  };
};

export const windowsHasNone: MissingAdapter = {
  why: 'no-driver',
  found: 'Windows lists no graphics card',
  fixes: [],
};

export const windowsIsSilent = (reason: string): MissingAdapter => ({
  why: 'cannot-tell',
  found: `Windows could not be asked for its graphics cards (${reason})`,
  fixes: [],
});

const UPDATE = 'Install the current driver of the graphics card';

/** Then no driver helps, and none is advised. */
const cardless = (system: GraphicsSystem): string =>
  !system.isWsl && knownCards(system)?.length === 0
    ? ', and this machine has no graphics card'
    : '';

/** Undefined where the system does not tell; a server's console and a virtual screen are none. */
const knownCards = ({ cards }: GraphicsSystem): readonly string[] | undefined =>
  cards?.filter((maker) => maker in drivers);

type Family = 'debian' | 'fedora' | 'arch' | 'suse';
const families: readonly Family[] = ['debian', 'fedora', 'arch', 'suse'];

const familyOf = ({ distributions }: GraphicsSystem): Family | undefined =>
  families.find((family) =>
    distributions.some((id) => id.includes(family) || (family === 'fedora' && id === 'rhel')),
  );

const loaders: { readonly [F in Family]: string } = {
  debian: 'sudo apt install libvulkan1',
  fedora: 'sudo dnf install vulkan-loader',
  arch: 'sudo pacman -S vulkan-icd-loader',
  suse: 'sudo zypper install libvulkan1',
};

const loaderStep = (system: GraphicsSystem): string => {
  const family = familyOf(system);
  return family
    ? `Install Vulkan's loader: ${loaders[family]}`
    : "Install Vulkan's loader (libvulkan.so.1) with this system's package manager";
};

const mesa: { readonly [F in Family]: string } = {
  debian: 'sudo apt install mesa-vulkan-drivers',
  fedora: 'sudo dnf install mesa-vulkan-drivers',
  arch: 'sudo pacman -S vulkan-radeon vulkan-intel',
  suse: 'sudo zypper install libvulkan_radeon libvulkan_intel',
};

const mesaStep = (system: GraphicsSystem): string => {
  const family = familyOf(system);
  return family
    ? `Install Mesa's Vulkan drivers: ${mesa[family]}`
    : "Install Mesa's Vulkan drivers";
};

const nvidiaStep = (system: GraphicsSystem): string =>
  system.isContainer
    ? 'Start the container with its graphics part: --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all ' +
      "(NVIDIA's container toolkit hands on no Vulkan otherwise)"
    : "Install NVIDIA's driver with its Vulkan part (nvidia_icd.json; packages for servers without " +
      'a screen often leave it out)';

/** By a card's maker. */
const drivers: Readonly<Record<string, (system: GraphicsSystem) => string>> = {
  NVIDIA: nvidiaStep,
  AMD: mesaStep,
  Intel: mesaStep,
  'Moore Threads': () => 'Install the driver of Moore Threads',
};

/** For the cards that are there; for NVIDIA, AMD and Intel where the system does not tell. */
function driverSteps(system: GraphicsSystem): string[] {
  if (system.isWsl) {
    return ['WSL hands no card on to Vulkan: install Node on Windows itself and run lora there'];
  }
  const cards = knownCards(system);
  if (cards) return [...new Set(cards.map((maker) => drivers[maker](system)))];
  return [`NVIDIA: ${nvidiaStep(system)}`, `AMD, Intel: ${mesaStep(system)}`];
}
