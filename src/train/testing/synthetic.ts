// A made-up training run, for looking at displays and for testing whoever consumes events.
import type { LoadedConfig } from '../../config/load.ts';
import type { TrainEvent } from '../events.ts';

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * Events as a real run of `totalSteps` steps sends them; `pause` is the time of a step in
 * milliseconds.
 */
export async function* syntheticRun(
  totalSteps: number,
  pause: number,
  signal: AbortSignal,
  outputDir = 'output/brand_lora',
): AsyncGenerator<TrainEvent> {
  const samples = 40;
  yield { type: 'phase', name: 'loading the base model', done: 0, total: 0 };
  await wait(pause * 5);
  yield {
    type: 'plan',
    outputDir,
    baseModel: './models/tiny-sd',
    samples,
    sampleName: 'picture',
    shapes: [
      { label: '128×128', count: 30 },
      { label: '64×256', count: 10 },
    ],
    batchSize: 4,
    gradientAccumulation: 1,
    epochs: 10,
    totalSteps,
    firstStep: 0,
    trainableParameters: 1_234_567,
    adaptedModules: 96,
    memoryEstimate: 1.3e9,
    secondsEstimate: (totalSteps * pause) / 1000,
    device: 'cpu, 2 threads',
  };
  for (let done = 0; done <= samples; done++) {
    yield { type: 'phase', name: 'caching latents', done, total: samples };
    await wait(pause / 4);
  }
  yield {
    type: 'warning',
    problem: {
      where: 'data/brand_style/cat.png',
      what: 'smaller than its bucket (64×64), enlarged',
      fix: 'bucket_no_upscale: true keeps it as it is',
    },
  };
  yield* syntheticSteps(totalSteps, pause, signal, outputDir);
}

async function* syntheticSteps(
  totalSteps: number,
  pause: number,
  signal: AbortSignal,
  outputDir: string,
): AsyncGenerator<TrainEvent> {
  const adapter = `${outputDir}/brand_lora.safetensors`;
  let [step, lossAverage] = [0, 0.4];
  while (step < totalSteps && !signal.aborted) {
    await wait(pause);
    step++;
    const loss = 0.08 + 0.3 * (1 - step / totalSteps) ** 2 + 0.05 * Math.sin(step * 12.9898);
    lossAverage = 0.95 * lossAverage + 0.05 * loss;
    const rate = 1e-3 * (1 - step / totalSteps);
    yield {
      type: 'step',
      step,
      totalSteps,
      epoch: Math.ceil((step / totalSteps) * 10),
      epochs: 10,
      loss,
      lossAverage,
      learningRates: { unet: rate, text_encoder: rate },
      gradNorm: 0.7,
      secondsPerStep: pause / 1000,
      secondsLeft: ((totalSteps - step) * pause) / 1000,
      memoryBytes: 1.25e9,
    };
    if (step % 100 === 0)
      yield { type: 'saved', step, files: [`${outputDir}/brand_lora-step${step}.safetensors`] };
  }
  yield { type: 'phase', name: 'drawing the contact sheet', done: 0, total: 2 };
  await wait(pause * 4);
  yield { type: 'phase', name: 'drawing the contact sheet', done: 2, total: 2 };
  yield {
    type: 'done',
    stopped: step < totalSteps,
    step,
    totalSteps,
    adapter,
    log: `${outputDir}/logs/train.log`,
    results: { 'contact sheet': `${outputDir}/contact-sheet.png` },
    seconds: (step * pause) / 1000,
  };
}

/** A Trainer whose length is the configuration's `max_train_steps`. */
export const syntheticTrainer = (
  { config }: LoadedConfig,
  { signal }: { readonly signal: AbortSignal },
) =>
  syntheticRun(
    config.max_train_steps ?? 300,
    Number(process.env.SYNTHETIC_PAUSE ?? 50),
    signal,
    config.output_dir,
  );
