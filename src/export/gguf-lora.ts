// A LoRA as llama.cpp's adapter file: GGUF of type adapter, tensors `blk.N.attn_q.weight.lora_a`
// [rank, in] and `.lora_b` [out, rank]. llama.cpp applies W + (adapter.lora.alpha / rank) B A.

import { lora } from '../adapters/lora.ts';
import { UserError, type Problem } from '../errors.ts';
import type { LanguageModelConfig } from '../models/language-config.ts';
import { familyOf } from '../models/language-families.ts';
import { encodeGgml, ggmlLoss, type GgmlWritable } from '../tensor/ggml-types.ts';
import { gguf, layoutGguf, type GgufValue } from '../tensor/gguf.ts';
import type { Shape } from '../tensor/tensor.ts';
import { queryFactor } from './gguf-config.ts';
import { ggufModuleName, permutedHeads, permuteRows, takesQueryScale } from './gguf-names.ts';
import { loraScale, mostCommon, type LanguageLora } from '../adapter-files/language-lora.ts';
import { assertShapes, type LoraWeights } from '../adapter-files/lora.ts';
import {
  float32Values,
  multiplied,
  settledType,
  type TellNarrowing,
} from '../adapter-files/narrowing.ts';

export interface GgufLora extends LanguageLora {
  /** The base model's configuration: names and the order of rows follow from it. */
  readonly config: LanguageModelConfig;
  /** A tensor that this type cannot hold is written as f32. */
  readonly type: Exclude<GgmlWritable, 'q8_0'>;
  readonly name?: string;
  /** Of the training, where it is not the base's; llama.cpp takes the base's unless told. */
  readonly chatTemplate?: string;
  /** Called for such tensors, and for numbers that are lost. */
  readonly tell?: TellNarrowing;
}

/** `general.file_type` of llama.cpp. */
export const fileTypes = { f32: 0, f16: 1, q8_0: 7, bf16: 32 } as const;

/**
 * The layers that an adapter of llama.cpp cannot reach, each with the reason; empty when all are
 * fine. Ask before training.
 */
export function ggufLoraProblems(paths: Iterable<string>, config: LanguageModelConfig): Problem[] {
  const { gguf: family } = familyOf(config);
  return Array.from(paths).flatMap((path): Problem[] => {
    const fix = 'Leave it out of the targets, or merge the adapter into its model and export that.';
    if (path === 'lm_head' && config.tie_word_embeddings)
      return [
        {
          where: path,
          what: 'llama.cpp has no output layer of its own where it shares the weights of the input embeddings',
          fix,
        },
      ];
    if (path === 'model.embed_tokens')
      return [
        { where: path, what: 'an adapter of the input embeddings cannot be written as GGUF', fix },
      ];
    return ggufModuleName(family, path) === undefined || /norm$/.test(path)
      ? [
          {
            where: path,
            what: `llama.cpp's adapters of ${config.model_type} have no such layer`,
            fix,
          },
        ]
      : [];
  });
}

/** The bytes of the file. Throws UserError that lists the layers that the format cannot express. */
export function writeGgufLora(lora: GgufLora): Uint8Array {
  const { modules, config, rslora } = lora;
  const problems = ggufLoraProblems(
    modules.map(({ path }) => path),
    config,
  );
  if (problems.length > 0) throw new UserError(problems);
  // alpha' = s r, which llama.cpp divides by r again; modules with another one have the rest in B.
  const wanted = modules.map((module) => loraScale(module, rslora) * module.down.shape[0]);
  const usual = Math.fround(mostCommon(wanted));
  const alpha = Number.isFinite(usual) ? usual || 1 : 1; // 0 would mean: no scale
  const tensors = modules
    .flatMap((module, i) => moduleTensors(module, wanted[i] / alpha, config))
    .map((tensor) => settled(tensor, lora));
  const { head, sizes } = layoutGguf(metadata(lora, alpha), tensors);
  const pieces = tensors.flatMap(({ type, data }, i) => [
    encodeGgml(type, data),
    new Uint8Array(sizes[i].padding),
  ]);
  return concatenate([head, ...pieces]);
}

function metadata(
  { config, type, name, chatTemplate }: GgufLora,
  alpha: number,
): Map<string, GgufValue> {
  return new Map([
    ['general.architecture', gguf.text(familyOf(config).gguf.architecture)],
    ['general.type', gguf.text('adapter')],
    ['adapter.type', gguf.text('lora')],
    ...(name === undefined ? [] : [['general.name', gguf.text(name)] as const]),
    ['general.file_type', gguf.uint32(fileTypes[type])],
    ['adapter.lora.alpha', gguf.float32(alpha)],
    ...(chatTemplate === undefined
      ? []
      : [['tokenizer.chat_template', gguf.text(chatTemplate)] as const]),
  ]);
}

interface NamedValues {
  readonly name: string;
  readonly shape: Shape;
  readonly data: Float32Array;
}

/** In the type that holds it. */
function settled(tensor: NamedValues, { type: wanted, tell = () => {} }: GgufLora) {
  const loss = ggmlLoss(wanted, tensor.data);
  const type = settledType({ name: tensor.name, type: wanted, loss }, 'f32' as const, tell);
  return { ...tensor, type };
}

function moduleTensors(
  module: LoraWeights,
  rest: number,
  config: GgufLora['config'],
): NamedValues[] {
  assertShapes(module);
  const { gguf: family } = familyOf(config);
  const name = ggufModuleName(family, module.path);
  const { path, down, up } = module;
  const factor = takesQueryScale(family, path) ? rest * queryFactor(config) : rest;
  const b = float32Values(path, multiplied(up, Math.abs(factor - 1) < 1e-6 ? 1 : factor));
  const heads = permutedHeads(family, path, config.layer.attention);
  return [
    {
      name: `${name}.weight.${lora.keys.gguf.down}`,
      shape: down.shape,
      data: float32Values(path, multiplied(down, 1)),
    },
    {
      name: `${name}.weight.${lora.keys.gguf.up}`,
      shape: up.shape,
      data: heads === undefined ? b : permuteRows(b, up.shape[0], heads),
    },
  ];
}

function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}
