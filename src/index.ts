// The library: everything that `import … from 'lora-scripts'` gives. docs/library.md shows it at
// work.
export * from './errors.ts';

// A training run, as the command line does it
export {
  loadConfig,
  parseConfig,
  placeOf,
  type ConfigSource,
  type LoadedConfig,
} from './config/load.ts';
export { locatedError } from './config/located.ts';
export { requireOutputPath } from './config/output-path.ts';
export { configJsonSchema, type TrainConfig, type TrainConfigInput } from './config/schema.ts';
export { configFlags, flagName, type ConfigFlag } from './config/flags.ts';
export { otherTrainersKey } from './config/suggest-key.ts';
export { withResolution } from './train/image/sizes.ts';
export { train } from './train/run.ts';
export type { ResumeMode } from './train/take-up.ts';
export { trainInProcess } from './train/in-process.ts';
export type * from './events.ts';
export type * from './train/events.ts';

// The runs that there are
export { findRuns, type FoundRuns } from './runs/find-runs.ts';
export { namedCheckpoint, namedRun, namedRuns, type NamedRun } from './runs/run-names.ts';
export {
  bestCheckpoint,
  currentCheckpoint,
  type KnownRun,
  type Standing,
} from './runs/known-run.ts';
export type { KnownCheckpoint, SavedAdapter, SavedFile } from './runs/checkpoints.ts';
export { describeRun } from './runs/describe-run.ts';
export { rollBack, type Rollback } from './runs/rollback.ts';
export { removeTag, tagCheckpoint, type Tagged } from './runs/tags.ts';
export {
  childrenOf,
  prune,
  pruned,
  removeCheckpoint,
  removeRun,
  type Pruned,
} from './runs/remove.ts';
export { clearLeftovers } from './runs/change-run.ts';
export { verifyRun, type Verified } from './runs/verify.ts';
export { backupOfRun, type Copied } from './runs/backup.ts';
export {
  comparedFigures,
  compareRuns,
  type Compared,
  type Comparison,
  type Difference,
} from './runs/compare.ts';
export { comparisonPage, dataLists, dataSummary } from './runs/compare-page.ts';
export {
  compareSamples,
  type ComparedSamples,
  type SampleOptions,
} from './runs/compare-samples.ts';
export type { DataChanges } from './runs/data-changes.ts';

// What the machine has to compute with
export {
  examine,
  type AdapterReport,
  type DoctorEvent,
  type DoctorReport,
  type ExamineOptions,
  type Measured,
} from './doctor/examine.ts';
export type { Estimate } from './doctor/estimate.ts';
export type { ProcessorFeature } from './doctor/machine.ts';

// What runs take
export { kilowattHours } from './account/account.ts';
export { costOfRuns, type CostOfRun, type CostOfRuns } from './account/runs-cost.ts';

// Training on batches of one's own
export {
  trainWithBatches,
  type GivenBatch,
  type GivenBatchOptions,
  type GivenBatchSettings,
  type GivenBatchTraining,
} from './train/image/given-batches.ts';
export {
  trainTextWithBatches,
  type GivenTextBatch,
  type GivenTextOptions,
  type GivenTextSettings,
  type GivenTextTraining,
} from './train/text/given-batches.ts';
export { languageLoss, tokenLossGraph, type TextShape } from './train/text/language-loss.ts';
export type { StepResult } from './train/loop.ts';

// A base model as functions
export { openStableDiffusion, type StableDiffusion } from './generate/stable-diffusion.ts';
export {
  loadStableDiffusion,
  type StableDiffusionWeights,
} from './checkpoints/stable-diffusion.ts';
export { createClipTokenizer, type ClipTokenizer } from './tokenizer/clip.ts';
export type * from './models/stable-diffusion-config.ts';

// Pictures from prompts
export {
  createImageGenerator,
  type GenerationEvent,
  type ImageGenerator,
  type ImageGeneratorOptions,
} from './generate/text-to-image.ts';
export type { PictureRequest } from './generate/picture-request.ts';
export type { InitialPicture, SamplingRequest } from './generate/sampling-request.ts';
export { enlargeLatents, latentUpscalers } from './generate/enlarge-latents.ts';
export { drawContactSheet, type ContactSheetOptions } from './generate/contact-sheet.ts';
export {
  infotextOf,
  pictureSettingsOf,
  type HiresSettings,
  type PictureSettings,
  type SettingsFound,
} from './generate/infotext/picture-settings.ts';
export { readPictureText, type PictureText } from './generate/infotext/picture-text.ts';
export { withPngTexts } from './generate/infotext/png-text.ts';
export {
  parseNegativePrompt,
  parsePrompt,
  type ParsedPrompt,
  type ParseOptions,
} from './generate/prompt/parse-prompt.ts';
export type { LoraMention } from './generate/prompt/lora-mention.ts';

// The training data of a language model
export { configuredTextData } from './dataset/text/configured.ts';
export type { TextData } from './dataset/text/prepare.ts';
export { showSample } from './dataset/text/show.ts';
export { chatTemplate } from './tokenizer/chat.ts';

// A language model that answers
export {
  createTextGenerator,
  type ScoreRequest,
  type TextEvent,
  type TextGenerator,
  type TextGeneratorOptions,
} from './generate/text/text-generator.ts';
export type { TextPrompt, TextRequest } from './generate/text/text-request.ts';
export type { SamplingOptions } from './generate/text/sampling.ts';
export type { TokenScores } from './generate/text/score.ts';
export type { AdaptedLayer, Adapter, Mix, MixPart, Strength } from './generate/mix.ts';
export {
  languageModelFolder,
  loadLanguageModel,
  type LanguageModelWeights,
} from './checkpoints/hf-folder.ts';
export { readTextTokenizer, type TextStream, type TextTokenizer } from './tokenizer/text.ts';
export type { ChatMessage } from './tokenizer/chat.ts';
export type { LanguageModelConfig } from './models/language-config.ts';

// Graphs: to build, to differentiate, to run
export { Builder } from './graph/builder.ts';
export { parameterNamed, type Graph, type Node, type Value } from './graph/graph.ts';
export { printGraph } from './graph/print.ts';
export { differentiate } from './autodiff/differentiate.ts';
export { applyAdapter, type Adapted, type AdapterOptions } from './adapters/apply.ts';
export type { AdapterKind } from './adapters/kind.ts';
export { adaptableLayers, type Layer } from './adapters/layers.ts';
export { lora } from './adapters/lora.ts';
export type { LoraModule, LoraSize } from './adapters/lora-module.ts';
export { deviceNamed, devices, type Device } from './runtime/devices.ts';
export { openRuntime, type Runtime, type RuntimeOptions } from './runtime/runtime.ts';
export type { CompileOptions, Program } from './runtime/program.ts';

// Tensors and files
export {
  float32,
  int32,
  tensor,
  zeros,
  type ExternalTensor,
  type Shape,
  type Tensor,
} from './tensor/tensor.ts';
export type { DType } from './tensor/dtype.ts';
export { openSafetensors, readFloat32, readTensor } from './checkpoints/safetensors-file.ts';
export { serialize } from './tensor/safetensors.ts';
export type { FloatDType } from './tensor/half.ts';
export { writeFileAtomically, writeFilesTogether } from './storage/write-file.ts';
export { refusalOf } from './storage/write-error.ts';
export { readKohyaLora, writeKohyaLora, type KohyaLora } from './adapter-files/kohya.ts';
export { readDiffusersLora, writeDiffusersLora } from './adapter-files/diffusers.ts';
export type { LoraWeights } from './adapter-files/lora.ts';
export { openAdapter } from './adapter-files/open-adapter.ts';
export { readPictureLora } from './adapter-files/picture-lora.ts';
export {
  loadedModules,
  plainModule,
  plainModules,
  type AdapterFile,
  type AdapterFormatName,
  type AdapterModule,
} from './adapter-files/adapter-file.ts';
export { readAdapterFolder } from './adapter-files/adapter-folder.ts';
export { readPeftFolder } from './adapter-files/peft-folder.ts';
export type { PeftFolder } from './adapter-files/language-lora.ts';
export { writePeftFolder, type PeftLora } from './adapter-files/peft.ts';
export { baseFolder } from './export/base-folder.ts';
export { adapterSource, exportSource } from './export/source.ts';
export { mergeLora, type MergeLosses, type MergeOptions } from './export/merge.ts';
export {
  narrowingNotes,
  noteOf,
  wideningProblems,
  type Narrowing,
} from './adapter-files/narrowing.ts';
export { exportGguf, type GgufExport, type GgufExportOptions } from './export/export-gguf.ts';

// Tools for adapters
export {
  hashAdapter,
  inspectAdapter,
  type AdapterInspection,
  type InspectedModule,
  type InspectOptions,
} from './adapter-tools/inspect.ts';
export { convertAdapter, type ConvertOptions } from './adapter-tools/convert.ts';
export { extractAdapter, type Extracted, type ExtractOptions } from './adapter-tools/extract.ts';
export {
  mergeAdapters,
  type MergeAdaptersOptions,
  type MergedAdapters,
} from './adapter-tools/merge-adapters.ts';
export {
  mergeIntoBase,
  type MergedBase,
  type MergeIntoBaseOptions,
} from './adapter-tools/merge-into-base.ts';
export {
  resizeAdapter,
  type Resized,
  type ResizedLayer,
  type ResizeOptions,
} from './adapter-tools/resize.ts';
export type { Kept } from './util/low-rank.ts';
export type { OutputOptions, WrittenAdapter } from './adapter-tools/prepare.ts';
export type { ProgramVerdict } from './adapter-tools/programs.ts';
export type { AdapterHashes } from './adapter-files/hashes.ts';

// Questions to a language model without and with its adapter
export { evaluate, type EvalEvent, type EvaluateOptions } from './eval/evaluate.ts';
export { evaluationFiles } from './eval/page.ts';
export { figureRows, type FigureRow } from './eval/figures.ts';
export { spoken } from './eval/score.ts';
export { askedText } from './eval/questions.ts';
export type * from './eval/result.ts';

// Text for a terminal
export { visible, withCodes } from './util/visible.ts';
export { withCommas } from './util/order.ts';
