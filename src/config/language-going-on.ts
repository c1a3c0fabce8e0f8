// How other trainers of language models go on with a run or from an adapter, as aliases.

import { resolve } from 'node:path';
import { goingOnRemedy, keysOfKind, type GoingOnKind } from './going-on-keys.ts';
import { all, isEmpty, isTrue, unused, type Alias, type Meaning } from './language-alias.ts';

const remedyOf = (key: string): Pick<Meaning, 'fix'> => ({
  fix: goingOnRemedy(key, (ours) => ours),
});

/** Keys of one kind, each with its own alias. */
const ofKind = (kind: GoingOnKind, aliasOf: (key: string) => Alias): Record<string, Alias> =>
  Object.fromEntries(keysOfKind(kind).map((key) => [key, aliasOf(key)]));

/** Where it is switched off there is nothing to say. */
const noted =
  (what: string) =>
  (key: string): Alias =>
  (value) =>
    isEmpty(value) ? {} : { note: what, ...remedyOf(key) };

const refused =
  (what: string) =>
  (key: string): Alias =>
  (value) =>
    isEmpty(value) ? {} : { refused: what, ...remedyOf(key) };

/** The newest state of the run in output_dir: what is taken anyway. */
const newest = /^(true|yes|on|1|latest|last|auto|newest)$/i;
/** Switched off, and not just left empty. */
const off = /^(false|no|off|never|0)$/i;

const run =
  (key: string): Alias =>
  (value, { output_dir }) => {
    const text = String(value);
    if (off.test(text))
      return {
        note: 'an interrupted run in output_dir goes on all the same',
        fix: 'Add --fresh to begin a new one; the other is kept in runs/.',
      };
    const isSame = typeof output_dir === 'string' && resolve(text) === resolve(output_dir);
    if (isEmpty(value) || newest.test(text) || isSame) return {};
    return { refused: 'a run that is to go on is not named in this file', ...remedyOf(key) };
  };

/** LLaMA-Factory takes several, and merges all but the last. */
const weights = (): Alias => (value) => {
  if (isEmpty(value)) return {};
  const several = Array.isArray(value) ? value.length > 1 : String(value).includes(',');
  const [one]: readonly unknown[] = Array.isArray(value) ? value : [value];
  return several
    ? {
        refused: 'names several adapters; a run can go on from one',
        fix: 'Merge the others into the base model first: lora merge.',
      }
    : { means: { continue_from: one } };
};

/** A second adapter on top of the one that is named. */
const newAdapter: Alias = (value, { adapter_name_or_path: earlier }) =>
  isTrue(value) && !isEmpty(earlier ?? '')
    ? {
        refused: 'a new adapter on top of another is not trained',
        fix: 'Leave it out, and continue_from trains the earlier one; or merge that into the base model first: lora merge.',
      }
    : unused(value, {});

export const goingOnAliases: Readonly<Record<string, Alias>> = {
  ...ofKind('weights', weights),
  ...ofKind('run', run),
  ...ofKind('position', refused('a run counts its steps itself')),
  ...ofKind('reset', refused('is not done to a run that goes on')),
  ...ofKind('kept', noted('no adapter is removed by itself')),
  ...ofKind('anew', noted('an interrupted run in output_dir goes on all the same')),
  ...ofKind('best', noted('has no effect here')),
  ...ofKind('early', noted('has no effect here')),
  ...ofKind('merged', refused('adapters are not merged into the base model by a training')),
  ...all([...keysOfKind('state'), ...keysOfKind('always')], unused),
  create_new_adapter: newAdapter,
};
