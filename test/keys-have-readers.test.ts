// No key without a reader: each key of the configuration with the file that acts by it. `device`
// and `optimizer` once had none.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import ts from 'typescript';
import { configKeys } from '../src/config/schema.ts';
import { keysOf } from './keys.test-util.ts';

const keys = keysOf('.');

/** Names that a file takes out of objects: `config.name`, `{ name }` and `{ name: other }`. */
function namesRead(path: string): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node) && !isAssigned(node)) names.add(node.name.text);
    if (ts.isBindingElement(node)) {
      const name = node.propertyName ?? node.name;
      if (ts.isIdentifier(name)) names.add(name.text);
    }
    node.forEachChild(visit);
  };
  const text = readFileSync(`src/${path}`, 'utf8');
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
  return names;
}

const isAssigned = (node: ts.Node): boolean =>
  ts.isBinaryExpression(node.parent) &&
  node.parent.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
  node.parent.left === node;

for (const key of configKeys) {
  const { reader } = keys[key];
  test(`${key} is read by ${reader}`, () => {
    assert.ok(namesRead(reader).has(key), `src/${reader} does not read ${key}`);
    assert.doesNotMatch(reader, /^config\//, 'what only checks and fills in does not act');
  });
}

test('a file that only writes a key, or names it in a text, is no reader of it', () => {
  assert.ok(!namesRead('losses/options.ts').has('noise_offset'));
  assert.ok(!namesRead('train/image/metadata.ts').has('sd_model_name'));
});
