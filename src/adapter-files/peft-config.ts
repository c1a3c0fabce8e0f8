// Every field of PEFT's adapter_config.json (LoraConfig of PEFT 0.1 to 0.21.2, and what ms-swift
// adds), and what each means here; a field that is not known is not passed over.

import type { Problem } from '../errors.ts';
import type { Start } from './language-lora.ts';

/** What becomes of a field. */
export type Field =
  /** It is read, whatever it holds. */
  | { readonly is: 'read' }
  /** It changes nothing about what the trained adapter computes. */
  | { readonly is: 'without effect' }
  /** It changes what the adapter computes, unless it is empty or off. */
  | { readonly is: 'refused'; readonly what: string };

const read: Field = { is: 'read' };
const without: Field = { is: 'without effect' };
const refused = (what: string): Field => ({ is: 'refused', what });

export const fields: Readonly<Record<string, Field>> = {
  alora_invocation_tokens: refused('an activated LoRA (aLoRA)'),
  alpha_pattern: read,
  arrow_config: refused('Arrow, which chooses among adapters'),
  auto_mapping: without,
  base_model_name_or_path: read,
  bias: read,
  corda_config: without, // of the start: init_lora_weights decides
  enable_lora: refused('a LoRA of parts of fused layers'),
  ensure_weight_tying: without, // of embeddings, which have tensors of their own
  eva_config: without,
  exclude_modules: read,
  fan_in_fan_out: without, // PEFT sets it to false for linear layers
  inference_mode: without,
  init_lora_weights: read,
  kasa_config: refused('KaSA'),
  layer_replication: refused('repeated layers'),
  layers_pattern: read,
  layers_to_transform: read,
  loftq_config: without,
  lora_alpha: read,
  lora_bias: refused('a bias in B'),
  lora_dropout: read,
  lora_dtype: without,
  lora_ga_config: without,
  lorap_emb_lr: without,
  lorap_lr_ratio: without,
  megatron_config: refused("layers of Megatron's own"),
  megatron_core: without,
  merge_weights: without,
  modules_to_save: refused('whole modules beside the LoRA'),
  monteclora_config: refused('MonteCLoRA'),
  peft_type: read,
  peft_version: without,
  qalora_group_size: without,
  r: read,
  rank_pattern: read,
  revision: read,
  runtime_config: without,
  target_modules: read,
  target_parameters: refused('parameters that are not layers'),
  task_type: read,
  trainable_token_indices: refused('trained tokens'),
  use_bdlora: refused('BD-LoRA'),
  use_dora: refused('DoRA'),
  use_qalora: refused('QALoRA'),
  use_rslora: read,
  velora_config: without, // it saves memory in training
};

type Config = Readonly<Record<string, unknown>>;

const MERGE = 'Choose a plain LoRA, or merge this adapter into its model with PEFT.';

/** What makes it more than W + s B A, or something else; `path`: of the file, for messages. */
export function configProblems(config: Config, path: string): Problem[] {
  const ofType = typeProblems(config, path);
  if (ofType.length > 0) return ofType;
  return [
    ...taskProblems(config, path),
    ...Object.entries(config).flatMap(([key, value]) => variantProblems(key, value, path)),
    ...biasProblems(config, path),
    ...startProblems(config, path),
    ...unknownFields(config, path),
  ];
}

/** Whether it is a LoRA at all: other kinds have other fields. */
export function typeProblems({ peft_type: type }: Config, path: string): Problem[] {
  if (type === 'LORA') return [];
  const what = `this adapter is of type ${String(type)}, not LORA`;
  const fix = 'Choose a LoRA adapter, or merge this one into its model with PEFT, where it can.';
  return [{ where: `${path} peft_type`, what, fix }];
}

const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === false ||
  value === '' ||
  (typeof value === 'object' && Object.keys(value).length === 0);

const fieldOf = (key: string): Field | undefined =>
  Object.hasOwn(fields, key) ? fields[key] : undefined;

function variantProblems(key: string, value: unknown, path: string): Problem[] {
  const field = fieldOf(key);
  if (field?.is !== 'refused' || isEmpty(value)) return [];
  const what = `the adapter has ${field.what}, which is not supported`;
  return [{ where: `${path} ${key}`, what, fix: MERGE }];
}

function taskProblems({ task_type: task }: Config, path: string): Problem[] {
  if (isEmpty(task) || task === 'CAUSAL_LM') return [];
  return [
    {
      where: `${path} task_type`,
      what: `the adapter is for a model of another task (${String(task)}), not for one that generates text (CAUSAL_LM)`,
      fix: 'Choose an adapter of a model that generates text.',
    },
  ];
}

function biasProblems({ bias }: Config, path: string): Problem[] {
  if (isEmpty(bias) || bias === 'none') return [];
  const what = `the adapter has trained biases (${String(bias)}), which are not supported`;
  return [{ where: `${path} bias`, what, fix: MERGE }];
}

function unknownFields(config: Config, path: string): Problem[] {
  const unknown = Object.keys(config).filter(
    (key) => fieldOf(key) === undefined && !isEmpty(config[key]),
  );
  if (unknown.length === 0) return [];
  const [it, has] = unknown.length === 1 ? ['this field', 'it has'] : ['these fields', 'they have'];
  return [
    {
      where: `${path} ${unknown.slice(0, 3).join(', ')}${unknown.length > 3 ? ` and ${unknown.length - 3} more` : ''}`,
      what: `${it}, of a newer PEFT or of another program, may change what the adapter computes`,
      fix: `If ${has} an effect on training alone, remove ${unknown.length === 1 ? 'it' : 'them'} from adapter_config.json; otherwise merge the adapter into its model with the program that made it.`,
    },
  ];
}

// ---- how it began

/** What PEFT calls starts that leave the base as it is. */
const PLAIN = ['gaussian', 'eva', 'orthogonal', 'mica'];

/** What a refused start has done, by how its name begins. */
const changed: readonly (readonly [begin: string, what: string])[] = [
  [
    'pissa_niter',
    'it began with a part of its base that was found with random numbers (fast PiSSA), which are in no file; PEFT itself cannot load it as it was trained',
  ],
  [
    'corda',
    'it began with a part of its base that follows from data (CorDA), which is in no file; PEFT itself cannot load it',
  ],
  [
    'lora_ga',
    'it began with a part of its base that follows from gradients (LoRA-GA), which are in no file; PEFT itself cannot load it as it was trained',
  ],
  ['loftq', 'it was trained on a base that LoftQ quantized, which is not the whole base'],
];

/** What the adapter begins with and takes out of its base. Ask `configProblems` first. */
export function startOf({ init_lora_weights: init }: Config): Start | undefined {
  if (init === 'pissa') return 'pissa';
  return typeof init === 'string' && init.toLowerCase() === 'olora' ? 'olora' : undefined;
}

function startProblems(config: Config, path: string): Problem[] {
  const { init_lora_weights: init } = config;
  if (typeof init === 'boolean' || isEmpty(init) || startOf(config) !== undefined) return [];
  const name = String(init);
  const where = `${path} init_lora_weights`;
  if (PLAIN.includes(name.toLowerCase())) return [];
  const found = changed.find(([begin]) => name.startsWith(begin));
  if (found === undefined)
    return [
      {
        where,
        what: `${JSON.stringify(init)} is not known, and it may have changed the base that the adapter belongs to`,
        fix: 'If the base stayed as it was, set it to true.',
      },
    ];
  return [{ where, what: `${found[1]} (${name})`, fix: remedy(name) }];
}

const remedy = (name: string): string =>
  name.startsWith('loftq')
    ? 'Merge it into its model where it was trained (merge_and_unload). Or, where the quantized base was saved, name that with --base and set init_lora_weights to true.'
    : 'Convert it where it was trained: save_pretrained(…, path_initial_model_for_weight_conversion=…) of PEFT makes a plain LoRA of it. Or, where the changed base was saved, name that with --base and set init_lora_weights to true.';
