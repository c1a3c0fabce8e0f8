// A loss graph made executable together with its gradients.

import { differentiate } from '../autodiff/differentiate.ts';
import { InternalError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { compile, type CompileOptions } from '../runtime/program.ts';
import type { Tensor } from '../tensor/tensor.ts';

export interface LossAndGradients {
  readonly loss: number;
  /** Keyed by parameter name. */
  readonly gradients: Map<string, Float32Array>;
}

export interface LossProgram {
  /** `inputs`: the batch; `parameters`: the trainable weights by name. */
  run(inputs: Readonly<Record<string, Tensor>>, parameters: ReadonlyMap<string, Tensor>): Promise<LossAndGradients>;
  release(): Promise<void>;
}

/** Differentiates `graph`, whose output `loss` has one element, with respect to the parameters named in `trainable`. */
export async function compileLoss(graph: Graph, trainable: Iterable<string>, options: CompileOptions): Promise<LossProgram> {
  const names = new Set(trainable);
  const wrt = graph.parameters.filter(({ name }) => names.has(name));
  const program = await compile(differentiate(graph, { loss: 'loss', wrt }), options);
  return {
    async run(inputs, parameters) {
      const results = await program.run({ ...inputs, ...Object.fromEntries(wrt.map(({ name }) => [name, needed(parameters, name)])) });
      const gradients = new Map(wrt.map(({ name }) => [name, results[`grad:${name}`].data as Float32Array])); // gradients are float32 as the parameters are
      return { loss: Number(results.loss.data[0]), gradients };
    },
    release: () => program.release(),
  };
}

function needed(parameters: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const value = parameters.get(name);
  if (value === undefined) throw new InternalError(`the weight ${name} is not given`);
  return value;
}
