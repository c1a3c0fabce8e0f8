/** A number of bytes as people read it: `820 MiB`, `1.2 GiB`. */
export function byteSize(count: number): string {
  const mib = count / 2 ** 20;
  return mib < 1000 ? `${Math.round(mib)} MiB` : `${(mib / 1024).toFixed(1)} GiB`;
}
