// Does a checkpoint hold all tensors that a model needs, and what else does it hold?

import { CheckpointError, type Problem } from '../errors.ts';
import { sameShape, type Shape } from '../tensor/tensor.ts';
import type { Described } from './contents.ts';

/** Names shown of each sort; a foreign file would fill the screen. */
const shown = 3;

/** What the runtime reads in place. */
const weightTypes: readonly string[] = ['float32', 'float16', 'bfloat16'];

/**
 * Compares the weights of `path` with the parameters a model expects, and gives the names of those
 * that it does not expect. Throws one CheckpointError where tensors are missing, mis-shaped or
 * mis-typed, which names the first of each, and of the unexpected ones, with their counts.
 */
export function checkWeights(
  expected: ReadonlyMap<string, Shape>,
  weights: ReadonlyMap<string, Described>,
  path: string,
): string[] {
  const missing = [...expected.keys()].filter((name) => !weights.has(name));
  const unexpected = [...weights.keys()].filter((name) => !expected.has(name));
  const misshaped = [...expected].flatMap(([name, shape]) => {
    const found = weights.get(name);
    return found === undefined || sameShape(found.shape, shape)
      ? []
      : [`${name} is ${list(found.shape)}, should be ${list(shape)}`];
  });
  const mistyped = [...weights].flatMap(([name, { dtype }]) =>
    expected.has(name) && !weightTypes.includes(dtype) ? [`${name} is ${dtype}`] : [],
  );
  const total = expected.size;
  if (missing.length + misshaped.length + mistyped.length === 0) return unexpected;
  const isForeign = missing.length + misshaped.length > 0;
  const problems = [
    ...report(path, `${missing.length} of ${total} tensors missing`, missing),
    ...(isForeign ? report(path, `${unexpected.length} unexpected`, unexpected) : []),
    ...report(path, `${misshaped.length} of the wrong shape`, misshaped),
  ];
  const last = problems.length - 1;
  throw new CheckpointError([
    ...problems.map((problem, i) => (i === last ? { ...problem, fix: OTHER_MODEL } : problem)),
    ...mistypedProblems(mistyped, path),
  ]);
}

const OTHER_MODEL =
  'These are not the weights of the model that its configuration describes: download the model again, or name another one as base_model.';

function mistypedProblems(names: readonly string[], path: string): Problem[] {
  const title = `${names.length} of an element type that weights do not have`;
  const fix = `Use a file of the same model in ${weightTypes.join(', ')}.`;
  return report(path, title, names).map((problem) => ({ ...problem, fix }));
}

function report(where: string, title: string, names: readonly string[]): Problem[] {
  if (names.length === 0) return [];
  const rest = names.length > shown ? [`… and ${names.length - shown} more`] : [];
  return [{ where, what: [`${title}:`, ...names.slice(0, shown), ...rest].join('\n    ') }];
}

function list(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}
