// A base model and its adapter from files, ready to answer.
import { basename, join, resolve } from 'node:path';
import { loadLanguageModel } from '../checkpoints/hf-folder.ts';
import type { Problem } from '../errors.ts';
import { baseFolder } from '../export/base-folder.ts';
import { type LanguageLora, loraScale } from '../adapter-files/language-lora.ts';
import type { OnLayer } from '../export/start.ts';
import { fitted } from '../export/adapter-fit.ts';
import { readAdapterFolder } from '../adapter-files/adapter-folder.ts';
import { adapterSource } from '../export/source.ts';
import { answeringRoom } from '../generate/text/answering-room.ts';
import type { Adapter } from '../generate/mix.ts';
import { createTextGenerator } from '../generate/text/text-generator.ts';
import { windowOf } from '../generate/text/text-request.ts';
import type { Device } from '../runtime/devices.ts';
import { cpuRuntime, type Runtime } from '../runtime/runtime.ts';
import { chatTemplate, type ChatTemplate } from '../tokenizer/chat.ts';
import { readTextTokenizer, type TextTokenizer } from '../tokenizer/text.ts';
import { parseCivilTime } from '../util/strftime.ts';
import { type Answerer, createAnswerer, type PromptFormat } from './answerer.ts';

export interface ModelFiles {
  /**
   * A Hugging Face folder. By default the one that adapter_config.json names, where it is on this
   * machine.
   */
  readonly baseModel?: string;
  /** A PEFT folder, or its adapter_model.safetensors. */
  readonly adapter: string;
  /**
   * A name, or Jinja; by default the one that lies beside the adapter, else the tokenizer's own.
   */
  readonly chatTemplate?: string;
  /** Default: what the model can read, at most 2048. */
  readonly maxSeqLength?: number;
  readonly maxNewTokens?: number;
  /** Default auto. */
  readonly device?: Device;
  /** Of the processor; by default its cores. */
  readonly threads?: number;
  /** Follows what an adapter that changed its base costs. */
  readonly onLayer?: OnLayer;
}

export interface OpenModel {
  readonly answerer: Answerer;
  readonly promptFormat: PromptFormat;
  readonly names: { readonly base: string; readonly adapter: string };
  readonly warnings: readonly Problem[];
  /** What computes it, for people: `cpu, 2 threads`. */
  readonly computedOn: string;
  /** Why there is no room for it where it would be computed; undefined where there is. */
  readonly lacking?: string;
}

/**
 * Maps the base, reads the adapter; `runtime` answers. Throws CheckpointError where they are not a
 * base and an adapter, or do not belong together.
 */
export function openModel(
  files: ModelFiles,
  runtime: Runtime = cpuRuntime(files.threads),
): OpenModel {
  const folder = adapterSource(files.adapter, 'evaluated');
  const stored = readAdapterFolder(folder);
  const base = files.baseModel ?? baseFolder({ folder, named: stored.baseModel });
  const model = loadLanguageModel(base);
  const whole = { ...model, tensors: model.weights };
  const lora = fitted(whole, stored, model.weights, files.onLayer);
  const tokenizer = withTemplate(readTextTokenizer(model.path), stored.chatTemplate);
  const { date, warnings } = dateOf(stored.templateDate, folder);
  const template = chatTemplate(tokenizer, files.chatTemplate, { date });
  const maxSeqLength = Math.min(files.maxSeqLength ?? 2048, windowOf(model.config));
  const generator = createTextGenerator({
    model,
    tokenizer,
    chatTemplate: files.chatTemplate,
    templateDate: date,
    mix: [{ adapter: adapterOf(basename(resolve(folder)), lora), strength: 1 }],
    runtime,
  });
  const { maxNewTokens } = files;
  const answerer = createAnswerer({ generator, tokenizer, template, maxSeqLength, maxNewTokens });
  return {
    answerer,
    promptFormat: { tokenizer, template, maxSeqLength },
    names: { base: basename(model.path), adapter: basename(resolve(folder)) },
    computedOn: runtime.description,
    lacking: answeringRoom(runtime, model).lacking,
    warnings: [
      ...stored.warnings,
      ...model.warnings,
      ...tokenizer.warnings,
      ...otherTemplate(template, stored.chatTemplate),
      ...(template?.date === undefined ? [] : warnings),
    ],
  };
}

/** The template that lies beside an adapter goes before the base's own. */
const withTemplate = (tokenizer: TextTokenizer, trained: string | undefined): TextTokenizer =>
  trained === undefined ? tokenizer : { ...tokenizer, chatTemplate: trained };

/** What the adapter's file notes, if it is a date. */
function dateOf(
  noted: string | undefined,
  folder: string,
): { readonly date?: string; readonly warnings: readonly Problem[] } {
  if (noted === undefined) return { warnings: [] };
  if (parseCivilTime(noted) !== undefined) return { date: noted, warnings: [] };
  const what = `has ${JSON.stringify(noted)} as the date of training, which is not a date: the chat template writes today's`;
  const fix = 'Correct template_date in the metadata of the file: 2026-01-31T12:00:00.';
  return {
    warnings: [{ where: `${join(folder, 'adapter_model.safetensors')} template_date`, what, fix }],
  };
}

function otherTemplate(
  template: ChatTemplate | undefined,
  trained: string | undefined,
): readonly Problem[] {
  if (trained === undefined || template === undefined || template.source === trained) return [];
  return [
    {
      where: 'chat_template',
      what: `the questions use a different chat template (${template.name}) from the one that the adapter was trained with`,
      fix: "Remove chat_template: then the one in the adapter's folder is used.",
    },
  ];
}

/** As the generator takes it: alpha / rank is the scale, with rsLoRA, too. */
export function adapterOf(name: string, { modules, rslora }: LanguageLora): Adapter {
  return {
    name,
    modules: modules.map((module) => ({
      ...module,
      alpha: loraScale(module, rslora) * module.down.shape[0],
    })),
  };
}
