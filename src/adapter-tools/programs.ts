// Which programs load an adapter, and why not: read off their loaders, and tried where
// docs/compatibility.md says so.

import type { AdapterFile, AdapterModule } from '../adapter-files/adapter-file.ts';
import { mostCommon } from '../adapter-files/language-lora.ts';
import { plural } from '../util/plural.ts';
import { isFoundByComfyui } from './comfyui-names.ts';
import { traitsOf, type Traits } from './traits.ts';

export interface ProgramVerdict {
  readonly program: string;
  /** Whose loader was read. */
  readonly version: string;
  readonly loads: 'yes' | 'no' | 'in part' | 'not tried';
  /** Why, where it is not plainly yes. */
  readonly reason?: string;
  /** What to do about it. */
  readonly fix?: string;
}

type Judgement = Omit<ProgramVerdict, 'program' | 'version'>;

interface Program {
  readonly program: string;
  readonly version: string;
  readonly of: AdapterFile['of'];
  readonly judge: (file: AdapterFile, traits: Traits) => Judgement;
}

const yes: Judgement = { loads: 'yes' };
const no = (reason: string, fix?: string): Judgement => ({
  loads: 'no',
  reason,
  ...(fix !== undefined && { fix }),
});

const TO_KOHYA = 'lora convert --to kohya';
const TO_DIFFUSERS = 'lora convert --to diffusers';
const TO_PEFT = 'lora convert --to peft';

const otherLayout = ({ family = 'a model of unknown sizes' }: Traits): Judgement =>
  no(`it is for ${family}; the program opens models of Stable Diffusion's own sizes alone`);

/** The program knows names with underscores alone; those that it does not know it leaves out. */
function byUnderscores(
  file: AdapterFile,
  { isUnderscored, unknown, family }: Traits,
): Judgement | undefined {
  if (file.format === 'peft') return no('it is a folder of PEFT, not a file', TO_KOHYA);
  if (!isUnderscored)
    return no(
      `it looks for names such as lora_unet_down_blocks_0_…, and the file has ${file.modules[0].name}`,
      TO_KOHYA,
    );
  if (unknown.length > 0 && family?.startsWith('Stable Diffusion') === true)
    return {
      loads: 'in part',
      reason: `${plural(unknown.length, 'module')} with names that are not known, such as ${unknown[0]}`,
    };
  return undefined;
}

function webui(file: AdapterFile, traits: Traits): Judgement {
  const found = byUnderscores(file, traits);
  if (found !== undefined) return found;
  if (!traits.isCommonLayout) return otherLayout(traits);
  const { ss_base_model_version: version } = file.metadata;
  if (
    Object.keys(file.metadata).length > 0 &&
    version === undefined &&
    traits.family !== 'Stable Diffusion 1.x'
  )
    return {
      loads: 'yes',
      reason:
        'its metadata lack ss_base_model_version: it is listed among those of Stable Diffusion 1',
    };
  return yes;
}

function comfyui(file: AdapterFile, traits: Traits): Judgement {
  const unread = unreadByComfyui(file, traits);
  if (unread !== undefined) return unread;
  const left = leftByComfyui(file, traits);
  if (left.length === 0) return yes;
  const reason = `it does not know names such as ${left[0].name}`;
  return left.length === file.modules.length
    ? no(reason, TO_KOHYA)
    : {
        loads: 'in part',
        reason: `${reason}: it leaves out ${shareOf(left, file)}`,
        fix: TO_KOHYA,
      };
}

/** What ComfyUI and Forge do not read at all, or have not been seen to read. */
function unreadByComfyui(file: AdapterFile, traits: Traits): Judgement | undefined {
  if (file.format === 'peft') return no('it is a folder of PEFT, not a file', TO_KOHYA);
  if (traits.isScaleInMetadata)
    return no(
      'it does not read the metadata, where the scale stands: it would act at scale 1',
      TO_KOHYA,
    );
  const { unknown, isUnderscored } = traits;
  return unknown.length > 0 && !isUnderscored && !isOfTheirTable(traits)
    ? { loads: 'not tried', reason: `names such as ${unknown[0]}` }
    : undefined;
}

/** Models whose layers the table has. */
const isOfTheirTable = ({ family = '' }: Traits): boolean =>
  /^Stable Diffusion [12X]|^a UNet/.test(family);

/** Modules that their table of names does not have. */
const leftByComfyui = (file: AdapterFile, traits: Traits): readonly AdapterModule[] =>
  file.modules.filter((module) => !(isFoundByComfyui(module) ?? !isOfTheirTable(traits)));

const shareOf = (some: readonly AdapterModule[], { modules }: AdapterFile): string =>
  `${some.length} of its ${plural(modules.length, 'module')}`;

/** Forge refuses a file of whose tensors it does not know more than these. */
const FORGE_TOLERATES = 12;

/** Its table of names is ComfyUI's; the models that it opens are WebUI's. */
function forge(file: AdapterFile, traits: Traits): Judgement {
  const found = comfyui(file, traits);
  const left = leftByComfyui(file, traits);
  const tensors = left.reduce((sum, { alphaFrom }) => sum + (alphaFrom === 'tensor' ? 3 : 2), 0);
  if (found.loads === 'in part' && tensors + file.leftovers.length > FORGE_TOLERATES)
    return no(
      `it does not know names such as ${left[0].name}, and refuses a file with more than ${FORGE_TOLERATES} tensors of such names`,
      TO_KOHYA,
    );
  return found.loads === 'yes' && !traits.isCommonLayout ? otherLayout(traits) : found;
}

function additionalNetworks(file: AdapterFile, traits: Traits): Judgement {
  const found = byUnderscores(file, traits);
  if (found !== undefined) return found;
  if (!traits.isCommonLayout) return otherLayout(traits);
  if (traits.family === 'Stable Diffusion XL') return no('it knows Stable Diffusion 1 and 2 alone');
  if (traits.isTe1 || traits.isLdm)
    return no(
      'it refuses files with names that it does not know (lora_te1_, input_blocks)',
      TO_KOHYA,
    );
  return yes;
}

function kohya(file: AdapterFile, traits: Traits): Judgement {
  const found = byUnderscores(file, traits);
  if (found !== undefined) return found;
  const isXl = traits.family === 'Stable Diffusion XL';
  if (isXl !== traits.isLdm && file.modules.some(({ path = '' }) => path.startsWith('unet.')))
    return no(
      isXl
        ? 'for Stable Diffusion XL it looks for names such as lora_unet_input_blocks_…'
        : 'for Stable Diffusion 1 and 2 it looks for names such as lora_unet_down_blocks_…',
      isXl ? undefined : TO_KOHYA,
    );
  if (traits.isTe1 && !isXl)
    return {
      loads: 'in part',
      reason: "it looks for the text encoder's layers under lora_te_, and the file has lora_te1_",
      fix: TO_KOHYA,
    };
  return yes;
}

function diffusers(file: AdapterFile, { isUnderscored, unknown }: Traits): Judgement {
  if (file.format === 'peft')
    return no('load_lora_weights reads a file; PEFT loads the folder', TO_DIFFUSERS);
  if (unknown.length > 0) return { loads: 'not tried', reason: `names such as ${unknown[0]}` };
  if (file.format === 'diffusers') return yes;
  if (!isUnderscored)
    return no(`it does not know names such as ${file.modules[0].name}`, TO_DIFFUSERS);
  if (file.leftovers.length > 0)
    return no(
      `it takes kohya's names only where the file has nothing else, and there is ${file.leftovers[0]}`,
      TO_DIFFUSERS,
    );
  const misled = otherAlphas(file);
  if (misled > 0)
    return {
      loads: 'in part',
      reason: `its alphas differ, and diffusers gives layers of attentions and of the text encoder the most common one: ${plural(misled, 'module')} would act at another scale`,
      fix: TO_DIFFUSERS,
    };
  return yes;
}

/**
 * Modules whose alpha diffusers does not find in a file with kohya's keys: it looks for them under
 * other names than it gave the layers (tried with 0.42.1).
 */
function otherAlphas({ modules }: AdapterFile): number {
  const components = ['unet.', 'text_encoder.', 'text_encoder_2.'];
  return components.reduce((sum, component) => {
    const own = modules.filter(({ path = '' }) => path.startsWith(component));
    const common = mostCommon(own.map(({ alpha }) => alpha));
    const isLost = ({ path = '', alpha }: AdapterModule) =>
      alpha !== common && (component !== 'unet.' || /\.to_(q|k|v|out\.0)$/.test(path));
    return sum + own.filter(isLost).length;
  }, 0);
}

function peftOfPictures({ format, modules }: AdapterFile): Judgement {
  if (format !== 'peft') return no('it reads a folder with adapter_config.json', TO_PEFT);
  return modules.some(({ name }) => name.includes('.text_model.'))
    ? {
        loads: 'in part',
        reason: 'the text encoder has its names of before transformers 5',
        fix: TO_PEFT,
      }
    : yes;
}

function ours(_file: AdapterFile, { unknown, family }: Traits): Judgement {
  if (unknown.length > 0) return no(`it has no layer such as ${unknown[0]}`);
  if (family === 'Stable Diffusion XL' || family === 'Stable Diffusion 2.x')
    return no(`it trains and draws with Stable Diffusion 1.x, and this is for ${family}`);
  return yes;
}

const plainPeft = ({ format }: AdapterFile): Judgement =>
  format === 'peft' ? yes : no("it is mlx-lm's, with other names and transposed", TO_PEFT);

function vllm(file: AdapterFile, { largestRank }: Traits): Judgement {
  const plain = plainPeft(file);
  if (plain.loads !== 'yes') return plain;
  const ranks = new Set(file.modules.map(({ rank }) => rank));
  const scales = new Set(file.modules.map(({ scale }) => scale));
  if (ranks.size > 1 || scales.size > 1)
    return no('it does not read rank_pattern and alpha_pattern: layers would act at other scales');
  if (largestRank > 512) return no(`its rank is at most 512, and this one has ${largestRank}`);
  return largestRank > 16
    ? { ...yes, reason: `with --max-lora-rank ${maxLoraRank(largestRank)} or more` }
    : yes;
}

/** The values that vLLM takes. */
const maxLoraRank = (rank: number): number =>
  [16, 32, 64, 128, 256, 320, 512].find((most) => most >= rank) ?? rank;

const llamaCpp = (): Judgement => no('it reads GGUF', 'lora export --to gguf');

const programs: readonly Program[] = [
  { program: 'AUTOMATIC1111 WebUI', version: '1.10.1', of: 'pictures', judge: webui },
  { program: 'Forge', version: 'commit dfdcbab6', of: 'pictures', judge: forge },
  { program: 'ComfyUI', version: 'commit ab1050be', of: 'pictures', judge: comfyui },
  {
    program: 'sd-webui-additional-networks',
    version: 'commit e9f3d622',
    of: 'pictures',
    judge: additionalNetworks,
  },
  { program: 'kohya sd-scripts', version: '0.10.1', of: 'pictures', judge: kohya },
  { program: 'diffusers', version: '0.42.1', of: 'pictures', judge: diffusers },
  { program: 'PEFT', version: '0.21.2', of: 'pictures', judge: peftOfPictures },
  { program: 'lora (this program)', version: '', of: 'pictures', judge: ours },
  { program: 'PEFT', version: '0.21.2', of: 'language', judge: plainPeft },
  { program: 'transformers', version: '5.24.0', of: 'language', judge: plainPeft },
  { program: 'vLLM', version: 'as of 2026', of: 'language', judge: vllm },
  { program: 'llama.cpp, Ollama', version: 'as of 2026', of: 'language', judge: llamaCpp },
  {
    program: 'mlx-lm',
    version: '0.31.3',
    of: 'language',
    judge: ({ format }) => (format === 'mlx' ? yes : no('it reads a folder of its own layout')),
  },
  { program: 'lora (this program)', version: '', of: 'language', judge: () => yes },
];

/** What each program that takes adapters of this kind does with it. */
export function programVerdicts(file: AdapterFile): ProgramVerdict[] {
  const traits = traitsOf(file);
  return programs
    .filter((one) => one.of === file.of)
    .map(({ program, version, judge }) => ({ program, version, ...judge(file, traits) }));
}
