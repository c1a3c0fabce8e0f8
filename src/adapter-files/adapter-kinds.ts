// What a file that somebody gives as an adapter is, where it is not a plain LoRA, by the names of
// its tensors. Formats: PEFT 0.21.2, LyCORIS, kohya's sd-scripts, diffusers.

import { lora } from '../adapters/lora.ts';
import type { Problem } from '../errors.ts';

const MERGE = 'Choose a plain LoRA, or merge it into its model with the program that made it.';
const MODEL = 'Name the adapter. A whole model is named as base_model, or with --base.';

/** The first that matches a tensor's name; what a LoRA file may hold too comes first. */
const kinds: readonly (readonly [pattern: RegExp, what: string, fix: string])[] = [
  [/\.lora_magnitude_vector\b|\.dora_scale$/, 'a DoRA', MERGE],
  [/\.hada_[wt]\d/, 'a LoHa', MERGE],
  [/\.lokr_[wt]\d/, 'a LoKr', MERGE],
  [/(^|[._])b?oft_/, 'an OFT', MERGE],
  [/\.lora_mid\./, 'a LoCon with a Tucker core', MERGE],
  [/\.diff(_b)?$/, 'a full-weight difference', MERGE],
  [/\.[ab][12]\.weight$/, 'a GLoRA', MERGE],
  [/\.lora_E\b|\.ranknum$/, 'an AdaLoRA', MERGE],
  [/\.ia3_l|\.on_input$/, 'an (IA)³', MERGE],
  [/\bvera_(lambda_[bd]|A|B)\b/, 'a VeRA', MERGE],
  [/\.lora_diag\b/, 'a KaSA', MERGE],
  [/\.lora_embedding_[AB]\b/, 'a LoRA of the embeddings', MERGE],
  [/trainable_tokens/, 'a set of trained tokens', MERGE],
  [/\.lora_B(\.default)?\.bias$/, 'a LoRA with a bias in B', MERGE],
  [
    /^base_model\.model\..*(embed_tokens|lm_head)\.weight$/,
    'a LoRA with whole embeddings beside it',
    'If they were not trained, save the adapter again with save_embedding_layers=False of PEFT; otherwise merge it into its model with PEFT.',
  ],
  [
    /(^|\.)prompt_embeddings$|^prompt_encoder\./,
    'a prompt tuning (trained tokens before the prompt)',
    'Choose a LoRA adapter; a prompt tuning cannot be merged into a model.',
  ],
];

/** What holds no factors of a LoRA at all. */
const wholes: typeof kinds = [
  [
    /^(emb_params|string_to_param\b.*|clip_[lg]|t5|<[^>]+>)$/,
    'an embedding (textual inversion)',
    'Choose a LoRA adapter; an embedding goes into the embeddings folder of WebUI or ComfyUI.',
  ],
  [
    /^(control_model|controlnet_\w+|zero_convs|lllite_\w+|control_\w+)\./,
    'a ControlNet',
    'Choose a LoRA adapter.',
  ],
  [
    /^model\.diffusion_model\.|^(unet\.)?(conv_in|down_blocks|mid_block|up_blocks)\./,
    'a whole model for pictures',
    MODEL,
  ],
  [
    /^((vae|first_stage_model)\.)?(encoder|decoder)\.(conv_in|mid|down|up)/,
    'an autoencoder',
    MODEL,
  ],
  [/^(cond_stage_model|text_encoder|text_model)\./, "a text encoder's weights", MODEL],
  [
    /^(model\.|transformer\.|language_model\.|gpt_neox\.)*(embed_tokens|wte|layers\.\d+|h\.\d+|lm_head)\./,
    'a whole language model',
    MODEL,
  ],
];

const isLora = (name: string): boolean => {
  const part = lora.partOf(name)?.part;
  return (part !== undefined && part !== 'alpha') || ends.some((end) => name.endsWith(end));
};

/** Of layouts that are not for pictures. */
const ends = Object.values(lora.keys).flatMap((keys) => Object.values(keys));

/** What the tensors of these names are, if that is known and not a plain LoRA. */
export function otherKind(
  names: Iterable<string>,
): { readonly what: string; readonly fix: string } | undefined {
  const all = [...names];
  const table = all.some(isLora) ? kinds : [...kinds, ...wholes];
  const found = table.find(([pattern]) => all.some((name) => pattern.test(name)));
  return found === undefined ? undefined : { what: found[1], fix: found[2] };
}

/** That as a problem of the file. */
export function kindProblems(names: Iterable<string>, path: string): Problem[] {
  const found = otherKind(names);
  if (found === undefined) return [];
  return [{ where: path, what: `this is ${found.what}, not a plain LoRA`, fix: found.fix }];
}

/** What the metadata of kohya's and diffusers' files tell of a start that changed the base. */
export function pictureStartProblems(
  { ss_network_args: kohya = '', lora_adapter_metadata: diffusers = '' }: Metadata,
  path: string,
): Problem[] {
  const start = /\b(pissa|olora|loftq|corda|lora_ga)\w*/i.exec(`${kohya} ${diffusers}`);
  if (start === null) return [];
  const what = `it was trained on a base that its initialisation had changed (${start[0]}, according to its metadata)`;
  const fix = 'Convert it into a plain LoRA with the program that trained it.';
  return [{ where: path, what, fix }];
}

type Metadata = Readonly<Partial<Record<string, string>>>;
