// Does a checkpoint hold exactly the tensors that a model needs?

import { CheckpointError, type Problem } from '../errors.ts';
import type { DType } from '../tensor/dtype.ts';
import { sameShape, type ExternalTensor, type Shape } from '../tensor/tensor.ts';

/** Names shown of each sort; a foreign file would fill the screen. */
const shown = 12;

/** What the runtime reads in place. */
const weightTypes: readonly DType[] = ['float32', 'float16', 'bfloat16'];

/**
 * Compares the weights of `path` with the parameters a model expects. Throws one CheckpointError
 * that lists missing, unexpected, mis-shaped and mis-typed tensors, a dozen of each, with their
 * counts.
 */
export function checkWeights(
  expected: ReadonlyMap<string, Shape>,
  weights: ReadonlyMap<string, ExternalTensor>,
  path: string,
): void {
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
  const problems = [
    ...report(path, `${missing.length} of ${total} tensors missing`, missing),
    ...report(path, `${unexpected.length} unexpected`, unexpected),
    ...report(path, `${misshaped.length} of the wrong shape`, misshaped),
    ...report(
      path,
      `${mistyped.length} of an element type that weights do not have (${weightTypes.join(', ')})`,
      mistyped,
    ),
  ];
  if (problems.length === 0) return;
  problems.push({
    where: path,
    what: 'the file does not contain the model that its configuration describes',
    fix: 'Download the model again, or name another one as base_model.',
  });
  throw new CheckpointError(problems);
}

function report(where: string, title: string, names: readonly string[]): Problem[] {
  if (names.length === 0) return [];
  const rest = names.length > shown ? [`… and ${names.length - shown} more`] : [];
  return [{ where, what: [`${title}:`, ...names.slice(0, shown), ...rest].join('\n    ') }];
}

function list(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}
