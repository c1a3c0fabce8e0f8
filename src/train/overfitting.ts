// Whether more training does harm: what the looks at a run say, in words.

import type { NearestPicture, TrainingVerdict } from '../events.ts';
import { plural } from '../util/plural.ts';
import { LEAST_RISE, riseOf } from './rise.ts';

/** What was seen of the weights after one step. */
export interface Look {
  /** 0: before the first step. */
  readonly step: number;
  /** Of what is held back. */
  readonly validation?: {
    readonly loss: number;
    /** On some of what is trained, measured the same way. */
    readonly trainLoss: number;
    /** What `loss` is the mean of, in the same order at every look. */
    readonly losses: readonly number[];
  };
  readonly previews?: readonly Preview[];
}

/** A picture that was drawn then. */
export interface Preview {
  readonly prompt: string;
  /** Relative to the run's folder. */
  readonly file: string;
  readonly nearest?: NearestPicture;
}

/** What the looks are taken at, in words. */
export interface LooksAt {
  /** `3 pictures that are not trained, 8 timesteps each, always the same noise`. */
  readonly heldOut: string;
  /** `as many that are trained`. */
  readonly trained: string;
}

/** Looks in a row that say so before the run is called overfit; fewer where no more will come. */
const IN_A_ROW = 3;
const IN_A_ROW_AT_END = 2;
/** Previews in a row of which at least half are copies. */
const COPYING_LOOKS = 2;

type Validated = Look & Required<Pick<Look, 'validation'>>;
type Drawn = Look & Required<Pick<Look, 'previews'>>;

/**
 * The step with the lowest loss on what is held back, the earliest of equals; undefined where
 * nothing is. `lora runs` calls the same one the best.
 */
export const bestLook = (looks: readonly Look[]): Validated | undefined =>
  looks
    .filter(isValidated)
    .sort((a, b) => a.validation.loss - b.validation.loss || a.step - b.step)
    .at(0);

const isValidated = (look: Look): look is Validated => look.validation !== undefined;

/** What the looks say; `final` where no more will come. */
export function trainingVerdict(
  looks: readonly Look[],
  at: LooksAt,
  final = false,
): TrainingVerdict {
  const best = bestLook(looks)?.step;
  const kind = kindOf(looks, final);
  return {
    kind,
    ...(best !== undefined && { best }),
    headline: headlineOf(kind, looks),
    reasons: [...lossReasons(looks, at), ...copyReasons(looks)],
  };
}

function kindOf(looks: readonly Look[], final: boolean): TrainingVerdict['kind'] {
  const copying = copyingFrom(looks);
  if (copying !== undefined && copying.looks >= (final ? 1 : COPYING_LOOKS)) return 'copies';
  if (risenLooks(looks) >= (final ? IN_A_ROW_AT_END : IN_A_ROW)) return 'overfit';
  const count = looks.filter(({ step }) => step > 0).length;
  return count >= IN_A_ROW_AT_END ? 'sound' : 'unclear';
}

// ---- the loss on what is held back

/** How many of the last looks in a row have a loss above the lowest, beyond chance. */
function risenLooks(looks: readonly Look[]): number {
  const best = bestLook(looks);
  if (best === undefined) return 0;
  const after = looks.filter(isValidated).filter(({ step }) => step > best.step);
  const lastThatHas = after.findLastIndex((look) => !hasRisen(look, best));
  return after.length - 1 - lastThatHas;
}

/**
 * Whether the last look has a loss above the lowest, beyond chance: too little to call the run
 * overfit, and enough to prefer the best checkpoint.
 */
export function endsWorse(looks: readonly Look[]): boolean {
  return risenLooks(looks) > 0;
}

const hasRisen = (look: Validated, best: Validated): boolean => {
  const { rise, chance } = riseAbove(look, best);
  return rise > Math.max(LEAST_RISE, chance);
};

/** Above the lowest, as a share of it. The loss of texts weighs its batches by their tokens. */
const riseAbove = ({ validation: { losses } }: Validated, { validation: lowest }: Validated) =>
  riseOf(losses, lowest.losses, lowest.loss);

function lossReasons(looks: readonly Look[], at: LooksAt): string[] {
  const validated = looks.filter(isValidated);
  const best = bestLook(validated);
  const [first, last] = [validated.at(0), validated.at(-1)];
  if (best === undefined || first === undefined || last === undefined) return [];
  const figures = ({ step, validation: { loss } }: Validated) =>
    `${figure(loss)} ${step === 0 ? 'before the first step' : `at step ${step}`}`;
  const seen = [...new Set([first, best, last])].map(figures).join(', ');
  return [
    `Validation loss on ${at.heldOut}: ${seen}${comparison(last, best)}.`,
    `On ${at.trained}: ${figure(first.validation.trainLoss)} → ${figure(last.validation.trainLoss)}. On what is held back it is now ${gapText(last)}${last === best ? '' : `; at its lowest it was ${gapText(best)}`}.`,
    ...(isDiverging(last, best) ? [DIVERGING] : []),
  ];
}

const DIVERGING =
  'It rose on what is trained too: that is no learning by heart. The learning rate may be too high.';

const isDiverging = (last: Validated, best: Validated): boolean =>
  hasRisen(last, best) && last.validation.trainLoss > (1 + LEAST_RISE) * best.validation.trainLoss;

function comparison(last: Validated, best: Validated): string {
  if (last === best) return ', the lowest so far';
  const { rise, chance } = riseAbove(last, best);
  const above = `, now ${percent(rise)} above its lowest`;
  return hasRisen(last, best)
    ? `${above}, more than chance explains (${percent(chance)})`
    : `${above}, which may be chance`;
}

/** What is held back beside what is trained. */
function gapText({ validation: { loss, trainLoss } }: Validated): string {
  const ratio = loss / trainLoss;
  if (ratio >= 1.5) return `${ratio.toFixed(1)} times as high`;
  const gap = ratio - 1;
  if (Math.abs(gap) < 0.005) return 'the same';
  return `${percent(Math.abs(gap))} ${gap < 0 ? 'lower' : 'higher'}`;
}

const percent = (share: number): string =>
  `${(100 * share).toFixed(Math.abs(share) < 0.0995 ? 1 : 0)} %`;
const figure = (loss: number): string => loss.toPrecision(4);

// ---- likeness of what is drawn

const isDrawn = (look: Look): look is Drawn =>
  look.previews?.some(({ nearest }) => nearest !== undefined) === true;

const copiesIn = ({ previews }: Drawn): Preview[] =>
  previews.filter(({ nearest }) => nearest?.isCopy === true);

const isCopying = (look: Drawn): boolean => 2 * copiesIn(look).length >= look.previews.length;

/**
 * From which look on at least half of the previews are copies, and how many looks that are. A base
 * model that draws the pictures before it is trained is not judged by that.
 */
function copyingFrom(
  looks: readonly Look[],
): { readonly step: number; readonly looks: number } | undefined {
  const drawn = looks.filter(isDrawn);
  const count = drawn.length - 1 - drawn.findLastIndex((look) => !isCopying(look));
  const first = drawn.at(drawn.length - count);
  return first === undefined || count === 0 || first.step === 0
    ? undefined
    : { step: first.step, looks: count };
}

function copyReasons(looks: readonly Look[]): string[] {
  const drawn = looks.filter(isDrawn);
  const last = drawn.at(-1);
  if (last === undefined) return [];
  const copies = copiesIn(last);
  const clear = drawn.findLast((look) => !isCopying(look));
  const since =
    isCopying(last) && clear !== undefined ? `; at step ${clear.step} ${countText(clear)}` : '';
  const named = copies.length > 0 ? copies : last.previews;
  const most = [...named]
    .sort((a, b) => (b.nearest?.likeness ?? 0) - (a.nearest?.likeness ?? 0))
    .at(0);
  return [`Previews at step ${last.step}: ${countText(last)}${since}. ${exampleText(most)}`];
}

const countText = (look: Drawn): string =>
  `${copiesIn(look).length} of ${plural(look.previews.length, 'picture')} ${look.previews.length === 1 ? 'is a copy' : 'are copies'} of training pictures`;

function exampleText(preview: Preview | undefined): string {
  if (preview?.nearest === undefined) return '';
  const { prompt, nearest } = preview;
  const limit = nearest.isCopy ? 'closer than the training pictures are to each other' : 'no copy';
  return `The closest: “${prompt}” to ${nearest.name}, likeness ${nearest.likeness.toFixed(2)} (1 is the same picture), ${limit}.`;
}

// ---- headline

function headlineOf(kind: TrainingVerdict['kind'], looks: readonly Look[]): string {
  const best = bestLook(looks)?.step;
  if (kind === 'unclear') return 'Too few looks to judge the training';
  if (kind === 'copies') return copiesHeadline(looks);
  if (best === 0) return ofNoUse[kind];
  if (kind === 'overfit') return `Best at step ${best}; later steps do worse on what was held back`;
  if (best === undefined) return 'No copies of training pictures seen';
  return endsWorse(looks)
    ? `Best at step ${best}; the last look at what was held back is worse, and one look alone is no overfitting`
    : `No overfitting seen; best at step ${best}`;
}

/** Where no step was better than none. */
const ofNoUse = {
  overfit: 'The base model alone does best on what was held back; training makes it worse',
  sound: 'Nothing gained yet on what was held back',
} as const;

function copiesHeadline(looks: readonly Look[]): string {
  const from = copyingFrom(looks)?.step;
  const best = bestLook(looks)?.step;
  if (from === undefined || best === undefined || best === 0 || best >= from)
    return `From step ${from} on the previews are copies of training pictures`;
  return `Best at step ${best}; later checkpoints copy the training pictures`;
}
