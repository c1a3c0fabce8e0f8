// Graphs as text: one line a node, grouped by scope.

import { dtypes } from '../tensor/dtype.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Graph, Node, Value } from './graph.ts';

export interface PrintOptions {
  /** Only nodes of this scope and those below it. */
  readonly scope?: string;
  /** At most so many nodes of each run of nodes in one scope; the others are counted. */
  readonly limit?: number;
  /** List inputs, parameters and constants above the nodes; by default true. */
  readonly declarations?: boolean;
}

/**
 * The graph in execution order, e.g. `%y: f32[2,320,64,64] = Conv(%x, %weight, %bias)
 * {strides=[1,1]}`. Names are shortened by the scope they are listed under; scalar constants stand
 * as their numbers.
 */
export function printGraph(
  graph: Graph,
  { scope, limit = Infinity, declarations = true }: PrintOptions = {},
): string {
  const nodes = graph.nodes.filter(
    (node) => scope === undefined || node.scope === scope || node.scope.startsWith(`${scope}.`),
  );
  return [
    `graph ${graph.name}`,
    ...(declarations ? declared(graph) : []),
    ...runsByScope(nodes).flatMap((run) => scopeLines(graph, run, limit)),
    ...(scope === undefined ? outputLines(graph) : []),
    '',
  ].join('\n');
}

function declared({ inputs, parameters, constants }: Graph): string[] {
  const arrays = [...constants].filter(([, tensor]) => tensor.shape.length > 0);
  return [
    ...section(
      'inputs',
      inputs.map((value) => typed(value)),
    ),
    ...section(
      'parameters',
      parameters.map((value) => typed(value)),
    ),
    ...section(
      'constants',
      arrays.map(([value, tensor]) => `${typed(value)} = ${preview(tensor)}`),
    ),
  ];
}

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`  ${title}`, ...lines.map((line) => `    ${line}`)];

const outputLines = ({ outputs }: Graph): string[] =>
  section(
    'outputs',
    [...outputs].map(([name, value]) => `${name} = %${value.name}`),
  );

/** Neighbouring nodes of one scope. */
function runsByScope(nodes: readonly Node[]): Node[][] {
  const runs: Node[][] = [];
  for (const node of nodes) {
    const last = runs.at(-1);
    if (last?.[0].scope === node.scope) last.push(node);
    else runs.push([node]);
  }
  return runs;
}

function scopeLines(graph: Graph, run: readonly Node[], limit: number): string[] {
  const shown = run.slice(0, limit).map((node) => nodeLine(graph, node));
  const more = run.length - shown.length;
  return section(
    run[0].scope === '' ? '(no scope)' : run[0].scope,
    more > 0 ? [...shown, `… ${more} more`] : shown,
  );
}

function nodeLine(graph: Graph, node: Node): string {
  const outputs = node.outputs.map((value) => typed(value, node.scope)).join(', ');
  const given = node.inputs.slice(0, node.inputs.findLastIndex((value) => value !== undefined) + 1);
  const inputs = given.map((value) => operand(graph, value, node.scope)).join(', ');
  return `${outputs} = ${node.op}(${inputs})${attributesText(node.attributes)}`;
}

function operand({ constants }: Graph, value: Value | undefined, scope: string): string {
  if (value === undefined) return '-';
  const tensor = constants.get(value);
  return tensor?.shape.length === 0 ? numberText(Number(tensor.data[0])) : shortName(value, scope);
}

function attributesText(attributes: object): string {
  const entries = Object.entries(attributes).map(
    ([key, value]) => `${key}=${attributeText(value)}`,
  );
  return entries.length === 0 ? '' : ` {${entries.join(', ')}}`;
}

function attributeText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.join(',')}]`;
  return typeof value === 'number' ? numberText(value) : String(value);
}

const typed = (value: Value, scope = ''): string =>
  `${shortName(value, scope)}: ${dtypes[value.dtype].safetensors.toLowerCase()}[${value.shape}]`;

/**
 * The name without the scope it stands under: `a.b/Conv` and the parameter `a.b.weight` below
 * `a.b`.
 */
function shortName({ name }: Value, scope: string): string {
  const inside = scope !== '' && (name.startsWith(`${scope}/`) || name.startsWith(`${scope}.`));
  return `%${inside ? name.slice(scope.length + 1) : name}`;
}

/** Seven digits: what float32 holds. */
const numberText = (x: number): string => String(Number(x.toPrecision(7)));

function preview({ data }: Tensor): string {
  const head = Array.from({ length: Math.min(4, data.length) }, (_, i) =>
    numberText(Number(data[i])),
  );
  return `[${head.join(', ')}${data.length > head.length ? ', …' : ''}]`;
}
