// Clipping of gradients by their common norm (Pascanu et al., arXiv 1211.5063).

/** The L2 norm of all gradients together, summed in float64 in the order given. */
export function globalNorm(gradients: Iterable<Float32Array>): number {
  let sum = 0;
  for (const gradient of gradients) {
    let part = 0;
    for (let i = 0; i < gradient.length; i++) part += gradient[i] * gradient[i];
    sum += part;
  }
  return Math.sqrt(sum);
}

/** The factor that brings `norm` down to `maxNorm`; 1 where it is below, or where maxNorm is 0. As PyTorch's clip_grad_norm_. */
export function clipFactor(norm: number, maxNorm: number): number {
  return maxNorm > 0 ? Math.min(1, maxNorm / (norm + 1e-6)) : 1;
}
