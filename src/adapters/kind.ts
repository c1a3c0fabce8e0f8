// What a kind of adapter is: one record says everything that the rest of the program does with it.

import type { Builder } from '../graph/builder.ts';
import type { Node, NodeOf, Value } from '../graph/graph.ts';
import type { Shape, Tensor } from '../tensor/tensor.ts';
import type { AdaptableOp, Layer } from './layers.ts';

/** Where tensors of an adapter have names: in our graphs, and in the files of each layout. */
export type NamedIn = 'graph' | 'kohya' | 'diffusers' | 'peft' | 'mlx' | 'gguf';

/**
 * `Size` is what a layer's adapter is declared with, `Module` a layer with its adapter's
 * parameters, `Role` what a tensor is to its module.
 */
export interface AdapterKind<Size, Module extends Layer, Role extends string> {
  readonly name: string;
  /** In the order in which states and files have them. */
  readonly roles: readonly Role[];
  /** What stands behind the module's name in the name of each tensor. */
  readonly keys: Readonly<Record<NamedIn, Readonly<Record<Role, string>>>>;
  /**
   * Adds the parameters of a layer's adapter to a graph: `<path>.<adapter>.<key>`, or
   * `<path>.<key>` for the one adapter that has no name.
   */
  readonly declare: (g: Builder, layer: Layer, size: Size, adapter?: string) => Module;
  /** The first values of all parameters by name; with them the adapter changes nothing. */
  readonly initialise: (modules: readonly Module[], seed: number) => Map<string, Tensor<'float32'>>;
  /** What is added to the result of each place, given what its layer reads. */
  readonly apply: (
    g: Builder,
    places: readonly Place<Module>[],
    options: ApplyOptions,
  ) => (place: Place<Module>, x: Value) => Value;
  /** Whether a node of an adapter is one of those that read what its layer reads. */
  readonly readsInput: (node: Node) => boolean;
  /**
   * W with the adapter at `scale` in it, float32; `count` receives how many numbers of each row are
   * changed.
   */
  readonly merge: (
    weight: Tensor<'float32'>,
    factors: Readonly<Record<Role, Tensor>>,
    scale: number,
    count?: (changes: number) => void,
  ) => Tensor<'float32'>;
  /** A tensor of a file by its name: of which module, and what it is to it. */
  readonly partOf: (
    key: string,
  ) => { readonly name: string; readonly part: Role | 'alpha' } | undefined;
}

/** A node that computes an adapted layer. */
export interface Place<Module extends Layer> {
  readonly node: NodeOf<AdaptableOp>;
  readonly module: Module;
}

/** The input that an adapter's part is multiplied by. */
export interface Strength {
  readonly input: string;
  /** [], or [rank]: one for each row of A. */
  readonly shape: Shape;
}

export interface ApplyOptions {
  /** By layer; without it the part is added as it is. */
  readonly strength?: (layer: Layer) => Strength;
  /** What a layer's adapter reads instead of what the layer reads: dropout. */
  readonly reads?: (g: Builder, x: Value, layer: Layer) => Value;
  /**
   * Multiply the adapters of layers that read the same value together. Sums have another order
   * then.
   */
  readonly together?: boolean;
}
