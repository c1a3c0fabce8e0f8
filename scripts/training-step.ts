// One training step of a tiny model, printed after each stage: the graphs that ARCHITECTURE.md
// shows.

import { applyAdapter } from '../src/adapters/apply.ts';
import { lora } from '../src/adapters/lora.ts';
import { differentiate } from '../src/autodiff/differentiate.ts';
import { Builder } from '../src/graph/builder.ts';
import type { Graph } from '../src/graph/graph.ts';
import { printGraph } from '../src/graph/print.ts';
import { noisePredictionLoss } from '../src/losses/noise-prediction.ts';
import { attention } from '../src/nn/attention.ts';
import { groupNorm } from '../src/nn/group-norm.ts';
import { fromTokens, toTokens } from '../src/nn/tokens.ts';
import { lower, rewrite, type Lowered } from '../src/runtime/lowering.ts';
import { zeros } from '../src/tensor/tensor.ts';
import { cpu } from '../src/runtime/onnxruntime/cpu.ts';

/**
 * A picture of 2 x 2 places and 4 channels, whose places attend to each other; with `loss`, the
 * loss behind it.
 */
function model({ loss }: { loss: boolean }): Graph {
  const g = new Builder('tiny');
  const x = g.input('noisy_latents', 'float32', [1, 4, 2, 2]);
  const prediction = g.scoped('unet', () => {
    const tokens = toTokens(g, groupNorm(g, 'norm', x, { groups: 2, epsilon: 1e-6 }));
    return g.add(fromTokens(g, attention(g, 'attn', tokens, tokens, { heads: 2 }), 2, 2), x);
  });
  if (!loss) g.output('prediction', prediction);
  else
    g.output(
      'loss',
      noisePredictionLoss(
        g,
        prediction,
        g.input('target', 'float32', prediction.shape),
        g.input('sample_weights', 'float32', [1]),
      ),
    );
  return g.finish();
}

/**
 * A training step with an adapter of rank 2 on one layer and frozen weights in half precision,
 * printed stage by stage.
 */
export function trainingStep(): Readonly<Record<string, string>> {
  const finished = model({ loss: true });
  const { graph: adapted, modules } = applyAdapter(finished, lora, ({ path }) =>
    path.endsWith('to_q') ? { rank: 2, alpha: 1 } : undefined,
  );
  const gradients = differentiate(adapted, {
    loss: 'loss',
    wrt: modules.flatMap(({ down, up }) => [down, up]),
  });
  const frozen = new Map(
    finished.parameters.map(({ name, shape }) => [name, zeros('float16', shape)] as const),
  );
  return {
    model: printGraph(model({ loss: false })),
    loss: printGraph(finished, { scope: 'loss', declarations: false }),
    adapter: printGraph(adapted, { scope: 'unet.attn.to_q', declarations: false }),
    gradients: printGraph(behind(adapted, gradients), { declarations: false }),
    lowered: printGraph(behind(adapted, rewrite(gradients, cpu)), {
      scope: 'unet.attn',
      limit: 22,
      declarations: false,
    }),
    onnx: onnxText(lower(gradients, frozen, cpu), 15),
  };
}

/** `graph` without the nodes of `before`. */
function behind(before: Graph, graph: Graph): Graph {
  const known = new Set(before.nodes.flatMap(({ outputs }) => outputs));
  return {
    ...graph,
    nodes: graph.nodes.filter(({ outputs }) => !outputs.some((value) => known.has(value))),
  };
}

function onnxText({ inputs, weights, nodes }: Lowered, limit: number): string {
  const shown = nodes
    .slice(0, limit)
    .map((node) => `  ${node.outputs.join(', ')} = ${node.type}(${node.inputs.join(', ')})`);
  return [
    `inputs: ${inputs.map(({ name }) => name).join(', ')}`,
    `weights in their file: ${weights.map(({ name }) => name).join(', ')}`,
    'nodes, in the order meant',
    ...shown,
    `  … ${nodes.length - shown.length} more`,
  ].join('\n');
}

/** The page with the block behind each `<!-- printed: STAGE -->` printed anew. */
export function withPrintedGraphs(page: string): string {
  const stages = trainingStep();
  return page.replace(
    /(<!-- printed: (\w+) -->\n```text\n)[^`]*(```)/g,
    (_, start: string, stage: string, end: string) => `${start}${stages[stage].trimEnd()}\n${end}`,
  );
}
