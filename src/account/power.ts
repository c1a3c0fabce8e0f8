// What power this machine draws: as configured, as the system measures it, or a guess.

import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { readSystem, type ReadSystem } from '../runtime/system-memory.ts';

/** Where the energy of an account comes from. */
export interface PowerSource {
  readonly how: 'measured' | 'given' | 'guessed';
  /** What is counted, in words: `the processor, by its own counter`. */
  readonly of: string;
  /** Why nothing better is known, where something could be done about it. */
  readonly hint?: string;
}

/** Energy since it was opened; to be read every few seconds, as it may have to add up power. */
export interface Meter {
  readonly source: PowerSource;
  /** Joules after so many seconds. */
  read(seconds: number): number;
}

/** The machine as its files show it, or a test's idea of one. */
export interface PowerSystem {
  readonly read: ReadSystem;
  /** Names in a folder; none where it is not there. */
  readonly list: (folder: string) => readonly string[];
  readonly threads: number;
}

const thisPowerSystem = (): PowerSystem => ({
  read: readSystem,
  list: (folder) => {
    try {
      return readdirSync(folder).sort();
    } catch {
      return [];
    }
  },
  threads: availableParallelism(),
});

export interface PowerOptions {
  /** `power_watts` of the configuration. */
  readonly watts?: number;
  /** Whether a graphics card computes. */
  readonly onCard?: boolean;
}

/**
 * What counts the energy: what was configured, before what the whole machine measures of itself,
 * before what its parts do, before a guess.
 */
export function openMeter(
  { watts, onCard = false }: PowerOptions,
  system: PowerSystem = thisPowerSystem(),
): Meter {
  if (watts !== undefined) return steady(watts, { how: 'given', of: `${watts} W, as configured` });
  const whole = wholeMachine(system) ?? parts(system, onCard);
  return whole ?? guess(system, onCard);
}

const steady = (watts: number, source: PowerSource): Meter => ({
  source,
  read: (seconds) => watts * seconds,
});

const measured = (of: string, read: Meter['read']): Meter => ({
  source: { how: 'measured', of },
  read,
});

/** A number in a file of the system; undefined where there is none. */
function numberIn({ read }: PowerSystem, path: string): number | undefined {
  const number = Number(read(path)?.trim() || NaN);
  return Number.isFinite(number) ? number : undefined;
}

const SUPPLIES = '/sys/class/power_supply';
const SENSORS = '/sys/class/hwmon';
const COUNTERS = '/sys/class/powercap';

function wholeMachine(system: PowerSystem): Meter | undefined {
  const plug = sensors(system, ['power_meter'])[0]; // ACPI's, of servers
  if (plug !== undefined) return measured('the whole machine, by its power meter', summed([plug]));
  const battery = batteryPower(system);
  if (battery !== undefined)
    return measured('the whole machine, by what its battery gives', summed([battery]));
  const platform = counters(system).filter(({ name }) => name === 'psys');
  if (platform.length === 0) return undefined;
  return measured('the whole machine, by the counter of its processor', counted(system, platform));
}

/** The processor's counters, with the memory's where it has one, and the card's sensor. */
function parts(system: PowerSystem, onCard: boolean): Meter | undefined {
  const found = counters(system).filter(({ name }) => /^(package|dram)/.test(name));
  const cards = sensors(system, ['amdgpu', 'nouveau', 'xe', 'i915']);
  if (found.length === 0 || (onCard && cards.length === 0)) return undefined;
  const [processor, card] = [counted(system, found), summed(cards)];
  const of = [
    'the processor',
    ...(found.some(({ name }) => name === 'dram') ? ['the memory'] : []),
    ...(cards.length > 0 ? ['the graphics card'] : []),
  ];
  return measured(
    `${of.join(' and ')}, by their own counters, without the rest of the machine`,
    (seconds) => processor(seconds) + card(seconds),
  );
}

type Power = () => number | undefined;

/** Of chips with these names: watts. */
function sensors(system: PowerSystem, names: readonly string[]): Power[] {
  return system.list(SENSORS).flatMap((entry): Power[] => {
    const folder = join(SENSORS, entry);
    if (!names.includes(system.read(join(folder, 'name'))?.trim() ?? '')) return [];
    const files = ['power1_average', 'power1_input'].map((file) => join(folder, file));
    const file = files.find((path) => numberIn(system, path) !== undefined);
    return file === undefined ? [] : [() => microwatts(numberIn(system, file))];
  });
}

const microwatts = (value: number | undefined): number | undefined =>
  value === undefined ? undefined : value / 1e6;

/** Watts that all batteries give, while the machine lives on them. */
function batteryPower(system: PowerSystem): Power | undefined {
  const batteries = batteriesOf(system);
  const isDischarging = (folder: string) =>
    system.read(join(folder, 'status'))?.trim() === 'Discharging';
  const power = () =>
    batteries
      .filter(isDischarging)
      .map((folder) => wattsOf(system, folder))
      .reduce((sum, watts) => (watts === undefined ? sum : (sum ?? 0) + watts), undefined);
  return power() === undefined ? undefined : power;
}

const batteriesOf = (system: PowerSystem): string[] =>
  system
    .list(SUPPLIES)
    .map((entry) => join(SUPPLIES, entry))
    .filter((folder) => system.read(join(folder, 'type'))?.trim() === 'Battery')
    .filter((folder) => system.read(join(folder, 'scope'))?.trim() !== 'Device'); // a mouse's

/** Some batteries tell current and voltage, in millionths, instead of power. */
function wattsOf(system: PowerSystem, folder: string): number | undefined {
  const of = (name: string) => numberIn(system, join(folder, name));
  const [power, current, voltage] = [of('power_now'), of('current_now'), of('voltage_now')];
  if (power !== undefined) return Math.abs(power) / 1e6;
  if (current === undefined || voltage === undefined) return undefined;
  return (Math.abs(current) * voltage) / 1e12;
}

/** Energy of what tells power: each value holds from the look before on. */
function summed(powers: readonly Power[]): Meter['read'] {
  let [joules, last] = [0, 0];
  const watts = powers.map((power) => power() ?? 0);
  return (seconds) => {
    powers.forEach((power, i) => {
      const now = power() ?? watts[i]; // a sensor that is silent for a moment
      joules += ((watts[i] + now) / 2) * (seconds - last);
      watts[i] = now;
    });
    last = seconds;
    return joules;
  };
}

interface Counter {
  /** `package-0`, `dram`, `psys`. */
  readonly name: string;
  readonly path: string;
}

/** Those of RAPL that may be read, of packages and what is in them. */
const counters = (system: PowerSystem): Counter[] =>
  zones(system)
    .map((path) => ({ path, name: system.read(join(path, 'name'))?.trim() ?? '' }))
    .filter(({ path }) => numberIn(system, join(path, 'energy_uj')) !== undefined);

/** `intel-rapl:0`, `intel-rapl:0:1`; those of `intel-rapl-mmio` count the same again. */
const zones = (system: PowerSystem): string[] =>
  system
    .list(COUNTERS)
    .filter((name) => /^intel-rapl(:\d+)+$/.test(name))
    .map((name) => join(COUNTERS, name));

/** Counters begin anew when they are full. */
function counted(system: PowerSystem, found: readonly Counter[]): Meter['read'] {
  let microjoules = 0;
  const last = found.map(({ path }) => numberIn(system, join(path, 'energy_uj')) ?? 0);
  return () => {
    found.forEach(({ path }, i) => {
      const now = numberIn(system, join(path, 'energy_uj')) ?? last[i];
      const most = numberIn(system, join(path, 'max_energy_range_uj')) ?? 0;
      microjoules += now >= last[i] ? now - last[i] : now + most - last[i];
      last[i] = now;
    });
    return microjoules / 1e6;
  };
}

/** Of a laptop whose processor has much to do. */
const LAPTOP = 40;
/** Of other machines: what they draw in any case, and for each thread of the processor. */
const MACHINE = { base: 25, thread: 6 };
const CARD = 200;

const CLOSED = `The processor counts its energy, but only root may read it. To open it until the next start of the machine: sudo chmod a+r ${COUNTERS}/intel-rapl:*/energy_uj. Or say with power_watts what the machine draws.`;

/** Rough: half or twice as much would be no surprise. */
function guess(system: PowerSystem, onCard: boolean): Meter {
  const isLaptop = batteriesOf(system).length > 0;
  const machine = isLaptop ? LAPTOP : MACHINE.base + MACHINE.thread * system.threads;
  const watts = machine + (onCard ? CARD : 0);
  const kind = isLaptop ? 'a laptop' : `a machine of ${system.threads} threads`;
  const of = `${watts} W, a guess for ${kind}${onCard ? ' with a graphics card' : ''}`;
  const isClosed = zones(system).length > counters(system).length;
  return steady(watts, { how: 'guessed', of, ...(isClosed && { hint: CLOSED }) });
}
