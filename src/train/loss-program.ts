// A loss graph made executable together with its gradients.

import { differentiate } from '../autodiff/differentiate.ts';
import type { Graph, Node, Value } from '../graph/graph.ts';
import type { CompileOptions } from '../runtime/program.ts';
import type { Activations } from '../runtime/room.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Weights } from '../tensor/weights.ts';
import { needed } from '../util/needed.ts';

export interface LossAndGradients {
  readonly loss: number;
  /** Keyed by parameter name. */
  readonly gradients: Map<string, Float32Array>;
}

export interface LossProgram {
  /** `inputs`: the batch; `parameters`: the trainable weights by name. */
  run(
    inputs: Readonly<Record<string, Tensor>>,
    parameters: ReadonlyMap<string, Tensor>,
  ): Promise<LossAndGradients>;
  release(): Promise<void>;
}

type SegmentOf = (node: Node) => string | undefined;

/**
 * Differentiates `graph`, whose output `loss` has one element, with respect to the parameters named
 * in `trainable`; `segmentOf` as `differentiate` takes it.
 */
export async function compileLoss(
  runtime: Runtime,
  graph: Graph,
  trainable: Iterable<string>,
  options: CompileOptions,
  segmentOf?: SegmentOf,
): Promise<LossProgram> {
  const { gradients, wrt } = withGradients(graph, trainable, segmentOf);
  const program = await runtime.compile(gradients, options);
  return {
    async run(inputs, parameters) {
      const results = await program.run({
        ...inputs,
        ...Object.fromEntries(wrt.map(({ name }) => [name, needed(parameters, name, 'weight')])),
      });
      const values = new Map(
        wrt.map(({ name }) => [name, results[`grad:${name}`].data as Float32Array]),
      ); // gradients are float32 as the parameters are
      return { loss: Number(results.loss.data[0]), gradients: values };
    },
    release: () => program.release(),
  };
}

/** What one run of the loss and its gradients computes. */
export function lossActivations(
  runtime: Runtime,
  graph: Graph,
  trainable: Iterable<string>,
  weights: Weights,
  segmentOf?: SegmentOf,
): Activations {
  return runtime.activations(withGradients(graph, trainable, segmentOf).gradients, weights);
}

function withGradients(
  graph: Graph,
  trainable: Iterable<string>,
  segmentOf?: SegmentOf,
): { readonly gradients: Graph; readonly wrt: readonly Value[] } {
  const names = new Set(trainable);
  const wrt = graph.parameters.filter(({ name }) => names.has(name));
  return { gradients: differentiate(graph, { loss: 'loss', wrt, segmentOf }), wrt };
}
