// Aspect-ratio buckets by kohya's rules: which size a picture is trained at, how it is scaled and
// cut. Rules after sd-scripts `make_bucket_resolutions` and `BucketManager`.
import type { Placement } from './image.ts';

export type Size = readonly [width: number, height: number];

export interface BucketOptions {
  /** The size whose area every bucket keeps below. */
  readonly resolution: Size;
  /** Smallest and largest side of a bucket. Defaults: `bucketRules`. */
  readonly minSize?: number;
  readonly maxSize?: number;
  /** Sides are multiples of this. Default: `bucketRules`. */
  readonly step?: number;
  /** What the base model needs sides to be multiples of; default 8, as in Stable Diffusion 1.x. */
  readonly unit?: number;
  /** Pictures are never enlarged: each has its own size, rounded down. */
  readonly noUpscale?: boolean;
  /** False: one bucket of exactly `resolution`. */
  readonly enabled?: boolean;
}

/** Options with everything said; the limits are multiples of the step. */
export type BucketRules = Required<BucketOptions>;

/** Where one picture goes. */
export interface BucketChoice extends Placement {
  readonly bucket: Size;
}

/** The resolution from which on kohya's defaults are taken as they are. */
const KOHYA_SIDE = 512;

/**
 * Fills in the defaults, and rounds the limits to the step, the smallest down and the largest up.
 *
 * From 512 px on these are kohya's: steps of 64, sides from 256 to 1024; from 1024 px on to twice
 * the resolution, where 1024 would leave only buckets with that side. Below 512 px half and twice
 * the resolution, in steps of the largest power of two in a tenth of it, where 64 would leave a
 * handful of buckets and cut off half of a portrait.
 */
export function bucketRules(options: BucketOptions): BucketRules {
  const { resolution, unit = 8, noUpscale = false, enabled = true } = options;
  const side = squareSide(resolution);
  const isSmall = side < KOHYA_SIDE;
  const step = options.step ?? Math.max(unit, isSmall ? 2 ** Math.floor(Math.log2(side / 10)) : 64);
  const smallest = options.minSize ?? Math.min(isSmall ? side / 2 : 256, ...resolution);
  const largest =
    options.maxSize ?? Math.max(isSmall || side >= 1024 ? 2 * side : 1024, ...resolution);
  return {
    resolution,
    minSize: Math.max(step, roundDown(smallest, step)),
    maxSize: Math.ceil(largest / step) * step,
    step,
    unit,
    noUpscale,
    enabled,
  };
}

/** The side of the square of the same area. */
const squareSide = ([width, height]: Size): number => Math.sqrt(width * height);

const roundDown = (value: number, step: number): number => Math.floor(value / step) * step;

/** The limits that were given and cannot be kept: which, and why. */
export type BucketFault = {
  readonly option: 'resolution' | 'minSize' | 'maxSize' | 'step';
  readonly what: string;
  readonly fix: string;
};

/** Why there can be no buckets by these options; empty where there are some. */
export function bucketFaults(options: BucketOptions): BucketFault[] {
  const { resolution, step, unit, enabled, minSize, maxSize } = bucketRules(options);
  const name = resolution.join('x');
  if (!enabled) return resolution.every((side) => side % unit === 0) ? [] : [oddSize(name, unit)];
  if (step % unit !== 0) return [oddStep(step, unit)];
  const square = roundDown(squareSide(resolution), step);
  const isWidest = (side: number) => `no picture of the area of ${name} has both sides ${side}`;
  if (square === 0)
    return [
      {
        option: options.step === undefined ? 'resolution' : 'step',
        what: `${name} is too small for sides that are multiples of ${step}`,
        fix: `Give a resolution of at least ${step}.`,
      },
    ];
  if (options.noUpscale === true) return [];
  const small: BucketFault = {
    option: 'minSize',
    what: `${isWidest(square)} or more, if none may be shorter than ${minSize}`,
    fix: `Give at most ${square}, or a higher resolution.`,
  };
  const large: BucketFault = {
    option: 'maxSize',
    what: `the resolution ${name} cannot be reached with sides of at most ${maxSize}`,
    fix: `Give at least ${square}, or a lower resolution.`,
  };
  return [...(minSize > square ? [small] : []), ...(maxSize < square ? [large] : [])];
}

const oddSize = (name: string, unit: number): BucketFault => ({
  option: 'resolution',
  what: `${name} cannot be trained without buckets: the autoencoder of this base model takes pictures whose sides are multiples of ${unit}`,
  fix: `Give multiples of ${unit}, or enable_bucket: true.`,
});

const oddStep = (step: number, unit: number): BucketFault => ({
  option: 'step',
  what: `the autoencoder of this base model takes pictures whose sides are multiples of ${unit}, and ${step} is not`,
  fix: `Give a multiple of ${unit}.`,
});

/** All buckets for an area, sorted by width, then height. */
export function makeBuckets(options: BucketOptions): Size[] {
  const { resolution, enabled, minSize, maxSize, step } = bucketRules(options);
  if (!enabled) return [resolution];
  const area = resolution[0] * resolution[1];
  const square = roundDown(Math.sqrt(area), step);
  const sizes: Size[] = [[square, square]];
  for (let w = minSize; w <= maxSize; w += step) {
    const h = Math.min(maxSize, roundDown(area / w, step));
    if (h >= minSize) sizes.push([w, h], [h, w]);
  }
  return unique(sizes);
}

function unique(sizes: readonly Size[]): Size[] {
  const byName = new Map(sizes.map((size) => [size.join('x'), size]));
  return [...byName.values()].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
}

/**
 * The bucket of equal size, else the one that cuts off the smallest share of the picture, of
 * several the largest; the picture is scaled to cover it and cut in the middle. Kohya compares
 * width / height instead, which treats a portrait otherwise than the same picture turned.
 */
export function selectBucket(
  width: number,
  height: number,
  buckets: readonly Size[],
): BucketChoice {
  const exact = buckets.find(([w, h]) => w === width && h === height);
  if (exact !== undefined) return cover(width, height, exact);
  // kept = min(bucket's ratio / picture's ratio, picture's ratio / bucket's ratio)
  const kept = ([w, h]: Size): number =>
    Math.min((w * height) / (h * width), (h * width) / (w * height));
  const better = (a: Size, b: Size): boolean =>
    Math.abs(kept(a) - kept(b)) > 1e-9 ? kept(a) > kept(b) : a[0] * a[1] > b[0] * b[1];
  return cover(
    width,
    height,
    buckets.reduce((best, next) => (better(next, best) ? next : best)),
  );
}

/** Scales so that the bucket is covered, then trims both sides alike. */
function cover(width: number, height: number, bucket: Size): BucketChoice {
  const [w, h] = bucket;
  const scale = width / height > w / h ? h / height : w / width;
  // scale rounds: a side that should meet the bucket must not fall short of it
  const resized = [
    Math.max(w, Math.floor(width * scale + 0.5)),
    Math.max(h, Math.floor(height * scale + 0.5)),
  ] as const;
  const crop = [Math.floor((resized[0] - w) / 2), Math.floor((resized[1] - h) / 2), w, h] as const;
  return { bucket, resized, crop };
}

/**
 * The bucket of a picture that must not be enlarged: its own size, or the largest of its
 * proportions within the area, each side rounded down to the step, or to the unit where it is
 * shorter than a step. The limits do not count. A side shorter than the unit is enlarged to it.
 * Kohya keeps the scale and cuts off what exceeds the bucket; here the picture is made smaller, and
 * less is cut.
 */
export function selectBucketNoUpscale(
  width: number,
  height: number,
  options: BucketOptions,
): BucketChoice {
  const { resolution, step, unit } = bucketRules(options);
  const area = resolution[0] * resolution[1];
  const inSteps = (side: number): number => roundDown(side, step) || roundDown(side, unit) || unit;
  // a root that should be whole may fall short of it
  const scale = Math.min(1, Math.sqrt(area / (width * height))) * (1 + 1e-9);
  const [w, h] = [inSteps(width * scale), inSteps(height * scale)];
  // only a strip whose short side is lengthened to the unit exceeds the area
  return cover(width, height, [Math.min(w, inSteps(area / h)), Math.min(h, inSteps(area / w))]);
}

/** The bucket of a picture of the given size under the options. */
export function bucketFor(width: number, height: number, options: BucketOptions): BucketChoice {
  if (options.noUpscale === true && options.enabled !== false)
    return selectBucketNoUpscale(width, height, options);
  return selectBucket(width, height, makeBuckets(options));
}

/** The share of the scaled picture that is cut off to fit its bucket, from 0 to 1. */
export const shareCutOff = ({ resized, bucket }: BucketChoice): number =>
  1 - (bucket[0] * bucket[1]) / (resized[0] * resized[1]);
