// Which exports of src somebody imports, found in the source text by the TypeScript compiler.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import ts from 'typescript';

export type Users = ReadonlySet<'src' | 'tests' | 'tools'>;

export interface Export {
  /** `src/util/needed.ts needed` */
  readonly name: string;
  /** Who imports it; `src` is another file of src, index.ts among them. */
  readonly users: Users;
  /** A type that an exported declaration beside it is written with. */
  readonly isPartOfSignature: boolean;
}

const isTest = (file: string): boolean => /\.test(-util)?\.ts$|(^|\/)testing\/|^test\//.test(file);
const kindOf = (file: string): 'src' | 'tests' | 'tools' =>
  isTest(file) ? 'tests' : file.startsWith('src/') ? 'src' : 'tools';

/** The TypeScript files that git knows or would know. */
export function sourceFiles(root: string): string[] {
  const listed = ['--cached', '--others', '--exclude-standard'];
  const output = execFileSync('git', ['ls-files', '-z', ...listed], {
    cwd: root,
    encoding: 'utf8',
  });
  return output
    .split('\0')
    .filter((file) => /\.m?ts$|\.mjs$/.test(file) && !file.endsWith('.d.ts'));
}

/** The exports of `src/` but for those of tests and of src/index.ts, which is the library. */
export function exportsOf(root: string, files = sourceFiles(root)): Export[] {
  const parsed = new Map(
    files.map((file) => [
      file,
      ts.createSourceFile(
        file,
        readFileSync(join(root, file), 'utf8'),
        ts.ScriptTarget.Latest,
        true,
      ),
    ]),
  );
  const users = usersOf(parsed);
  return [...parsed].flatMap(([file, source]) => {
    if (kindOf(file) !== 'src' || file === 'src/index.ts') return [];
    const declared = source.statements.filter(isExported);
    const inSignatures = new Set(declared.flatMap(namesInSignature));
    const whole = users.get(`${file} *`) ?? [];
    return declared.flatMap(declaredNames).map((name) => ({
      name: `${file} ${name}`,
      users: new Set([...whole, ...(users.get(`${file} ${name}`) ?? [])]),
      isPartOfSignature: inSignatures.has(name),
    }));
  });
}

/** By `file name`, and by `file *` where a whole file is imported. */
function usersOf(
  parsed: ReadonlyMap<string, ts.SourceFile>,
): Map<string, Set<'src' | 'tests' | 'tools'>> {
  const users = new Map<string, Set<'src' | 'tests' | 'tools'>>();
  for (const [file, source] of parsed)
    for (const { from, name } of importsOf(source)) {
      if (!from.startsWith('.')) continue;
      const key = `${posix.join(posix.dirname(file), from)} ${name}`;
      users.set(key, (users.get(key) ?? new Set()).add(kindOf(file)));
    }
  return users;
}

interface Import {
  readonly from: string;
  readonly name: string;
}

function importsOf(source: ts.SourceFile): Import[] {
  const found: Import[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) found.push(...namedImports(node));
    else if (ts.isExportDeclaration(node)) found.push(...namedExports(node));
    else found.push(...dynamicImport(node));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

const textOf = (node: ts.Node | undefined): string | undefined =>
  node !== undefined && ts.isStringLiteralLike(node) ? node.text : undefined;

function namedImports({ moduleSpecifier, importClause }: ts.ImportDeclaration): Import[] {
  const from = textOf(moduleSpecifier) ?? '';
  const bindings = importClause?.namedBindings;
  if (bindings === undefined) return [];
  return ts.isNamedImports(bindings)
    ? bindings.elements.map((one) => ({ from, name: (one.propertyName ?? one.name).text }))
    : [{ from, name: '*' }];
}

function namedExports({ moduleSpecifier, exportClause }: ts.ExportDeclaration): Import[] {
  const from = textOf(moduleSpecifier);
  if (from === undefined) return [];
  return exportClause !== undefined && ts.isNamedExports(exportClause)
    ? exportClause.elements.map((one) => ({ from, name: (one.propertyName ?? one.name).text }))
    : [{ from, name: '*' }];
}

/** `import('./x.ts')`, as a value or as a type. */
function dynamicImport(node: ts.Node): Import[] {
  const called =
    ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
      ? textOf(node.arguments[0])
      : ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)
        ? textOf(node.argument.literal)
        : undefined;
  return called === undefined ? [] : [{ from: called, name: '*' }];
}

const isExported = (node: ts.Statement): boolean =>
  ts.canHaveModifiers(node) &&
  ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true;

function declaredNames(node: ts.Statement): string[] {
  if (ts.isVariableStatement(node))
    return node.declarationList.declarations.flatMap(({ name }) => boundNames(name));
  // all other kinds that are exported have a name or none
  const { name } = node as ts.Statement & { readonly name?: ts.Identifier };
  return name === undefined ? [] : [name.text];
}

function boundNames(name: ts.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((one) => (ts.isOmittedExpression(one) ? [] : boundNames(one.name)));
}

/** The types that a declaration is written with, without the bodies of functions. */
function namesInSignature(node: ts.Statement): string[] {
  const found: string[] = [];
  const visit = (part: ts.Node): void => {
    if (ts.isBlock(part) || (ts.isArrowFunction(part.parent) && part === part.parent.body)) return;
    if (ts.isTypeReferenceNode(part)) found.push(part.typeName.getText().split('.')[0]);
    if (ts.isExpressionWithTypeArguments(part)) found.push(part.expression.getText());
    if (ts.isTypeQueryNode(part)) found.push(part.exprName.getText());
    ts.forEachChild(part, visit);
  };
  ts.forEachChild(node, visit);
  return found;
}
