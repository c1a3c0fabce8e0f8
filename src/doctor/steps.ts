// What one step of a training takes, counted from its graph: forward, backward, and what is
// computed a second time. steps.test.ts counts again.

/** To four digits. */
export interface StepCost {
  /** For people. */
  readonly name: string;
  readonly task: 'image' | 'text';
  /** Pictures or rows. */
  readonly batch: number;
  /** What the step sees: pictures, or tokens. */
  readonly samples: number;
  /** Floating-point operations. */
  readonly products: number;
  readonly convolutions: number;
  /** Bytes that all other operators read and write. */
  readonly rest: number;
  /** Trained numbers: each weight goes to the device, each gradient comes from it. */
  readonly trained: number;
}

export const steps = {
  'image-1': {
    name: 'Stable Diffusion 1.5, 512 px, rank 12, batch 1',
    task: 'image',
    batch: 1,
    samples: 1,
    products: 956.8e9,
    convolutions: 875.2e9,
    rest: 15.42e9,
    trained: 7.078e6,
  },
  'image-4': {
    name: 'Stable Diffusion 1.5, 512 px, rank 12, batch 4',
    task: 'image',
    batch: 4,
    samples: 4,
    products: 3827e9,
    convolutions: 3501e9,
    rest: 61.21e9,
    trained: 7.078e6,
  },
  'text-1': {
    name: 'a language model of 0.5 billion (Qwen2.5-0.5B), rank 16, 512 tokens',
    task: 'text',
    batch: 1,
    samples: 512,
    products: 1077e9,
    convolutions: 0,
    rest: 10.5e9,
    trained: 8.798e6,
  },
} as const satisfies Readonly<Record<string, StepCost>>;
