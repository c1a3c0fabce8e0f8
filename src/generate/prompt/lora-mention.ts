// What a mention in angle brackets asks for, by WebUI's rules.

import type { Problem } from '../../errors.ts';
import { pythonFloat } from '../../util/python-text.ts';

export interface LoraMention {
  /** A file's name without extension, or the `ss_output_name` in it. */
  readonly name: string;
  /** Strength in the text encoder; by default 1. */
  readonly textEncoder: number;
  /** Strength in the UNet; by default that of the text encoder. */
  readonly unet: number;
}

/** `<kind:content>` */
export interface Mention {
  readonly whole: string;
  readonly kind: string;
  readonly content: string;
}

export interface MentionResult {
  readonly loras: readonly LoraMention[];
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

const nothing: MentionResult = { loras: [], problems: [], warnings: [] };

export function adapterOf({ whole, kind, content }: Mention, where: string): MentionResult {
  if (kind === 'lora' || kind === 'lyco') return loraOf(whole, content, where);
  const unsupported = unsupportedKinds.get(kind);
  if (unsupported !== undefined)
    return {
      ...nothing,
      problems: [{ where, what: `${whole} ${unsupported}`, fix: takeOut(whole) }],
    };
  const what = `${whole} is no adapter, and is left out of the text, as WebUI does`;
  return { ...nothing, warnings: [{ where, what, fix: 'Adapters are named as <lora:name:0.8>.' }] };
}

const takeOut = (whole: string): string => `Take ${whole} out of the prompt.`;

const unsupportedKinds: ReadonlyMap<string, string> = new Map([
  ['hypernet', 'names a hypernetwork, which this program cannot apply'],
  ['embedding', 'names a textual inversion, which this program cannot apply'],
]);

/** By position: name, text encoder, UNet, rank; by name: te, unet, dyn. */
function loraOf(whole: string, content: string, where: string): MentionResult {
  const { positional, named } = argumentsOf(content);
  const [name = '', te = '1', unet, dyn] = positional;
  const problems = [...nameProblems(name), ...unknownArguments(positional, named, dyn)];
  const textEncoder = named.get('te') ?? te;
  const strengths = [textEncoder, named.get('unet') ?? unet ?? textEncoder].map(pythonFloat);
  const [first, second] = strengths;
  if (!isStrength(first) || !isStrength(second))
    problems.push({
      what: 'has a strength that is not a number',
      fix: 'Write it as <lora:name:0.8>, or as <lora:name:0.8:0.5> for text encoder and UNet.',
    });
  if (problems.length > 0 || first === undefined || second === undefined)
    return {
      ...nothing,
      problems: problems.map(({ what, fix }) => ({ where, what: `${whole} ${what}`, fix })),
    };
  return { ...nothing, loras: [{ name, textEncoder: first, unet: second }] };
}

const isStrength = (value: number | undefined): boolean =>
  value !== undefined && Number.isFinite(value);

/** As WebUI parts them: one equals sign makes a name and a value. */
function argumentsOf(content: string): { positional: string[]; named: Map<string, string> } {
  const positional: string[] = [];
  const named = new Map<string, string>();
  for (const part of content.split(':').map((each) => each.trim())) {
    const [key, value, more] = part.split('=');
    if (value !== undefined && more === undefined) named.set(key, value);
    else positional.push(part);
  }
  return { positional, named };
}

type Fault = Omit<Problem, 'where'>;

const nameProblems = (name: string): Fault[] =>
  name === '' ? [{ what: 'names no file', fix: 'Write it as <lora:name:0.8>.' }] : [];

const lessMeans: ReadonlyMap<string, string> = new Map([
  ['lbw', 'weights of single blocks (lbw)'],
  ['dyn', 'a smaller rank (dyn)'],
  ['start', 'a step to start at (start)'],
  ['stop', 'a step to stop at (stop)'],
  ['step', 'steps to be active in (step)'],
]);

function unknownArguments(
  positional: readonly string[],
  named: ReadonlyMap<string, string>,
  dyn: string | undefined,
): Fault[] {
  const extra = [...named.keys()].filter((key) => key !== 'te' && key !== 'unet');
  const asked = [...extra, ...(dyn === undefined ? [] : ['dyn'])];
  if (positional.length > 4) asked.push(positional[4]);
  return asked.map((key) => ({
    what: `asks for ${lessMeans.get(key) ?? key}, which this program does not have`,
    fix: 'Leave that part out: the adapter is then applied to all blocks and steps alike.',
  }));
}
