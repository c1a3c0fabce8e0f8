// Reads YAML; the only file that imports the YAML package.
import { isMap, isNode, isScalar, LineCounter, parseDocument, type YAMLMap } from 'yaml';
import { ConfigError, type Problem } from '../errors.ts';
import { explainYaml } from './yaml-errors.ts';

export interface YamlFile {
  readonly values: Readonly<Record<string, unknown>>;
  /** Line of each top-level key, from 1. */
  readonly lines: ReadonlyMap<string, number>;
  /**
   * Line of the value found by these keys and positions, from 1; of the last of them that is there.
   */
  readonly lineAt: (keys: readonly (string | number)[]) => number;
}

/** Faults of the notation that are shown; the first ones cause the others. */
const shownFaults = 5;

/**
 * The top-level keys of `text`. Throws ConfigError: not YAML, a key twice, not a list of keys.
 * `path` is for messages.
 */
export function parseYaml(text: string, path: string): YamlFile {
  const lineCounter = new LineCounter();
  const clean = plainText(text);
  // Only plain values: a tag such as !!binary or !!js/function is refused, never resolved.
  const document = parseDocument(clean, {
    lineCounter,
    prettyErrors: false,
    resolveKnownTags: false,
  });
  const problems = [...document.errors, ...document.warnings].map((error): Problem => {
    const { line } = lineCounter.linePos(error.pos[0]);
    const source = clean.split('\n')[line - 1]?.trim() ?? '';
    return { where: `${path}:${line}`, ...explainYaml(error.code, error.message, source) };
  });
  if (problems.length > 0) throw new ConfigError(onePerLine(problems).slice(0, shownFaults));
  const root = document.contents;
  if (root === null || (isScalar(root) && root.value === null)) {
    throw new ConfigError([
      { where: path, what: 'the file is empty', fix: 'Examples are in configs/.' },
    ]);
  }
  if (!isMap(root)) {
    throw new ConfigError([
      {
        where: path,
        what: 'expected lines of the form "key: value"',
        fix: 'Examples are in configs/.',
      },
    ]);
  }
  return {
    lines: linesOf(root, lineCounter, path),
    values: toValues(document, path, clean),
    lineAt: (keys) => lineAt(document, lineCounter, keys),
  };
}

/** Line ends of Unix; no characters that look like a space and are none, or that cannot be seen. */
const plainText = (text: string): string =>
  text
    .replace(/\r\n?/g, '\n')
    .replace(/[\u00a0\u3000]/g, ' ')
    .replace(/[\u200b\ufeff]/g, '');

function onePerLine(problems: readonly Problem[]): Problem[] {
  return problems.filter(
    ({ where }, i) => problems.findIndex((other) => other.where === where) === i,
  );
}

function linesOf(root: YAMLMap, lineCounter: LineCounter, path: string): Map<string, number> {
  const lines = new Map<string, number>();
  for (const { key } of root.items) {
    if (!isScalar(key) || key.value === null)
      throw new ConfigError([
        {
          where: path,
          what: 'a key must be a single word',
          fix: 'Write lines of the form key: value.',
        },
      ]);
    if (key.range) lines.set(String(key.value), lineCounter.linePos(key.range[0]).line);
  }
  return lines;
}

function lineAt(
  document: ReturnType<typeof parseDocument>,
  lineCounter: LineCounter,
  keys: readonly (string | number)[],
): number {
  const found = document.getIn(keys, true);
  if (isNode(found) && found.range) return lineCounter.linePos(found.range[0]).line;
  return keys.length === 0 ? 1 : lineAt(document, lineCounter, keys.slice(0, -1));
}

/** Aliases (`*name`) are resolved here, and may fail. */
function toValues(
  document: ReturnType<typeof parseDocument>,
  path: string,
  text: string,
): YamlFile['values'] {
  try {
    return document.toJS();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const name = /Unresolved alias.*: (\S+)$/.exec(message)?.[1];
    if (name === undefined)
      throw new ConfigError(
        [
          {
            where: path,
            what: 'its aliases (*name) expand to far too much',
            fix: 'Write the values out.',
          },
        ],
        { cause },
      );
    const line = text.split('\n').findIndex((source) => source.includes(`*${name}`)) + 1;
    throw new ConfigError(
      [
        {
          where: `${path}:${line}`,
          what: `*${name} stands for an earlier value marked &${name}, and there is none`,
          fix: 'If the text begins with *, put it in quotes.',
        },
      ],
      { cause },
    );
  }
}
