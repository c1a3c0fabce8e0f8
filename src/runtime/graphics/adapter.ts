// A graphics card as the plan, `auto` and `lora doctor` see it.

export type AdapterType = 'discrete' | 'integrated' | 'virtual' | 'software' | 'unknown';
export type GraphicsApi = 'Vulkan' | 'Direct3D 12' | 'Metal';

/** What the system does not tell is undefined. Sizes are bytes. */
export interface GraphicsAdapter {
  readonly name: string;
  readonly maker: string;
  readonly type: AdapterType;
  readonly api: GraphicsApi;
  readonly driver?: string;
  /** Its own memory; of an integrated one what it shares with the processor. */
  readonly memory?: number;
  /** What of `memory` this process can have now. */
  readonly freeMemory?: number;
  /** Whether shaders compute in float16 and load and store it. */
  readonly halfPrecision?: boolean;
  /** The most that one tensor may have. */
  readonly largestBuffer?: number;
}

export const absences = [
  'no-provider',
  'no-loader',
  'no-driver',
  'unsuitable',
  'software-only',
  'software-first',
  'cannot-tell',
] as const;

/**
 * Why there is no adapter: ONNX Runtime has no WebGPU for this system; no Vulkan loader; a loader
 * without a driver that knows a device; devices that lack what WebGPU needs; adapters in software
 * alone, or before the card in WebGPU's order; the system could not be asked.
 */
export type Absence = (typeof absences)[number];

export interface GraphicsAdapters {
  /** In the order in which they are taken: the first one computes. */
  readonly adapters: readonly GraphicsAdapter[];
  /** Where the first one is no graphics card. */
  readonly missing?: MissingAdapter;
}

export interface MissingAdapter {
  readonly why: Absence;
  /** A sentence without its full stop. */
  readonly found: string;
  /** What would help, one step each, without its full stop; none where nothing does. */
  readonly fixes: readonly string[];
}
