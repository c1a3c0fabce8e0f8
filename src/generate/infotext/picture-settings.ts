// How a picture is made, in numbers and names, and as WebUI's text: one from the other.

import type { Problem } from '../../errors.ts';
import { emphases, type Emphasis } from '../prompt/emphasis.ts';
import { completeFields, parseInfotext, type CompleteFields } from './parse-infotext.ts';
import { remainingWarnings } from './unsupported-fields.ts';
import { writeInfotext } from './write-infotext.ts';

export interface PictureSettings {
  /** With the adapters that it names. */
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly steps?: number;
  /** WebUI's name, such as `DPM++ 2M`; in old pictures with the schedule, `DPM++ 2M Karras`. */
  readonly sampler?: string;
  /** WebUI's name, such as `Karras`. */
  readonly schedule?: string;
  readonly guidance?: number;
  readonly seed?: number;
  readonly width?: number;
  readonly height?: number;
  readonly clipSkip?: number;
  readonly emphasis?: Emphasis;
  readonly noiseSource?: 'nv' | 'cpu';
  /** "Eta noise seed delta" */
  readonly seedDelta?: number;
  readonly eta?: number;
  readonly variation?: { readonly seed: number; readonly strength: number };
  readonly resizedFrom?: { readonly width: number; readonly height: number };
  /** Of a picture to begin with, or of the second pass. */
  readonly denoising?: number;
  readonly hires?: HiresSettings;
  readonly model?: string;
  /** The first ten digits of the file's SHA-256. */
  readonly modelHash?: string;
  readonly vae?: string;
  readonly vaeHash?: string;
  /** Of each adapter, by the name in the prompt: the first twelve digits of its AutoV3 hash. */
  readonly loraHashes?: ReadonlyMap<string, string>;
  /** Textual inversions that it was made with: `parsePrompt` refuses them by name. */
  readonly embeddings?: readonly string[];
  /** Of the program that made it. */
  readonly version?: string;
}

/** A second pass, enlarged. */
export interface HiresSettings {
  readonly scale?: number;
  readonly width?: number;
  readonly height?: number;
  readonly steps?: number;
  readonly upscaler?: string;
  readonly sampler?: string;
  readonly schedule?: string;
  readonly prompt?: string;
  readonly negativePrompt?: string;
}

export interface SettingsFound {
  readonly settings: PictureSettings;
  /** Values that cannot be: a seed that is no number. */
  readonly problems: readonly Problem[];
  /** What the picture was made with and this program does not have. */
  readonly warnings: readonly Problem[];
}

/** `where`: what messages call the text, such as the picture's path. */
export function pictureSettingsOf(infotext: string, where: string): SettingsFound {
  const read = new Reader(completeFields(parseInfotext(infotext)), where);
  const settings: PictureSettings = {
    prompt: read.text('Prompt') ?? '',
    negativePrompt: read.text('Negative prompt') ?? '',
    width: read.number('Size-1'),
    height: read.number('Size-2'),
    clipSkip: read.number('Clip skip'),
    emphasis: emphasisOf(read),
    ...samplingOf(read),
    hires: hiresOf(read),
    ...filesOf(read),
  };
  return {
    settings: definedOnly(settings),
    problems: read.problems,
    warnings: remainingWarnings(read.fields, where),
  };
}

const samplingOf = (read: Reader) => ({
  steps: read.number('Steps'),
  sampler: read.text('Sampler'),
  schedule: read.text('Schedule type'),
  guidance: read.number('CFG scale'),
  seed: read.number('Seed'),
  // WebUI's GPU is the stream of NV where the card is of NVIDIA
  noiseSource: read.text('RNG') === 'CPU' ? ('cpu' as const) : ('nv' as const),
  seedDelta: read.number('ENSD'),
  eta: read.number('Eta') ?? read.number('Eta DDIM'),
  variation: both(
    read.number('Variation seed'),
    read.number('Variation seed strength'),
    (seed, strength) => ({ seed, strength }),
  ),
  resizedFrom: both(
    read.number('Seed resize from-1'),
    read.number('Seed resize from-2'),
    (width, height) => ({ width, height }),
  ),
  denoising: read.number('Denoising strength'),
});

const filesOf = (read: Reader) => ({
  model: read.text('Model'),
  modelHash: read.text('Model hash'),
  vae: read.text('VAE'),
  vaeHash: read.text('VAE hash'),
  loraHashes: hashesOf(read.text('Lora hashes')),
  embeddings: namesIn(read.text('TI hashes')),
  version: read.text('Version'),
});

class Reader {
  readonly fields: CompleteFields;
  readonly problems: Problem[] = [];
  readonly #where: string;

  constructor(fields: CompleteFields, where: string) {
    this.fields = fields;
    this.#where = where;
  }

  text(key: string): string | undefined {
    const value = this.fields.get(key);
    return value === undefined ? undefined : String(value);
  }

  number(key: string): number | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    const value = text.trim() === '' ? NaN : Number(text);
    if (Number.isFinite(value)) return value;
    this.problems.push({
      where: this.#where,
      what: `its setting ${key.replace(/-[12]$/, '')} is ${JSON.stringify(text)}; expected a number`,
    });
    return undefined;
  }
}

function emphasisOf(read: Reader): Emphasis | undefined {
  const name = read.text('Emphasis')?.toLowerCase().replace(' ', '_');
  return emphases.find((emphasis) => emphasis === name);
}

const both = <T>(
  a: number | undefined,
  b: number | undefined,
  made: (a: number, b: number) => T,
): T | undefined => (a === undefined || b === undefined ? undefined : made(a, b));

function hiresOf(read: Reader): HiresSettings | undefined {
  const [width, height] = ['Hires resize-1', 'Hires resize-2'].map((key) => read.number(key) ?? 0);
  const scale = read.number('Hires upscale');
  if (scale === undefined && width === 0 && height === 0) return undefined;
  return definedOnly({
    scale,
    width: width || undefined,
    height: height || undefined,
    steps: read.number('Hires steps'),
    upscaler: read.text('Hires upscaler'),
    sampler: unlessSame(read.text('Hires sampler'), 'Use same sampler'),
    schedule: unlessSame(read.text('Hires schedule type'), 'Use same scheduler'),
    prompt: unlessSame(read.text('Hires prompt'), ''),
    negativePrompt: unlessSame(read.text('Hires negative prompt'), ''),
  });
}

const unlessSame = (value: string | undefined, same: string): string | undefined =>
  value === same ? undefined : value;

/** `brand: 0123456789ab, ink: ba9876543210` */
function hashesOf(text: string | undefined): ReadonlyMap<string, string> | undefined {
  if (text === undefined) return undefined;
  return new Map(
    text.split(',').flatMap((part): [string, string][] => {
      const [name, hash] = part.split(':').map((each) => each.trim());
      return hash === undefined ? [] : [[name, hash]];
    }),
  );
}

function namesIn(text: string | undefined): readonly string[] | undefined {
  const hashes = hashesOf(text);
  return hashes === undefined ? undefined : [...hashes.keys()];
}

/** Without the keys whose value is undefined. */
function definedOnly<T extends object>(value: T): T {
  // Only keys whose value may be undefined are gone.
  return Object.fromEntries(
    Object.entries(value).filter(([, each]) => each !== undefined),
  ) as unknown as T;
}

/** In WebUI's order; what it leaves out where it is usual is left out here. */
export function infotextOf(settings: PictureSettings): string {
  const { prompt, negativePrompt, width, height, hires, variation, resizedFrom } = settings;
  return writeInfotext({
    prompt,
    negativePrompt,
    fields: [
      ['Steps', settings.steps],
      ['Sampler', settings.sampler],
      ['Schedule type', settings.schedule],
      ['CFG scale', settings.guidance],
      ['Seed', settings.seed],
      ['Size', sizeOf(width, height)],
      ['Model hash', settings.modelHash],
      ['Model', settings.model],
      ['VAE hash', settings.vaeHash],
      ['VAE', settings.vae],
      ['Variation seed', variation?.seed],
      ['Variation seed strength', variation?.strength],
      ['Seed resize from', sizeOf(resizedFrom?.width, resizedFrom?.height)],
      ['Denoising strength', settings.denoising],
      ['Clip skip', settings.clipSkip === 1 ? undefined : settings.clipSkip],
      ['ENSD', settings.seedDelta === 0 ? undefined : settings.seedDelta],
      ['RNG', settings.noiseSource?.toUpperCase()],
      [settings.sampler === 'DDIM' ? 'Eta DDIM' : 'Eta', settings.eta],
      ...hiresFields(hires),
      ['Emphasis', emphasisName(settings.emphasis)],
      ['Lora hashes', hashesText(settings.loraHashes)],
      ['Version', settings.version],
    ],
  });
}

const sizeOf = (width: number | undefined, height: number | undefined): string | undefined =>
  both(width, height, (w, h) => `${w}x${h}`);

const hiresFields = (hires: HiresSettings | undefined) =>
  [
    ['Hires upscale', hires?.scale],
    ['Hires resize', sizeOf(hires?.width, hires?.height)],
    ['Hires sampler', hires?.sampler],
    ['Hires schedule type', hires?.schedule],
    ['Hires prompt', hires?.prompt],
    ['Hires negative prompt', hires?.negativePrompt],
    ['Hires steps', hires?.steps],
    ['Hires upscaler', hires?.upscaler],
  ] as const;

const emphasisNames: { readonly [E in Emphasis]: string | undefined } = {
  original: undefined,
  no_norm: 'No norm',
  ignore: 'Ignore',
  none: 'None',
};
const emphasisName = (emphasis: Emphasis | undefined) =>
  emphasis === undefined ? undefined : emphasisNames[emphasis];

/** WebUI takes commas and colons out of the names. */
const hashesText = (hashes: ReadonlyMap<string, string> | undefined): string | undefined =>
  hashes === undefined || hashes.size === 0
    ? undefined
    : [...hashes].map(([name, hash]) => `${name.replace(/[:,]/g, '')}: ${hash}`).join(', ');
