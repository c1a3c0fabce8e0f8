// What of its data a run that goes on from an adapter is trained on, as the configuration says it.

/** new, mixed, or so many per cent of all samples from those that were trained before. */
export type ContinuedData = 'new' | 'mixed' | { readonly rehearse: number };

/** As the configuration writes it: `rehearse 20 %`; undefined for other words. */
export function continuedData(text: string): ContinuedData | undefined {
  const word = text.trim().toLowerCase();
  if (word === 'new' || word === 'mixed') return word;
  const share = /^rehearse\s+(\d+(?:\.\d+)?)\s*%?$/.exec(word)?.[1];
  const rehearse = Number(share ?? NaN);
  return rehearse > 0 && rehearse < 100 ? { rehearse } : undefined;
}
