// The words that docs/glossary.md says not to use, as far as a pattern can tell, are in no name,
// message or comment of src and on no page.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Rule {
  readonly say: string;
  /** In the words of an identifier, lower case. */
  readonly name: RegExp;
  /** In comments, strings and pages, lower case. */
  readonly prose: RegExp;
  /** Other meanings of the word: taken out before the rest is searched. */
  readonly meant?: readonly RegExp[];
}

const determiner = '(?:an?|each|every|its|their|one|another|other|which|same)';
const nounOnly = (word: string) =>
  new RegExp(`\\b${word}s\\b|\\b${determiner} ${word}\\b(?! (?:the|an?|to|into|in|of)\\b)`);

const rules: readonly Rule[] = [
  { say: 'predicted, estimated', name: /\bforeseen\b/, prose: /\b(?:un)?foreseen\b/ },
  { say: 'memory-saving', name: /\bfrugal\b/, prose: /\bfrugal(?:ly)?\b/ },
  { say: 'chooses, selects', name: /\bpick(?:s|ed)?\b/, prose: /\bpick(?:s|ed|ing)?\b/ },
  {
    say: 'character, punctuation mark, special token',
    name: /\bsigns?\b/,
    prose: /\bsigns?\b/,
    meant: [
      /\bsigns? of (?:an? |the )?(?:number|mean|difference|gradient)s?\b/g,
      /\b(?:one|either|other|same|opposite|equals|plus|minus|dollar|percent) signs?\b/g,
      /\bsign(?:-flip\b| patterns?\b|\(x\))/g,
    ],
  },
  {
    say: 'special token, score, punctuation mark',
    name: /\bmarks?\b/,
    prose: /\bmarks?\b/,
    meant: [
      /\b(?:quotation|punctuation|question|exclamation|combining|byte[ -]order|vowel|accent|diacritic\w*) marks?\b/g,
      /\bmarks? (?:of punctuation|above|below)\b/g,
      /<\\?\/?mark\b|\nmark(?=[ .])/g, // HTML, CSS
      /\\p\{mark\}/g, // Unicode's property
    ],
  },
  { say: 'script, encoding', name: /\bwritings?$/, prose: nounOnly('writing') },
  { say: 'alias, interpretation, prompt', name: /\breadings?$/, prose: nounOnly('reading') },
];

/** Names that others gave: TypeScript's Pick, ONNX's Sign, the sign of a number. */
const allowed: readonly { readonly name: string; readonly files: RegExp }[] = [
  { name: 'Pick', files: /./ },
  { name: 'Sign', files: /^src\/(?:graph|autodiff|runtime)\// },
  { name: 'sign', files: /^src\/(?:graph|autodiff|tensor)\// },
  { name: 'sign', files: /^src\/eval\/verdict\.ts$/ }, // Math.sign
];

interface Piece {
  readonly line: number;
  readonly kind: 'name' | 'prose';
  readonly text: string;
}

/** `headMark` → `head mark`. */
const words = (name: string): string =>
  name
    .replaceAll(/(?<=[a-z\d])(?=[A-Z])/g, ' ')
    .replaceAll('_', ' ')
    .toLowerCase();

function faultOf({ kind, text }: Piece, file: string): string | undefined {
  if (allowed.some(({ name, files }) => name === text && files.test(file))) return undefined;
  for (const { say, name, prose, meant = [] } of rules) {
    const said = kind === 'name' ? words(text) : text.toLowerCase();
    const searched = meant.reduce((left, one) => left.replaceAll(one, '…'), said);
    const found = (kind === 'name' ? name : prose).exec(searched);
    if (found !== null)
      return `"${found[0]}" in ${kind} "${text.trim().slice(0, 100)}"; say ${say}`;
  }
  return undefined;
}

/** Identifiers, literals and comments. */
function piecesOf(path: string, text: string): readonly Piece[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const lineAt = (at: number) => source.getLineAndCharacterOfPosition(at).line + 1;
  const pieces: Piece[] = [];
  const comments = new Map<number, number>();
  const visit = (node: ts.Node): void => {
    for (const { pos, end } of [
      ...(ts.getLeadingCommentRanges(text, node.pos) ?? []),
      ...(ts.getTrailingCommentRanges(text, node.end) ?? []),
    ])
      comments.set(pos, end);
    if (ts.isIdentifier(node) || ts.isPrivateIdentifier(node))
      pieces.push({ line: lineAt(node.getStart()), kind: 'name', text: node.text });
    else if (ts.isLiteralExpression(node) || ts.isTemplateLiteralToken(node))
      pieces.push({ line: lineAt(node.getStart()), kind: 'prose', text: node.text });
    node.getChildren(source).forEach(visit);
  };
  visit(source);
  for (const [pos, end] of joined(comments, text))
    pieces.push({ line: lineAt(pos), kind: 'prose', text: unwrapped(text.slice(pos, end)) });
  return pieces;
}

/** Where comments begin and end; those on lines that follow each other are one. */
function joined(comments: ReadonlyMap<number, number>, text: string): readonly [number, number][] {
  const ranges: [number, number][] = [];
  for (const [pos, end] of [...comments].sort(([a], [b]) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && /^\n? *$/.test(text.slice(last[1], pos))) last[1] = end;
    else ranges.push([pos, end]);
  }
  return ranges;
}

/** A comment as one line. */
const unwrapped = (comment: string): string =>
  comment.replaceAll(/\s*\n\s*(?:\*(?!\/)|\/\/)?\s*/g, ' ');

const filesIn = (folder: string, extension: string): readonly string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(extension))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .sort();

const faultsIn = (files: readonly string[], pieces: typeof piecesOf): readonly string[] =>
  files.flatMap((file) =>
    pieces(file, readFileSync(join(root, file), 'utf8')).flatMap((piece) => {
      const fault = faultOf(piece, file);
      return fault === undefined ? [] : [`${file}:${piece.line} ${fault}`];
    }),
  );

test('identifiers, messages and comments use the words of the glossary', () =>
  assert.deepEqual(faultsIn(filesIn('src', '.ts'), piecesOf), []));

test('pages use the words of the glossary', () => {
  const pages = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', ...filesIn('docs', '.md')];
  const paragraphsOf = (_: string, page: string): readonly Piece[] =>
    [...page.matchAll(/(?:.+\n?)+/g)].map(({ 0: text, index }) => ({
      line: page.slice(0, index).split('\n').length,
      kind: 'prose',
      text: text.replaceAll('\n', ' '),
    }));
  assert.deepEqual(
    faultsIn(
      pages.filter((page) => page !== 'docs/glossary.md'),
      paragraphsOf,
    ),
    [],
  );
});

test('each kind of misleading word is found, and other meanings of it are not', () => {
  const found = (text: string) =>
    piecesOf('x.ts', text).flatMap((piece) => faultOf(piece, 'src/x.ts') ?? []).length;
  const bad = [
    '// a foreseen size',
    'const frugalPlan = 1;',
    'f("it picks one");',
    'const endMark = 1;',
    '// full-width signs',
    'interface QuestionReading {}',
    '/** Scripts and\n * other writings. */',
    'f(`its reading ${x} is unknown`);',
    'class A { #signs = 1; }',
  ];
  const good = [
    'type A = Pick<B, "c">;',
    '// quotation marks',
    '// the sign of a number',
    'f("reading the weights");',
    'const signal = 1;',
    '// while writing a file',
    'f("its writing to disk failed");',
    'const readingOrder = 1;',
    '// byte order mark',
  ];
  assert.deepEqual(
    bad.map(found),
    bad.map(() => 1),
  );
  assert.deepEqual(
    good.map(found),
    good.map(() => 0),
  );
});
