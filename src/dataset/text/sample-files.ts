// Which files of a folder are samples, by their names.

/** Endings of files of samples. */
export const sampleFormats: ReadonlySet<string> = new Set([
  '.jsonl',
  '.ndjson',
  '.json',
  '.csv',
  '.tsv',
  '.txt',
]);

/** In a folder these are about the data, or of a model, an adapter or a run. */
export const aboutData =
  /^(\.|readme|licen[cs]e|dataset_(infos?|dict)\.json$|state\.json$|(generation_|adapter_|tokenizer_|preprocessor_)?config\.json$|model_index\.json$|tokenizer\.json$|special_tokens_map\.json$|added_tokens\.json$|.*\.index\.json$|run\.json$)/i;
