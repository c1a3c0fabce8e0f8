// Whether all pixels of a picture look the same.

/** Differences between pixels that are not seen: those of a JPEG's rounding. */
export const UNSEEN = 2;

/** Whether the pixels are of one colour on white, as far as is seen. */
export function isAlike(data: Uint8Array, channels: number): boolean {
  const hasAlpha = channels % 2 === 0;
  const colours = channels - (hasAlpha ? 1 : 0);
  const least = Array<number>(colours).fill(255);
  const most = Array<number>(colours).fill(0);
  for (let at = 0; at < data.length; at += channels) {
    const opacity = hasAlpha ? data[at + channels - 1] / 255 : 1;
    for (let c = 0; c < colours; c++) {
      const value = 255 - opacity * (255 - data[at + c]);
      least[c] = Math.min(least[c], value);
      most[c] = Math.max(most[c], value);
    }
  }
  return most.every((value, c) => value - least[c] <= UNSEEN);
}
