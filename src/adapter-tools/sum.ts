// The weighted sum of adapters as one, exact by concatenation: B = [f1 B1, f2 B2 …], the A one
// above the other.

import type { AdapterFile, AdapterModule } from '../adapter-files/adapter-file.ts';
import { multiplied, narrowed, type Narrowing } from '../adapter-files/narrowing.ts';
import { held, type PlannedModule } from '../adapter-files/planned.ts';
import { UserError, type Problem } from '../errors.ts';
import type { FloatDType } from '../tensor/half.ts';
import { toFloat32 } from '../tensor/half.ts';
import { sizeOf, type Shape, type Tensor } from '../tensor/tensor.ts';
import { problemsByKind } from '../util/problems-by-kind.ts';
import { planned } from './prepare.ts';
import { familyOfLayers } from './traits.ts';

/** An adapter and how strongly it acts in the sum. */
export interface Weighed {
  readonly file: AdapterFile;
  readonly weight: number;
}

/** The modules of one layer, each with its factor s · weight. */
interface Layer {
  readonly key: string;
  readonly parts: readonly { readonly module: PlannedModule; readonly factor: number }[];
}

/** Few layers may have no size that differs. Throws UserError for adapters of different models. */
function requireOneFamily(adapters: readonly Weighed[]): void {
  const told = adapters.flatMap(({ file: { of, modules, path } }) => {
    const family = of === 'pictures' ? familyOfLayers(modules) : undefined;
    return family === undefined ? [] : [{ path, family }];
  });
  const other = told.find(({ family }) => family !== told[0].family);
  if (other === undefined) return;
  const what = `it is for ${other.family}, and ${told[0].path} for ${told[0].family}`;
  throw new UserError([{ where: other.path, what, fix: 'Merge adapters of one model.' }]);
}

/**
 * The layers of all adapters, in the order in which they are first found. Throws UserError where
 * the same layer has other sizes, or the adapters are for different models.
 */
function layersOf(adapters: readonly Weighed[]): Layer[] {
  const layers = new Map<string, { module: PlannedModule; factor: number }[]>();
  for (const { file, weight } of adapters)
    for (const one of file.modules) {
      const module = planned(file, one);
      const factor = (weight * module.alpha) / module.down.shape[0];
      const key = keyOf(one);
      layers.set(key, [...(layers.get(key) ?? []), { module, factor }]);
    }
  const all = Array.from(layers, ([key, parts]) => ({ key, parts }));
  const problems = all.flatMap(({ key, parts }) => misfit(key, parts[0].module, parts));
  if (problems.length > 0) throw new UserError(problemsByKind(problems));
  requireOneFamily(adapters);
  return all;
}

const keyOf = ({ path, name }: AdapterModule): string => path ?? name;

function misfit(key: string, first: PlannedModule, parts: Layer['parts']): Problem[] {
  const sizes = ({ down, up }: PlannedModule) => [up.shape[0], ...down.shape.slice(1)].join('×');
  const other = parts.find(({ module }) => sizes(module) !== sizes(first));
  if (other === undefined) return [];
  const what = `the adapters are for layers of different sizes: ${sizes(first)} and ${sizes(other.module)}`;
  return [{ where: key, what, fix: 'Name adapters of one base model.' }];
}

/** The sum in full: the ranks of a layer add up. */
export function summed(
  adapters: readonly Weighed[],
  dtype: FloatDType | undefined,
  tell: (found: Narrowing) => void,
): PlannedModule[] {
  return layersOf(adapters).map((layer) => concatenated(layer, dtype, tell));
}

function concatenated(
  { key, parts }: Layer,
  dtype: FloatDType | undefined,
  tell: (found: Narrowing) => void,
): PlannedModule {
  const [{ module: first }] = parts;
  const rank = parts.reduce((sum, { module }) => sum + module.down.shape[0], 0);
  // the scale of the first stays outside, so that equal factors round nothing
  const common = parts.find(({ factor }) => factor !== 0)?.factor ?? 1;
  const ratios = parts.map(({ factor }) => factor / common);
  const type = dtype ?? typeOfSum(parts, ratios);
  const downShape = [rank, ...first.down.shape.slice(1)];
  const upShape = [first.up.shape[0], rank, ...first.up.shape.slice(2)];
  const down = joinedRows(
    parts.map(({ module }) => module.down.read()),
    downShape,
  );
  const up = joinedColumns(
    parts.map(({ module }, i) => multiplied(module.up.read(), ratios[i])),
    upShape,
  );
  return {
    path: first.path,
    name: first.name,
    down: held(narrowed(`${key} A`, down, type, tell)),
    up: held(narrowed(`${key} B`, up, type, tell)),
    alpha: common * rank,
  };
}

/** Their own type where nothing is multiplied, else float32. */
function typeOfSum(parts: Layer['parts'], ratios: readonly number[]): FloatDType {
  const own = parts.flatMap(({ module: { down, up } }) => [down.dtype, up.dtype]);
  const isPlain = ratios.every((ratio) => ratio === 1) && own.every((type) => type === own[0]);
  const [type] = own;
  return isPlain && (type === 'float16' || type === 'bfloat16') ? type : 'float32';
}

function joinedRows(tensors: readonly Tensor[], shape: Shape) {
  const data = new Float32Array(sizeOf(shape));
  let at = 0;
  for (const tensor of tensors) {
    const part = toFloat32(tensor).data;
    data.set(part, at);
    at += part.length;
  }
  return { shape, data };
}

/** [out, r1] and [out, r2] … beside one another. */
function joinedColumns(
  parts: readonly { readonly shape: Shape; readonly data: Float32Array | Float64Array }[],
  shape: Shape,
) {
  const [rows, total] = shape;
  const data = new Float64Array(sizeOf(shape));
  let at = 0;
  for (const { shape: own, data: values } of parts) {
    const [, rank] = own;
    for (let i = 0; i < rows; i++)
      data.set(values.subarray(i * rank, (i + 1) * rank), i * total + at);
    at += rank;
  }
  return { shape, data };
}
