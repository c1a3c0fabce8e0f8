// What a run may be told to compute on, and what it takes.

import { ConfigError, SystemError } from '../errors.ts';
import type { GraphicsAdapter, GraphicsAdapters } from './graphics/adapter.ts';

/** `auto` takes what suits the machine. */
export const devices = ['auto', 'cpu', 'webgpu'] as const;
export type Device = (typeof devices)[number];

/** What to do where another is named. */
export const deviceRemedy =
  "Any maker's graphics card is webgpu; leave it out, and it is taken where there is one.";

/** Throws ConfigError where `found` is none; it stands at `where`. */
export function deviceNamed(found: string, where: string): Device {
  const device = devices.find((name) => name === found);
  if (device !== undefined) return device;
  const what = `expected one of ${devices.join(', ')}; found "${found}"`;
  throw new ConfigError([{ where, what, fix: deviceRemedy }]);
}

export interface Choice {
  /** The graphics card to compute on; the processor computes where there is none. */
  readonly card?: GraphicsAdapter;
  /** Why, where the machine decided. */
  readonly reason?: string;
}

/**
 * What computes on this machine. Throws SystemError where `webgpu` is asked for and there is
 * nothing that it could use.
 */
export function chooseDevice(device: Device, { adapters, missing }: GraphicsAdapters): Choice {
  if (device === 'cpu') return {};
  const [card] = adapters;
  if (device === 'auto') return chooseFor(card, missing?.found);
  if (card !== undefined) return { card };
  throw new SystemError([
    {
      where: 'device',
      what: `webgpu finds no graphics card: ${missing?.found ?? 'the system names none'}`,
      fix: `${[...(missing?.fixes ?? []), 'device: cpu computes without one'].join('; ')}.`,
    },
  ]);
}

/** What `auto` takes where the card cannot be opened, `what` says why. */
export const withoutCard = ({ name }: GraphicsAdapter, what: string): Choice => ({
  reason: `${name}: ${what}`,
});

function chooseFor(
  card: GraphicsAdapter | undefined,
  missing = 'there is no graphics card',
): Choice {
  return card === undefined || card.type === 'software'
    ? { reason: missing }
    : { card, reason: `${card.name} is there; a run that has no room on it takes the processor` };
}
