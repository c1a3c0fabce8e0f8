// How the adapters of a run of pictures begin: anew, or as another adapter left them.

import { stableDiffusionPaths } from '../../adapters/stable-diffusion-paths.ts';
import { placeOf, type LoadedConfig } from '../../config/load.ts';
import { ConfigError } from '../../errors.ts';
import type { StableDiffusionConfig } from '../../models/stable-diffusion-config.ts';
import { plural } from '../../util/plural.ts';
import { begunRun, type BegunRun } from '../starting-point.ts';
import type { TaskContext } from '../task.ts';
import { wantedAdapters } from './adapted-model.ts';
import { decided } from './decisions.ts';
import type { SizedConfig } from './sizes.ts';

/** Throws ConfigError where a part that the adapter has is not trained, AdapterError as it does. */
export function begunPictures(
  { source }: LoadedConfig,
  model: StableDiffusionConfig,
  config: SizedConfig,
  { start, recorded }: TaskContext,
): BegunRun {
  const { layers, sizes: wanted } = wantedAdapters(model, config);
  const has = new Set(layers.map(({ path }) => path));
  const absent = new Set([...stableDiffusionPaths(model)].filter((path) => !has.has(path)));
  const ofText = (start?.modules ?? []).filter(({ path }) => path.startsWith('text_encoder.'));
  if (ofText.length > 0 && !config.train_text_encoder) {
    const what = `the adapter has ${plural(ofText.length, 'layer')} of the text encoder, which this run does not train`;
    const fix = 'Write train_text_encoder: true, with a text_encoder_lr above 0.';
    throw new ConfigError([{ where: placeOf('continue_from', source), what, fix }]);
  }
  const where = placeOf('continue_from', source);
  return begunRun({ start, recorded: decided(recorded)?.begun, layers, wanted, absent, where });
}
