// Pictures of numbers that are not bytes: what stands for black and white in them.

/** The number that is white (0 is black), or why none can be told. */
export type NumberRange =
  | { readonly white: number; readonly note: { readonly what: string; readonly detail: string } }
  | { readonly what: string; readonly fix: string };

/** What rounding and sharpening leave beyond an end. */
const SLACK = 0.002;
/** A picture of numbers up to 255 that holds none above this would be all but black. */
const DARKEST = 16;

const FIX = 'Save it with 8 or 16 bits a channel, or convert it to png or jpg.';

/** `alphaEvery`: how many numbers a pixel has, where the last of them is how opaque it is. */
export function rangeOf(numbers: Float32Array, alphaEvery?: number): NumberRange {
  let [least, most] = [Infinity, -Infinity];
  for (const [i, value] of numbers.entries()) {
    if (!Number.isFinite(value))
      return { what: 'some of its pixels are not numbers (NaN or infinite)', fix: FIX };
    if (alphaEvery !== undefined && (i + 1) % alphaEvery === 0) continue;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  const detail = `${shown(least)} … ${shown(most)}`;
  const white =
    least < -SLACK ? undefined : most <= 1 + SLACK ? 1 : isBytes(most) ? 255 : undefined;
  return white === undefined
    ? {
        what: `its pixels are numbers from ${shown(least)} to ${shown(most)}, and it is not clear which of them is black and which is white; 0 to 1 and 0 to 255 are understood`,
        fix: FIX,
      }
    : {
        white,
        note: {
          what: 'its pixels are not bytes: 0 is taken as black, 1 or 255 as white, with the curve of sRGB between them',
          detail,
        },
      };
}

const isBytes = (most: number): boolean => most > DARKEST && most <= 255 * (1 + SLACK);
const shown = (value: number): string => String(Number(value.toPrecision(4)));

/** 10 and 12 bits of a camera or a scanner, left at the lower end of 16. */
const TWELVE_BITS = 4095;

/** What is said of a picture of 16 bits whose highest number is `most`. */
export const fewBits = (most: number): { what: string; detail: string }[] =>
  most > 0 && most <= TWELVE_BITS
    ? [
        {
          what: 'its pixels have 16 bits but use no more than the lowest 12, so it is trained as a very dark picture; if it should be brighter, spread its numbers over all 16',
          detail: `none above ${most} of 65535`,
        },
      ]
    : [];
