// What diffusers notes of an adapter in its file's metadata since version 0.34: for each component
// PEFT's configuration, by which it loads the adapter again.

import { AdapterError } from '../errors.ts';
import { isObject } from '../util/is-object.ts';
import { throwProblems } from './lora.ts';
import { configProblems } from './peft-config.ts';
import { patternValue } from './peft-patterns.ts';

export interface StatedScale {
  readonly rank: number;
  readonly alpha: number;
  readonly rslora: boolean;
}

/** The key of a file's metadata, and what stands in front of each component's fields. */
export const LORA_METADATA = 'lora_adapter_metadata';

const components = ['unet', 'text_encoder_2', 'text_encoder'] as const;

/**
 * What the metadata say of the module of a path; undefined where they say nothing of it. Throws
 * AdapterError for metadata that are damaged, and for what is more than a plain LoRA.
 */
export function loraMetadata(
  { [LORA_METADATA]: text }: Readonly<Partial<Record<string, string>>>,
  where: string,
): (path: string) => StatedScale | undefined {
  if (text === undefined) return () => undefined;
  const all = parsed(text, where);
  const byComponent = new Map(
    components.map((component) => [component, fieldsOf(all, component)] as const),
  );
  throwProblems(
    [...byComponent].flatMap(([component, config]) =>
      config === undefined
        ? []
        : configProblems(
            { peft_type: 'LORA', ...config },
            `${where} ${LORA_METADATA} ${component}.`,
          ),
    ),
  );
  return (path) => {
    const component = components.find((name) => path.startsWith(`${name}.`));
    const config = component && byComponent.get(component);
    return config && component ? statedBy(config, path.slice(component.length + 1)) : undefined;
  };
}

function parsed(text: string, where: string): Readonly<Record<string, unknown>> {
  try {
    const found: unknown = JSON.parse(text);
    if (isObject(found)) return found;
  } catch {
    // told below
  }
  const what = 'this is not a JSON object, so the scale of the adapter is not known';
  throw new AdapterError([
    { where: `${where} ${LORA_METADATA}`, what, fix: 'Save the adapter again with diffusers.' },
  ]);
}

function fieldsOf(
  all: Readonly<Record<string, unknown>>,
  component: string,
): Record<string, unknown> | undefined {
  const own = Object.entries(all).filter(([key]) => key.startsWith(`${component}.`));
  if (own.length === 0) return undefined;
  return Object.fromEntries(own.map(([key, value]) => [key.slice(component.length + 1), value]));
}

function statedBy(config: Readonly<Record<string, unknown>>, path: string): StatedScale {
  const number = (value: unknown) => (typeof value === 'number' ? value : 8); // as PEFT
  return {
    rank: patternValue(numbersOf(config.rank_pattern), path) ?? number(config.r),
    alpha: patternValue(numbersOf(config.alpha_pattern), path) ?? number(config.lora_alpha),
    rslora: config.use_rslora === true,
  };
}

const numbersOf = (value: unknown): ReadonlyMap<string, number> =>
  new Map(
    Object.entries(isObject(value) ? value : {}).filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number',
    ),
  );
