// Empty tensors by which a single file says how it was trained: v_pred and ztsnr.

import { failCheckpoint as fail, type Problem } from '../errors.ts';
import type { NoiseScheduleConfig } from '../models/stable-diffusion-config.ts';

/** Names of tensors that say something and hold nothing. */
export const markers: readonly string[] = ['v_pred', 'ztsnr'];

/** What a file says of its own training: its tensors' names, and its metadata. */
export interface Statement {
  readonly names: ReadonlySet<string>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The noise schedule of a single file: that of SD 1.5 (`usual`), as its markers change it. */
export function markedSchedule(
  statement: Statement,
  usual: NoiseScheduleConfig,
): NoiseScheduleConfig {
  const { names } = statement;
  return {
    ...usual,
    ...((names.has('v_pred') || metadataSays(statement) === 'v') && {
      prediction_type: 'v_prediction',
    }),
    ...(names.has('ztsnr') && { rescale_betas_zero_snr: true }),
  };
}

/** What the markers do, in one line; and a word of the metadata that is not understood. */
export function markerWarnings(statement: Statement, where: string): Problem[] {
  const { names, metadata } = statement;
  const said = metadataSays(statement);
  const written = `${PREDICTION_TYPE} ${metadata[PREDICTION_TYPE]}`;
  const found = [
    ...(names.has('v_pred') ? ['v_pred (it predicts v, not the noise)'] : []),
    ...(!names.has('v_pred') && said === 'v' ? [`${written} (it predicts v, not the noise)`] : []),
    ...(names.has('ztsnr') ? ['ztsnr (at the last timestep there is nothing but noise)'] : []),
  ];
  const follow = `the file says about its model: ${found.join(' and ')}; training and drawing follow it`;
  const unknown = `the file says about its model: ${written}, which is not known here; it is taken to predict ${names.has('v_pred') ? 'v' : 'the noise'}`;
  return [
    ...(found.length > 0 ? [{ where, what: follow }] : []),
    ...(said === 'something else' ? [{ where, what: unknown }] : []),
  ];
}

const PREDICTION_TYPE = 'modelspec.prediction_type';

/** The standard's words are v and epsilon; people also write diffusers' v_prediction. */
function metadataSays({ metadata }: Statement): 'v' | 'epsilon' | 'something else' {
  const word = (metadata[PREDICTION_TYPE] ?? '').trim();
  if (/^(v|v[-_ ]?pred(iction)?|velocity)$/i.test(word)) return 'v';
  return /^(|eps|epsilon|noise)$/i.test(word) ? 'epsilon' : 'something else';
}

/**
 * Throws CheckpointError for zero terminal SNR where the model predicts the noise: at the last
 * timestep it would be given nothing else, and no picture could be drawn from its prediction.
 */
export function requireUsableSchedule(schedule: NoiseScheduleConfig, where: string): void {
  if (!schedule.rescale_betas_zero_snr || schedule.prediction_type === 'v_prediction') return;
  fail(
    where,
    'zero terminal SNR (ztsnr in a single file, rescale_betas_zero_snr in a folder) needs a model that predicts v, but this one predicts the noise',
    'If it does predict v, its single file lacks the empty tensor v_pred, or its scheduler_config.json prediction_type: v_prediction. Otherwise remove the marker.',
  );
}
