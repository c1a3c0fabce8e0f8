// Prompts that change on the way, as WebUI has them: [before:after:when], [after:when],
// [before::when], and [a|b], which alternate.

import { SPACE } from '../../util/python-text.ts';

/** Which calls of the model a prompt is for. */
export interface ScheduleSpan {
  /** Calls of the model: the steps, or twice as many for a sampler that calls it twice a step. */
  readonly calls: number;
  /** In a second pass, the calls of the first: its numbers count on. */
  readonly callsBefore?: number;
}

export interface ScheduledText {
  /**
   * The text is for the calls 0 … until. (WebUI counts calls from 0 and compares them with steps
   * that count from 1, so the first text has one call more.)
   */
  readonly until: number;
  readonly text: string;
}

/**
 * The texts of a prompt, in their order. Brackets that are no schedule stay in the texts; where a |
 * stands outside of brackets, or a \ before nothing, there is no schedule at all, as in WebUI.
 */
export function promptSchedule(prompt: string, span: ScheduleSpan): ScheduledText[] {
  const nodes = parse(prompt);
  if (nodes === undefined) return [{ until: span.calls, text: prompt }];
  const ends = new Set([span.calls, ...nodes.flatMap((node) => changes(node, span))]);
  return [...ends]
    .sort((a, b) => a - b)
    .map((until) => ({ until, text: textAt(nodes, until, span) }));
}

type Node = string | Scheduled | Alternate;

interface Scheduled {
  readonly before: readonly Node[];
  readonly after: readonly Node[];
  /** A number as it is written. */
  readonly when: string;
}

interface Alternate {
  readonly options: readonly (readonly Node[])[];
}

/** What stands at a place of the text, and where it ends. */
interface Found {
  readonly nodes: readonly Node[];
  readonly end: number;
}

const plain = /(?:[^\\[\]():|]|\\[^\n])+/uy;
const whenEnd = new RegExp(
  String.raw`[${SPACE}]*([-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)[${SPACE}]*\]`,
  'uy',
);

/** Undefined where WebUI's grammar has no place for a character. */
function parse(text: string): Node[] | undefined {
  const groups = groupsOf(text);
  const nodes: Node[] = [];
  for (let at = 0; at < text.length;) {
    const found = itemAt(text, at, groups);
    if (found === undefined && !'[]():'.includes(text[at])) return undefined;
    nodes.push(...(found?.nodes ?? [text[at]]));
    at = found?.end ?? at + 1;
  }
  return nodes;
}

type Groups = Map<number, Found>;

/** What brackets enclose, by the place of the first; from the right, so the inner are known. */
function groupsOf(text: string): Groups {
  const groups: Groups = new Map();
  for (let at = text.length - 1; at >= 0; at--) {
    const found =
      text[at] === '('
        ? roundAt(text, at, groups)
        : text[at] === '['
          ? squareAt(text, at, groups)
          : undefined;
    if (found !== undefined) groups.set(at, found);
  }
  return groups;
}

function itemAt(text: string, at: number, groups: Groups): Found | undefined {
  plain.lastIndex = at;
  const run = plain.exec(text);
  return run === null ? groups.get(at) : { nodes: [run[0]], end: at + run[0].length };
}

/** As many items as follow one another. */
function promptAt(text: string, from: number, groups: Groups): Found {
  const nodes: Node[] = [];
  let end = from;
  for (let item = itemAt(text, end, groups); item !== undefined; item = itemAt(text, end, groups)) {
    nodes.push(...item.nodes);
    end = item.end;
  }
  return { nodes, end };
}

/** (a) or (a:b): brackets that stay in the text. */
function roundAt(text: string, at: number, groups: Groups): Found | undefined {
  const a = promptAt(text, at + 1, groups);
  if (text[a.end] === ')') return { nodes: ['(', ...a.nodes, ')'], end: a.end + 1 };
  if (text[a.end] !== ':') return undefined;
  const b = promptAt(text, a.end + 1, groups);
  if (text[b.end] !== ')') return undefined;
  return { nodes: ['(', ...a.nodes, ':', ...b.nodes, ')'], end: b.end + 1 };
}

function squareAt(text: string, at: number, groups: Groups): Found | undefined {
  const a = promptAt(text, at + 1, groups);
  switch (text[a.end]) {
    case ']':
      return { nodes: ['[', ...a.nodes, ']'], end: a.end + 1 };
    case '|':
      return alternateAt(text, a, groups);
    case ':':
      return scheduledAt(text, a, groups);
    default:
      return undefined;
  }
}

function alternateAt(text: string, first: Found, groups: Groups): Found | undefined {
  const options = [first.nodes];
  let { end } = first;
  while (text[end] === '|') {
    const option = promptAt(text, end + 1, groups);
    options.push(option.nodes);
    end = option.end;
  }
  return text[end] === ']' ? { nodes: [{ options }], end: end + 1 } : undefined;
}

function scheduledAt(text: string, first: Found, groups: Groups): Found | undefined {
  const only = whenAt(text, first.end + 1);
  if (only !== undefined)
    return { nodes: [{ before: [], after: first.nodes, when: only.when }], end: only.end };
  const second = promptAt(text, first.end + 1, groups);
  const both = text[second.end] === ':' ? whenAt(text, second.end + 1) : undefined;
  if (both === undefined) return undefined;
  const node = { before: first.nodes, after: second.nodes, when: both.when };
  return { nodes: [node], end: both.end };
}

function whenAt(text: string, at: number): { when: string; end: number } | undefined {
  whenEnd.lastIndex = at;
  const found = whenEnd.exec(text);
  return found === null ? undefined : { when: found[1], end: at + found[0].length };
}

/** The last call of `before`: a number with a point is a share of the calls. */
function lastCall({ when }: Scheduled, { calls, callsBefore }: ScheduleSpan): number {
  const share = when.includes('.');
  const value =
    callsBefore === undefined
      ? Number(when) * (share ? calls : 1)
      : share
        ? (Number(when) - 1) * calls
        : Number(when) - callsBefore;
  return Math.min(calls, Math.trunc(value));
}

/** The calls after which a node changes. */
function changes(node: Node, span: ScheduleSpan): number[] {
  if (typeof node === 'string') return [];
  if ('options' in node)
    return [
      ...Array.from({ length: span.calls }, (_, i) => i + 1),
      ...node.options.flat().flatMap((inner) => changes(inner, span)),
    ];
  const inner = [...node.before, ...node.after].flatMap((each) => changes(each, span));
  const last = lastCall(node, span);
  return last >= 1 ? [last, ...inner] : inner;
}

function textAt(nodes: readonly Node[], call: number, span: ScheduleSpan): string {
  return nodes
    .map((node) => {
      if (typeof node === 'string') return node;
      const chosen =
        'options' in node
          ? node.options[(call - 1) % node.options.length]
          : call <= lastCall(node, span)
            ? node.before
            : node.after;
      return textAt(chosen, call, span);
    })
    .join('');
}
