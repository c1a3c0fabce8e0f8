// Lint rules. None needs type information, so that linting stays fast; the types are tsc's
// business.
import stylistic from '@stylistic/eslint-plugin';
import tseslint from 'typescript-eslint';

/**
 * `x!` and `x as T` (but `as const`) need a comment: on the line, or above it or a statement or
 * declaration around it.
 */
const assertionNeedsReason = {
  meta: {
    type: 'suggestion',
    schema: [],
    messages: { why: 'say in a comment here or above why TypeScript cannot follow' },
  },
  create(context) {
    const source = context.sourceCode;
    const commented = new Set(
      source.getAllComments().flatMap(({ loc }) => [loc.end.line, loc.end.line + 1]),
    );
    const isStatement = (node) =>
      /Statement$|Declaration$|^PropertyDefinition$|^MethodDefinition$|^Property$/.test(node.type);
    const isExplained = (node) =>
      commented.has(node.loc.start.line) ||
      commented.has(node.loc.end.line) ||
      source
        .getAncestors(node)
        .some((around) => isStatement(around) && commented.has(around.loc.start.line));
    const check = (node) => {
      if (!isExplained(node)) context.report({ node, messageId: 'why' });
    };
    return {
      TSNonNullExpression: check,
      TSAsExpression(node) {
        const type = source.getText(node.typeAnnotation);
        if (type !== 'const' && type !== 'unknown') check(node);
      },
    };
  },
};

/**
 * A plain object is no map of words that others choose: `__proto__` would be lost in it, and
 * `constructor` found.
 */
const noObjectAsMap = {
  meta: {
    type: 'problem',
    schema: [],
    messages: {
      map: 'use a Map, or Object.fromEntries where all is there at once: __proto__ is lost here',
      record: 'drops __proto__: use mapOf() or jsonObject of src/util/own.ts',
    },
  },
  create: (context) => ({
    'VariableDeclarator[id.typeAnnotation.typeAnnotation.typeName.name="Record"] > ObjectExpression.init[properties.length=0]':
      (node) => context.report({ node, messageId: 'map' }),
    'AssignmentExpression[operator="??="] > MemberExpression.left[computed=true]': (node) =>
      context.report({ node, messageId: 'map' }),
    'CallExpression[callee.object.name="z"][callee.property.name="record"]': (node) =>
      context.report({ node, messageId: 'record' }),
  }),
};

export default tseslint.config(
  { ignores: ['dist/', 'output/', 'node_modules/', 'data/', '.cache/', '.gpu/'] },
  ...tseslint.configs.strict,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    plugins: {
      '@stylistic': stylistic,
      house: {
        rules: {
          'assertion-needs-reason': assertionNeedsReason,
          'no-object-as-map': noObjectAsMap,
        },
      },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'off', // the house rule below
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      '@typescript-eslint/no-invalid-void-type': 'off',
      'house/assertion-needs-reason': 'error',
      'house/no-object-as-map': 'error',
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'TSEnumDeclaration', message: 'a union of string literals, not an enum' },
        // The environment stays out: a run is the same bytes on every machine.
        {
          selector:
            'MemberExpression[property.name=/^(localeCompare|toLocale\\w*|getTimezoneOffset|get(FullYear|Month|Date|Day|Hours|Minutes|Seconds)|EOL)$/]',
          message:
            'depends on the language or time zone of the machine: src/util/order.ts, strftime.ts, UTC',
        },
        {
          selector: 'Identifier[name="Intl"]',
          message: 'depends on the language of the machine',
        },
      ],
      // The formatter (prettier) breaks all else; it leaves comments as they are.
      '@stylistic/max-len': [
        'error',
        {
          code: 100,
          ignoreStrings: true,
          ignoreTemplateLiterals: true,
          ignoreRegExpLiterals: true,
          ignoreUrls: true,
        },
      ],
      'max-lines': ['error', { max: 500, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 40, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    // A torn file must never be called saved: files are written by src/storage/ alone.
    files: ['src/**/*.ts'],
    ignores: ['src/storage/**', '**/*.test.ts', '**/*.test-util.ts', '**/testing/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: ['node:fs', 'node:fs/promises', 'fs', 'fs/promises'].map((name) => ({
            name,
            importNames: [
              ...['writeFile', 'appendFile', 'write', 'writev', 'copyFile', 'cp', 'rename'].flatMap(
                (write) => [write, `${write}Sync`],
              ),
              'createWriteStream',
              'default',
            ],
            message: 'src/storage/ writes files: whole and on disk, or not at all',
          })),
        },
      ],
    },
  },
  {
    files: ['**/*.test.ts', '**/*.test-util.ts', '**/testing/**', 'test/**', 'bench/**'],
    rules: {
      'max-lines-per-function': 'off',
      'max-lines': 'off',
      'house/assertion-needs-reason': 'off',
      'house/no-object-as-map': 'off',
    },
  },
  {
    files: ['**/*.cjs'],
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
  {
    files: ['scripts/launch.cjs'], // must be readable to any Node
    rules: { 'no-var': 'off' },
  },
);
