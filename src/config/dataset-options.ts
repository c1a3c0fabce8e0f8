// The options of the data set: where the pictures are, their captions, sizes and buckets.
import { z } from 'zod';
import { forImages, integer, text } from '../util/options.ts';

const side = integer(16, 8192);

const resolutionText = 'a size such as 512, "768,512" or [768, 512], each side from 16 to 8192';

/** `768` | `"768,512"` | `[768, 512]` -> [width, height] in pixels. */
const resolution = z
  .union([
    side,
    z.string().regex(/^\s*\d+\s*[,x]\s*\d+\s*$/, resolutionText),
    z.tuple([side, side]),
  ])
  .transform((value): readonly [number, number] => {
    if (typeof value === 'number') return [value, value];
    const [width, height] = typeof value === 'string' ? value.split(/[,x]/).map(Number) : value;
    return [width, height];
  })
  .refine(
    (sides) => sides.every((value) => side.safeParse(value).success),
    'each side must be from 16 to 8192',
  );

export const datasetOptions = {
  train_data_dir: text().describe(
    'image: folder of pictures, with a metadata.csv, with a caption file beside each picture, or with folders named <repeats>_<name>. text-generation: a file of samples (.jsonl, .json, .csv, .txt) or a folder of such files.',
  ),
  metadata_path: text()
    .optional()
    .describe(
      'CSV file with the columns filename and prompt. When absent: metadata.csv in train_data_dir, if there is one.',
    )
    .meta(forImages),
  caption_extension: z
    .string()
    .regex(/^\.?[^./\\]+$/, 'an ending such as .txt')
    .default('.txt')
    .transform((extension) => (extension.startsWith('.') ? extension : `.${extension}`))
    .describe('Ending of the caption files.')
    .meta(forImages),
  resolution: resolution
    .optional()
    .describe(
      'Size of the training pictures in pixels: 512, "768,512" or [768, 512]. When absent: the size the base model was made for, else 512.',
    )
    .meta({ ...forImages, expected: resolutionText }),
  enable_bucket: z
    .boolean()
    .default(true)
    .describe(
      'Keeps the proportions of each picture, sorting pictures into buckets of about the same area; where more than a tenth of a picture is cut off, it is named. false: all are cropped to resolution.',
    )
    .meta(forImages),
  min_bucket_reso: side
    .optional()
    .describe(
      'Shortest side of a bucket, rounded down to a multiple of bucket_reso_steps. When absent: 256; at resolutions below 512, half the resolution.',
    )
    .meta(forImages),
  max_bucket_reso: side
    .optional()
    .describe(
      'Longest side of a bucket, rounded up to a multiple of bucket_reso_steps. When absent: 1024; at resolutions below 512 and from 1024 on, twice the resolution.',
    )
    .meta(forImages),
  bucket_reso_steps: integer(1, 1024)
    .optional()
    .describe(
      'The sides of buckets are multiples of this, which is a multiple of what the autoencoder of the base model takes (8 in Stable Diffusion 1.x). When absent: 64; at resolutions below 512, the largest power of two in a tenth of the resolution.',
    )
    .meta(forImages),
  bucket_no_upscale: z
    .boolean()
    .default(false)
    .describe('Never enlarges a picture; buckets are made to fit the pictures.')
    .meta(forImages),
  cache_latents: z
    .boolean()
    .default(true)
    .describe('Encodes each picture once and keeps the result on disk.')
    .meta(forImages),
};
