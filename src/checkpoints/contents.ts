// Names, shapes and types of a file's tensors, and the questions by which its kind is told.

import type { Shape } from '../tensor/tensor.ts';

/** A tensor, as far as its file's header describes it; `dtype` may be one that is not supported. */
export interface Described {
  readonly dtype: string;
  readonly shape: Shape;
}

/** The parts of a single-file Stable Diffusion 1.x. */
const parts = {
  UNet: /^model\.diffusion_model\.(input_blocks|middle_block|output_blocks)\./,
  autoencoder: /^first_stage_model\.(encoder|decoder)\./,
  'text encoder':
    /^cond_stage_model\.transformer\.(text_model\.)?(embeddings|encoder|final_layer_norm)\./,
} as const;

export class Contents {
  readonly names: readonly string[];

  constructor(readonly tensors: ReadonlyMap<string, Described>) {
    this.names = [...tensors.keys()];
  }

  has(pattern: RegExp): boolean {
    return this.names.some((name) => pattern.test(name));
  }

  /** At least half of the names are so; a few leftovers of something else do not matter. */
  mostly(pattern: RegExp): boolean {
    const count = this.names.filter((name) => pattern.test(name)).length;
    return count > 0 && 2 * count >= this.names.length;
  }

  dim(name: string, axis: number): number | undefined {
    return this.tensors.get(name)?.shape[axis];
  }

  /**
   * The size along an axis of the first tensor whose name is so: undefined where there is none,
   * 'absent' where it has fewer axes.
   */
  dimOf(pattern: RegExp, axis: number): number | 'absent' | undefined {
    const name = this.names.find((one) => pattern.test(one));
    return name === undefined ? undefined : (this.dim(name, axis) ?? 'absent');
  }

  /** A tensor has as many axes: 5 are those of a convolution over pictures and time. */
  hasAxes(count: number): boolean {
    return [...this.tensors.values()].some(({ shape }) => shape.length === count);
  }

  hasType(type: RegExp, name = /./): boolean {
    return [...this.tensors].some(([one, { dtype }]) => type.test(dtype) && name.test(one));
  }

  countOfType(type: RegExp): number {
    return [...this.tensors.values()].filter(({ dtype }) => type.test(dtype)).length;
  }

  /** The first type that is so, as the file spells it. */
  typeLike(type: RegExp): string {
    return [...this.tensors.values()].find(({ dtype }) => type.test(dtype))?.dtype ?? '';
  }

  anyPart(): boolean {
    return Object.values(parts).some((part) => this.has(part));
  }

  absentParts(): string[] {
    return Object.entries(parts).flatMap(([part, names]) => (this.has(names) ? [] : [part]));
  }
}
