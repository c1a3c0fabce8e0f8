// What `lora doctor` finds: the machine, its graphics cards, what `auto` takes, rates measured here
// and now, and what they let expect. The report is a value; its keys are those of
// `lora doctor --json` (docs/devices.md).

import packageJson from '../../package.json' with { type: 'json' };
import { UserError } from '../errors.ts';
import {
  graphicsAdapters,
  type GraphicsAdapter,
  type GraphicsAdapters,
} from '../runtime/adapters.ts';
import { openRuntime, type Runtime } from '../runtime/runtime.ts';
import { runtimeVersion } from '../runtime/version.ts';
import { reasonOf } from '../util/caught.ts';
import { chooseDevice, withoutCard } from '../runtime/devices.ts';
import { estimatesOf, type Estimate } from './estimate.ts';
import { thisMachine, type Machine } from './machine.ts';
import { measure, type Measurable, type MeasureOptions, type Rates } from './measure.ts';

export type MeasuredDevice = 'cpu' | 'webgpu';

/** null stands for what is not known or does not apply. */
export interface DoctorReport extends Machine {
  readonly software: {
    readonly loraScripts: string;
    readonly node: string;
    readonly onnxRuntime: string;
  };
  readonly graphics: {
    /** The first one is the one that WebGPU takes. */
    readonly adapters: readonly AdapterReport[];
    readonly missing: GraphicsAdapters['missing'] | null;
  };
  readonly auto: AutoChoice;
  readonly measured: readonly Measured[];
  /** What to install or to free. */
  readonly advice: readonly string[];
}

/** All keys are there. */
export type AdapterReport = Pick<GraphicsAdapter, Told> & {
  readonly [K in Exclude<keyof GraphicsAdapter, Told>]-?: Exclude<
    GraphicsAdapter[K],
    undefined
  > | null;
};
type Told = 'name' | 'maker' | 'type' | 'api';

export interface Measured {
  readonly device: MeasuredDevice;
  /** Why there are no rates. */
  readonly skipped: string | null;
  readonly rates: RatesReport | null;
  readonly estimates: readonly Estimate[];
}

/** With why it cannot be opened, which is part of no report. */
interface Tried extends Measured {
  readonly closed?: string;
}

/** A second. */
export interface RatesReport {
  /** Floating-point operations. */
  readonly products: number;
  readonly convolutions: number;
  /** Bytes. */
  readonly memory: number;
  readonly toDevice: number | null;
  readonly fromDevice: number | null;
}

export type DoctorEvent =
  | { readonly type: 'measuring'; readonly device: MeasuredDevice }
  | { readonly type: 'report'; readonly report: DoctorReport };

/** What `device: auto` takes. */
export interface AutoChoice {
  readonly device: MeasuredDevice;
  /** A sentence without its full stop. */
  readonly reason: string;
}

/** What is asked; a test gives its own. */
export interface Surroundings {
  readonly machine: () => Machine;
  readonly graphics: () => Promise<GraphicsAdapters>;
  readonly open: (device: MeasuredDevice) => Promise<Measurable & Pick<Runtime, 'release'>>;
  readonly measure: (runtime: Measurable, options: MeasureOptions) => Promise<Rates>;
}

const here: Surroundings = {
  machine: thisMachine,
  graphics: graphicsAdapters,
  open: (device) => openRuntime({ device }),
  measure,
};

export interface ExamineOptions {
  /** Default true. */
  readonly measurements?: boolean;
  readonly surroundings?: Surroundings;
}

/** Milliseconds to measure one device in; what is prepared first comes on top. */
const BUDGET = 3500;

/** Ends with the report. Nothing that fails on the way ends it: it is in the report. */
export async function* examine({
  measurements = true,
  surroundings = here,
}: ExamineOptions = {}): AsyncGenerator<DoctorEvent> {
  const machine = surroundings.machine();
  const graphics = await surroundings.graphics();
  const tried: Tried[] = [];
  for (const device of ['cpu', 'webgpu'] as const) {
    const reason = measurements ? unmeasurable(device, graphics) : 'not asked for';
    if (reason === undefined) yield { type: 'measuring', device };
    tried.push(
      reason === undefined ? await measuredOn(device, surroundings) : skippedFor(device, reason),
    );
  }
  yield { type: 'report', report: reportOf(machine, graphics, tried) };
}

function unmeasurable(device: MeasuredDevice, { missing, adapters }: GraphicsAdapters) {
  if (device === 'cpu' || adapters.length > 0) return undefined;
  return missing?.found ?? 'there is no graphics card';
}

const skippedFor = (device: MeasuredDevice, skipped: string): Measured => ({
  device,
  skipped,
  rates: null,
  estimates: [],
});

async function measuredOn(
  device: MeasuredDevice,
  { open, measure: measureOn }: Surroundings,
): Promise<Tried> {
  let runtime: Awaited<ReturnType<Surroundings['open']>>;
  try {
    runtime = await open(device);
  } catch (error) {
    const closed = oneLine(error);
    return { ...skippedFor(device, closed), closed };
  }
  try {
    const rates = await measureOn(runtime, { budget: BUDGET });
    const { toDevice = null, fromDevice = null } = rates;
    return {
      device,
      skipped: null,
      rates: { ...rates, toDevice, fromDevice },
      estimates: estimatesOf(rates),
    };
  } catch (error) {
    return skippedFor(device, oneLine(error));
  } finally {
    await runtime.release();
  }
}

const oneLine = (error: unknown): string =>
  error instanceof UserError
    ? error.problems.map(({ what }) => what).join('; ')
    : reasonOf(error).split('\n')[0];

function reportOf(
  machine: Machine,
  graphics: GraphicsAdapters,
  tried: readonly Tried[],
): DoctorReport {
  return {
    ...machine,
    software: {
      loraScripts: packageJson.version,
      node: process.versions.node,
      onnxRuntime: runtimeVersion,
    },
    graphics: {
      adapters: graphics.adapters.map(allKeys),
      missing: graphics.missing ?? null,
    },
    auto: autoDevice(graphics, tried),
    measured: tried.map(({ closed: _, ...measured }) => measured),
    advice: adviceFor(machine, graphics),
  };
}

const allKeys = (adapter: GraphicsAdapter): AdapterReport => ({
  name: adapter.name,
  maker: adapter.maker,
  type: adapter.type,
  api: adapter.api,
  driver: adapter.driver ?? null,
  memory: adapter.memory ?? null,
  freeMemory: adapter.freeMemory ?? null,
  halfPrecision: adapter.halfPrecision ?? null,
  largestBuffer: adapter.largestBuffer ?? null,
});

/** A Stable Diffusion 1.5, encoded pictures and a few adapters. */
const ENOUGH_DISK = 5 * 2 ** 30;

function adviceFor({ disks, processor, system }: Machine, { missing }: GraphicsAdapters): string[] {
  const full = disks.filter(({ free }) => free !== null && free < ENOUGH_DISK);
  return [
    ...(missing?.fixes ?? []),
    ...full.map(
      ({ purpose, path }) =>
        `Free some of the disk of the ${purpose}, ${path}: less than 5 GiB are left`,
    ),
    ...(processor.features.avx2 === false && system.platform.endsWith('x64')
      ? ['Use a processor with AVX2: without it products take several times as long']
      : []),
  ];
}

/** A run opens the card, too: it takes the processor where that fails. */
function autoDevice(graphics: GraphicsAdapters, tried: readonly Tried[]): AutoChoice {
  const chosen = chooseDevice('auto', graphics);
  const closed = tried.find(({ device }) => device === 'webgpu')?.closed;
  const { card, reason = '' } =
    chosen.card === undefined || closed === undefined ? chosen : withoutCard(chosen.card, closed);
  return { device: card === undefined ? 'cpu' : 'webgpu', reason };
}
