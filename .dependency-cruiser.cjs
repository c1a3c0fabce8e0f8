// The law of imports (ARCHITECTURE.md): each folder of src/ imports only from those to its left.
// Tests may import anything.

/** From left to right; folders of one group may import one another where that makes no circle. */
const chain = [
  ['errors', 'events', 'util'],
  ['tensor'],
  ['graph'],
  ['nn'],
  ['models', 'losses', 'adapters', 'autodiff', 'optim'],
  ['storage'],
  ['runtime'],
  ['config'],
  ['hub', 'tokenizer', 'dataset', 'checkpoints', 'adapter-files'],
  ['label', 'account', 'runs', 'train', 'export', 'adapter-tools', 'generate', 'eval', 'doctor'],
  ['server'],
  ['cli'],
];
const test = '\\.test(-util)?\\.ts$|/testing/';
const folder = (names) => `^src/(${names.join('|')})(/|\\.ts$)`;

/** Folders that also run in a browser: nothing of Node, no package with a binary. */
const portable = [...chain.slice(0, 4).flat(), ...chain[4]];

const leftOnly = chain.slice(0, -1).map((names, i) => ({
  name: `left-of-${names.join('+')}`,
  comment: `${names.join(', ')} may import only from: ${chain.slice(0, i).flat().join(', ') || 'nothing of src'}`,
  severity: 'error',
  from: { path: folder(names), pathNot: test },
  to: { path: `${folder(chain.slice(i + 1).flat())}|^src/index\\.ts$` },
}));

const single = (pkg, path) => ({
  name: `${pkg}-in-one-place`,
  comment: `${pkg} is imported by ${path} alone`,
  severity: 'error',
  from: { path: '^src/', pathNot: [path, test] },
  to: { path: `(^|/)node_modules/${pkg}/` },
});

module.exports = {
  forbidden: [
    ...leftOnly,
    {
      name: 'no-cycles',
      severity: 'error',
      from: { pathNot: test },
      to: { circular: true },
    },
    {
      name: 'portable',
      comment: 'these folders also run in a browser: nothing of Node, no file but their own',
      severity: 'error',
      from: { path: folder(portable), pathNot: test },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'command-line-is-a-user',
      comment: 'the command line uses nothing but the library, as any other program would',
      severity: 'error',
      from: { path: '^src/cli/', pathNot: test },
      to: { path: '^src/', pathNot: '^src/(cli/|index\\.ts$)' },
    },
    {
      name: 'product-only',
      comment:
        'src/ imports neither tests nor scripts nor benchmarks, and no package that is not installed with it',
      severity: 'error',
      from: { path: '^src/', pathNot: test },
      to: { path: '^(test|bench|scripts|reference|models)/' },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: { path: '^src/' },
      to: { couldNotResolve: true },
    },
    {
      name: 'no-dev-dependency',
      severity: 'error',
      from: { path: '^src/', pathNot: test },
      to: {
        dependencyTypes: ['npm-dev'],
        dependencyTypesNot: ['type-only'],
        pathNot: '^node_modules/onnxruntime-node/', // scripts/prepack.mjs puts it into the package
      },
    },
    {
      name: 'backends-are-behind-the-runtime',
      comment: 'nothing outside src/runtime knows which backend runs, or that ONNX Runtime does',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/runtime/', test] },
      to: { path: '^src/runtime/onnxruntime/' },
    },
    single('onnxruntime-node', '^src/runtime/onnxruntime/session\\.ts$'),
    single('@koromix', '^src/runtime/graphics/foreign\\.ts$'),
    single('koffi', '^src/runtime/graphics/foreign\\.ts$'),
    single('yaml', '^src/config/yaml\\.ts$'),
    single('sharp', '^src/dataset/image\\.ts$'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
