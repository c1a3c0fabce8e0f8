// An adapter or a model at a path as one GGUF file for llama.cpp: finds out what is there, checks
// all, then writes.
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { loadLanguageModel, readLanguageConfig } from '../checkpoints/hf-folder.ts';
import { requireOutputPath } from '../config/output-path.ts';
import { writeFileAtomically } from '../storage/write-file.ts';
import { UserError } from '../errors.ts';
import { languageModelParameters } from '../models/decoder.ts';
import type { LanguageModelConfig } from '../models/language-config.ts';
import { familyOf } from '../models/language-families.ts';
import type { GgmlWritable } from '../tensor/ggml-types.ts';
import type { ExternalTensor } from '../tensor/tensor.ts';
import { checkName, quoted } from '../util/names.ts';
import { readChatTemplate } from '../tokenizer/text.ts';
import { TEMPLATE_FILE } from './template-files.ts';
import { baseFolder } from './base-folder.ts';
import { ggufNotes } from './gguf-config.ts';
import { tokenizerNotes } from './gguf-tokenizer.ts';
import { ggufLoraProblems, writeGgufLora } from './gguf-lora.ts';
import { writeGgufModel } from './gguf-model.ts';
import type { LanguageLora, StoredLora } from '../adapter-files/language-lora.ts';
import { narrowingNotes, noteOf, type Narrowing } from '../adapter-files/narrowing.ts';
import { fitted } from './adapter-fit.ts';
import type { OnLayer } from './start.ts';
import { readAdapterFolder } from '../adapter-files/adapter-folder.ts';
import { exportSource } from './source.ts';

export interface GgufExportOptions {
  /**
   * The folder of an adapter (adapter_config.json) or of a model (config.json), or a file in it.
   */
  readonly path: string;
  /**
   * For an adapter: the folder of its base model, of which only config.json is read; by default the
   * one that the adapter names.
   */
  readonly base?: string;
  /** The file to write, or a folder for it; by default in the folder of the source. */
  readonly output?: string;
  /** By default f16 for a model, and for an adapter the type it has. */
  readonly type?: GgmlWritable;
  /** Follows what an adapter that changed its base costs. */
  readonly onLayer?: OnLayer;
}

export interface GgufExport {
  readonly kind: 'adapter' | 'model';
  readonly file: string;
  readonly bytes: number;
  /** llama.cpp's name of the family. */
  readonly architecture: string;
  readonly type: GgmlWritable;
  /** Of an adapter. */
  readonly layers?: number;
  /** Of an adapter: the chat template that it was trained with, where that is not its base's. */
  readonly templateFile?: string;
  /** What the type could not hold, and, of a model, what llama.cpp computes otherwise, and when. */
  readonly notes?: readonly string[];
}

/**
 * Throws UserError (what is at `path` is not a language model, or llama.cpp cannot express it),
 * CheckpointError, SystemError; then nothing is written.
 */
export function exportGguf(options: GgufExportOptions): GgufExport {
  const source = exportSource(options.path);
  if (source.kind === 'picture adapter')
    throw new UserError([pictures(source.path, source.layers)]);
  const written =
    source.kind === 'adapter'
      ? exportAdapter(source.folder, options)
      : exportModel(source.folder, options);
  return { ...written, bytes: statSync(written.file).size };
}

const pictures = (where: string, layers: number) => ({
  where,
  what: `this is an adapter for pictures (Stable Diffusion, ${layers} layers), and GGUF is for language models`,
  fix: 'Nothing needs to be exported: WebUI, Forge, ComfyUI and diffusers load the file as it is.',
});

type Written = Omit<GgufExport, 'bytes'>;

function exportModel(folder: string, { base, output, type = 'f16' }: GgufExportOptions): Written {
  if (base !== undefined)
    throw new UserError([
      {
        where: folder,
        what: 'this is a complete model, which needs no base model',
        fix: 'Remove --base, or name an adapter.',
      },
    ]);
  const { config, warnings } = loadLanguageModel(folder);
  const { architecture } = familyOf(config).gguf;
  const file = outputFile(output, folder, `${nameOf(folder)}-${type}.gguf`);
  const found: Narrowing[] = [];
  const tell = (narrowing: Narrowing) => found.push(narrowing);
  writeGgufModel({ folder, output: file, type, name: nameOf(folder), tell });
  return {
    kind: 'model',
    file,
    architecture,
    type,
    notes: [
      ...narrowingNotes(found),
      ...warnings.map(noteOf),
      ...ggufNotes(config),
      ...tokenizerNotes(folder, config.vocab_size),
    ],
  };
}

function exportAdapter(folder: string, options: GgufExportOptions): Written {
  const { base, output, type: wanted } = options;
  if (wanted === 'q8_0')
    throw new UserError([
      {
        where: folder,
        what: 'an adapter cannot be quantized: its factors are small, and llama.cpp reads them as f32, f16 or bf16',
        fix: 'Remove --type.',
      },
    ]);
  const stored = readAdapterFolder(folder);
  const path = baseFolder({ folder, named: stored.baseModel, given: base });
  const config = readLanguageConfig(path);
  const { architecture } = familyOf(config).gguf;
  requireReachable(stored, config);
  const { modules, rslora } = fittedTo(path, config, stored, options.onLayer);
  const type = wanted ?? ggmlTypeOf(stored);
  const file = outputFile(output, folder, `${nameOf(folder)}-lora.gguf`);
  const chatTemplate =
    stored.chatTemplate === readChatTemplate(path) ? undefined : stored.chatTemplate;
  const told = chatTemplate !== undefined && { chatTemplate };
  const found: Narrowing[] = [];
  const tell = (narrowing: Narrowing) => found.push(narrowing);
  writeFileAtomically(
    file,
    writeGgufLora({ modules, rslora, config, type, name: nameOf(folder), tell, ...told }),
  );
  const notes = [...stored.warnings.map(noteOf), ...narrowingNotes(found)];
  return {
    kind: 'adapter',
    file,
    architecture,
    type,
    layers: modules.length,
    ...(chatTemplate !== undefined && { templateFile: join(folder, TEMPLATE_FILE) }),
    ...(notes.length > 0 && { notes }),
  };
}

/** Throws UserError that lists the layers that llama.cpp's adapters do not have. */
function requireReachable({ modules }: StoredLora, config: LanguageModelConfig): void {
  const paths = modules.map(({ path }) => path);
  const problems = ggufLoraProblems(paths, config);
  if (problems.length > 0) throw new UserError(problems);
}

/**
 * The adapter on the base as its configuration describes it; its weights are read only for an
 * adapter that took a part out of them.
 */
function fittedTo(
  path: string,
  config: LanguageModelConfig,
  lora: StoredLora,
  onLayer?: OnLayer,
): LanguageLora {
  const tensors = new Map(
    Array.from(languageModelParameters(config), ([name, shape]) => [name, { shape }] as const),
  );
  const weights =
    lora.start === undefined ? new Map<string, ExternalTensor>() : loadLanguageModel(path).weights;
  return fitted({ tensors, path, config }, lora, weights, onLayer);
}

function ggmlTypeOf({ modules }: StoredLora): 'f32' | 'f16' | 'bf16' {
  const types = new Set(modules.flatMap(({ down, up }) => [down.dtype, up.dtype]));
  if (types.size !== 1) return 'f32';
  return types.has('float16') ? 'f16' : types.has('bfloat16') ? 'bf16' : 'f32';
}

/** The folder's name, as files and people have it. */
const nameOf = (folder: string): string => checkName(basename(resolve(folder)) || 'model').value;

function outputFile(given: string | undefined, folder: string, name: string): string {
  if (given === undefined) return join(folder, madeName(folder, name));
  requireOutputPath(given);
  const found = statSync(given, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) return join(given, name);
  if (found !== undefined && found.size > 0 && !isGguf(given))
    throw new UserError([
      {
        where: given,
        what: 'there is already a file of that name, and it is not a GGUF file',
        fix: 'Choose another output file.',
      },
    ]);
  return given;
}

/** A name made of that of a folder, which may have been called anything. */
function madeName(folder: string, name: string): string {
  const { value, fault } = checkName(name);
  if (fault === undefined) return value;
  throw new UserError([
    {
      where: folder,
      what: `the file would be called ${quoted(name)}, which ${fault}`,
      fix: 'Give it a name: --output <file>.',
    },
  ]);
}

function isGguf(path: string): boolean {
  const fd = openSync(path, 'r');
  try {
    const bytes = new Uint8Array(4);
    readSync(fd, bytes, 0, 4, 0);
    return new TextDecoder().decode(bytes) === 'GGUF';
  } finally {
    closeSync(fd);
  }
}
