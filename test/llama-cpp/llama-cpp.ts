// llama.cpp through node-llama-cpp, as far as the tests need it; absent unless it was installed in
// this folder.

import { existsSync } from 'node:fs';

/** Why the tests that need llama.cpp are skipped, or false. */
export const missing = existsSync(
  new URL('node_modules/node-llama-cpp/package.json', import.meta.url),
)
  ? false
  : 'node-llama-cpp is not installed: run npm install in test/llama-cpp (83 MB; on other systems than Linux x64, npm install --force @node-llama-cpp/<platform>@3.21.1 as well)';

type Token = number;

interface Sequence {
  controlledEvaluate(
    input: readonly (Token | readonly [Token, object])[],
  ): Promise<readonly ({ next: { probabilities?: Map<Token, number> } } | undefined)[]>;
  evaluate(tokens: readonly Token[], options: object): AsyncIterable<Token>;
}

interface Disposable {
  dispose(): Promise<void>;
}

interface Model extends Disposable {
  readonly fileInfo: { readonly metadata: unknown };
  tokenize(text: string, specialTokens?: boolean): Token[];
  createContext(options: object): Promise<Disposable & { getSequence(): Sequence }>;
}

/**
 * The part of the package's interface that is used; it has no types here when it is not installed.
 */
interface NodeLlamaCpp {
  getLlama(options: object): Promise<{ loadModel(options: object): Promise<Model> }>;
}

export interface Answer {
  /** Of each token, after the prompt. */
  readonly probabilities: ReadonlyMap<Token, number>;
  /** Greedy. */
  readonly tokens: readonly Token[];
}

export interface Question {
  readonly model: string;
  readonly adapter?: string;
  readonly prompt: readonly Token[];
  /** Tokens to give. */
  readonly count: number;
}

let llama: ReturnType<NodeLlamaCpp['getLlama']> | undefined;

async function load(model: string): Promise<Model> {
  // not a literal: the package need not be there when types are checked
  const name = 'node-llama-cpp';
  // See NodeLlamaCpp.
  const { getLlama } = (await import(name)) as NodeLlamaCpp;
  llama ??= getLlama({ gpu: false, build: 'never', logLevel: 'error' });
  return (await llama).loadModel({ modelPath: model, gpuLayers: 0 });
}

export async function ask({ model: path, adapter, prompt, count }: Question): Promise<Answer> {
  const model = await load(path);
  const lora =
    adapter === undefined ? {} : { lora: { adapters: [{ filePath: adapter, scale: 1 }] } };
  const context = await model.createContext({
    contextSize: 128,
    threads: 1,
    flashAttention: false,
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
    ...lora,
  });
  const tokens = [...prompt];
  let first: ReadonlyMap<Token, number> | undefined;
  try {
    const sequence = context.getSequence();
    let input = tokens.slice();
    for (let i = 0; i < count; i++) {
      const last = input[input.length - 1];
      const options = { temperature: 1, topK: 0, topP: 1, minP: 0 };
      const results = await sequence.controlledEvaluate([
        ...input.slice(0, -1),
        [last, { generateNext: { probabilities: true, options } }],
      ]);
      const probabilities = results[input.length - 1]?.next.probabilities;
      if (probabilities === undefined) throw new Error('no probabilities');
      first ??= probabilities;
      const [best] = [...probabilities].reduce((a, b) => (b[1] > a[1] ? b : a));
      tokens.push(best);
      input = [best];
    }
  } finally {
    await context.dispose();
    await model.dispose();
  }
  return { probabilities: first ?? new Map(), tokens: tokens.slice(prompt.length) };
}

/** `special`: marks in the text are read as such. */
export async function tokenize(
  path: string,
  texts: readonly string[],
  special = false,
): Promise<Token[][]> {
  const model = await load(path);
  const ids = texts.map((text) => model.tokenize(text, special));
  await model.dispose();
  return ids;
}
