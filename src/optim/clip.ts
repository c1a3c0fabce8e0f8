// Clipping of gradients by their common norm (Pascanu et al., arXiv 1211.5063).

/** The L2 norm of all gradients together, summed in float64, each array by itself. */
export function globalNorm(gradients: Iterable<Float32Array>): number {
  let sum = 0;
  for (const gradient of gradients) sum += sumOfSquares(gradient);
  return Math.sqrt(sum);
}

/** Four sums side by side: one alone would wait for each addition. */
function sumOfSquares(x: Float32Array): number {
  const whole = x.length - (x.length % 4);
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  for (let i = 0; i < whole; i += 4) {
    const a = x[i];
    const b = x[i + 1];
    const c = x[i + 2];
    const d = x[i + 3];
    s0 += a * a;
    s1 += b * b;
    s2 += c * c;
    s3 += d * d;
  }
  for (let i = whole; i < x.length; i++) s0 += x[i] * x[i];
  return s0 + s1 + (s2 + s3);
}

/**
 * The factor that brings `norm` down to `maxNorm`; 1 where it is below, or where maxNorm is 0. As
 * PyTorch's clip_grad_norm_.
 */
export function clipFactor(norm: number, maxNorm: number): number {
  return maxNorm > 0 ? Math.min(1, maxNorm / (norm + 1e-6)) : 1;
}
