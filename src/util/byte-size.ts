/** A number of bytes as people read it: `13 KiB`, `820 MiB`, `1.2 GiB`. */
export function byteSize(count: number): string {
  if (count > 0 && count < 2 ** 20) return `${Math.ceil(count / 1024)} KiB`;
  const mib = count / 2 ** 20;
  return mib < 1000 ? `${Math.round(mib)} MiB` : `${(mib / 1024).toFixed(1)} GiB`;
}
