// Reads YAML; the only file that imports the YAML package.
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import { ConfigError, type Problem } from '../errors.ts';

export interface YamlFile {
  readonly values: Readonly<Record<string, unknown>>;
  /** Line of each top-level key, from 1. */
  readonly lines: ReadonlyMap<string, number>;
}

/** The top-level keys of `text`. Throws ConfigError: not YAML, a key twice, not a list of keys. `path` is for messages. */
export function parseYaml(text: string, path: string): YamlFile {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const problems = document.errors.map((error): Problem => {
    const { line } = lineCounter.linePos(error.pos[0]);
    const source = text.split('\n')[line - 1].trim();
    return { where: `${path}:${line}`, ...explain(error.code, error.message, source) };
  });
  if (problems.length > 0) throw new ConfigError(problems);
  const root = document.contents;
  if (root === null || (isScalar(root) && root.value === null)) {
    throw new ConfigError([{ where: path, what: 'the file is empty', fix: 'examples are in configs/' }]);
  }
  if (!isMap(root)) {
    throw new ConfigError([{ where: path, what: 'expected lines of the form "key: value"', fix: 'examples are in configs/' }]);
  }
  const lines = new Map<string, number>();
  for (const { key } of root.items) {
    if (isScalar(key) && key.range) lines.set(String(key.value), lineCounter.linePos(key.range[0]).line);
  }
  return { values: toValues(document, path), lines };
}

/** Aliases (`*name`) are resolved here, and may fail. */
function toValues(document: ReturnType<typeof parseDocument>, path: string): YamlFile['values'] {
  try {
    return document.toJS();
  } catch (cause) {
    throw new ConfigError([{ where: path, what: `not valid YAML: ${cause instanceof Error ? cause.message : String(cause)}` }], { cause });
  }
}

function explain(code: string, message: string, source: string): Pick<Problem, 'what' | 'fix'> {
  if (code === 'DUPLICATE_KEY') {
    return { what: `${source.split(':')[0]} is there a second time`, fix: 'keep one of the two lines' };
  }
  if (code === 'TAB_AS_INDENT') return { what: 'a tab where YAML wants spaces', fix: 'replace the tab by spaces' };
  return { what: `not valid YAML: ${message.split('\n')[0]}`, fix: `in: ${source}` };
}
