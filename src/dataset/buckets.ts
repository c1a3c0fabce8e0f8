// Aspect-ratio buckets by kohya's rules: which size a picture is trained at, how it is scaled and
// cut. Rules: sd-scripts `make_bucket_resolutions` and `BucketManager`.
import type { Placement } from './image.ts';

export type Size = readonly [width: number, height: number];

export interface BucketOptions {
  /** The size whose area every bucket keeps below. */
  readonly resolution: Size;
  /** Smallest and largest side of a bucket. Defaults: `bucketLimits`. */
  readonly minSize?: number;
  readonly maxSize?: number;
  /** Sides are multiples of this, default 64. */
  readonly step?: number;
  /** Pictures are never enlarged: each has its own size, rounded down. */
  readonly noUpscale?: boolean;
  /** False: one bucket of exactly `resolution`. */
  readonly enabled?: boolean;
}

/** Where one picture goes. */
export interface BucketChoice extends Placement {
  readonly bucket: Size;
}

const DEFAULT_STEP = 64;

/**
 * Default limits: kohya's 256 and 1024; below 512 px half and twice the resolution, where 256 would
 * leave a single bucket; from 1024 px twice the resolution, where 1024 would leave only buckets
 * with that side.
 */
export function bucketLimits({ resolution, minSize, maxSize }: BucketOptions): {
  minSize: number;
  maxSize: number;
} {
  const side = Math.min(...resolution);
  const small = side < 512;
  return {
    minSize: minSize ?? (small ? Math.floor(side / 2) : 256),
    maxSize: maxSize ?? (small || side >= 1024 ? 2 * Math.max(...resolution) : 1024),
  };
}

/** All buckets for an area, sorted by width, then height. */
export function makeBuckets(options: BucketOptions): Size[] {
  if (options.enabled === false) return [options.resolution];
  const { minSize, maxSize } = bucketLimits(options);
  const step = options.step ?? DEFAULT_STEP;
  const area = options.resolution[0] * options.resolution[1];
  const square = Math.floor(Math.sqrt(area) / step) * step;
  const sizes: Size[] = [[square, square]];
  for (let w = minSize; w <= maxSize; w += step) {
    const h = Math.min(maxSize, Math.floor(Math.floor(area / w) / step) * step);
    if (h >= minSize) sizes.push([w, h], [h, w]);
  }
  return unique(sizes);
}

function unique(sizes: readonly Size[]): Size[] {
  const byName = new Map(sizes.map((size) => [size.join('x'), size]));
  return [...byName.values()].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
}

/**
 * The bucket of equal size, else of nearest aspect ratio; the picture is scaled to cover it and cut
 * in the middle.
 */
export function selectBucket(
  width: number,
  height: number,
  buckets: readonly Size[],
): BucketChoice {
  const exact = buckets.find(([w, h]) => w === width && h === height);
  const ratio = width / height;
  const distance = ([w, h]: Size): number => Math.abs(w / h - ratio);
  const bucket =
    exact ?? buckets.reduce((best, next) => (distance(next) < distance(best) ? next : best));
  return cover(width, height, bucket);
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
  return centre(resized, bucket);
}

const centre = (resized: Size, bucket: Size): BucketChoice => ({
  bucket,
  resized,
  crop: [
    Math.floor((resized[0] - bucket[0]) / 2),
    Math.floor((resized[1] - bucket[1]) / 2),
    bucket[0],
    bucket[1],
  ],
});

/**
 * The bucket of a picture that must not be enlarged: the picture's own size, or the largest of its
 * aspect ratio within the area, rounded down to `step`. The limits do not count. A side shorter
 * than `step` is enlarged to it all the same.
 */
export function selectBucketNoUpscale(
  width: number,
  height: number,
  { resolution, step = DEFAULT_STEP }: BucketOptions,
): BucketChoice {
  const area = resolution[0] * resolution[1];
  const resized =
    width * height > area ? shrinkToArea(width / height, area, step) : ([width, height] as const);
  const bucket = resized.map((side) => Math.floor(side / step) * step);
  if (bucket[0] < step || bucket[1] < step)
    return cover(width, height, [Math.max(step, bucket[0]), Math.max(step, bucket[1])]);
  return centre(resized, [bucket[0], bucket[1]]);
}

/**
 * Of the sizes with a whole width and with a whole height, in steps, the one nearer to the ratio.
 */
function shrinkToArea(ratio: number, area: number, step: number): Size {
  const round = (x: number): number => Math.floor(Math.floor(x + 0.5) / step) * step;
  const width = Math.sqrt(area * ratio);
  const [w, h] = [round(width), round(area / width)];
  const errorOfWidth = Math.abs(w / round(w / ratio) - ratio);
  const errorOfHeight = Math.abs(round(h * ratio) / h - ratio);
  return errorOfWidth < errorOfHeight
    ? [w, Math.floor(w / ratio + 0.5)]
    : [Math.floor(h * ratio + 0.5), h];
}

/** The bucket of a picture of the given size under the options. */
export function bucketFor(width: number, height: number, options: BucketOptions): BucketChoice {
  if (options.noUpscale === true && options.enabled !== false)
    return selectBucketNoUpscale(width, height, options);
  return selectBucket(width, height, makeBuckets(options));
}
