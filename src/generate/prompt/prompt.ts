// The grammar of prompts that name adapters, as WebUI has it: `a cat <lora:brand_lora:0.8>`.

export interface LoraMention {
  /** A file's name without extension, or the `ss_output_name` in it. */
  readonly name: string;
  /** Strength in the text encoder; by default 1. */
  readonly textEncoder: number;
  /** Strength in the UNet; by default that of the text encoder. */
  readonly unet: number;
}

export interface ParsedPrompt {
  /** The prompt without its mentions. */
  readonly text: string;
  /** In their order. */
  readonly loras: readonly LoraMention[];
}

const mention = /<(?:lora|lyco):([^>]+)>/g;

/**
 * `<lora:name>`, `<lora:name:0.8>`, `<lora:name:0.8:0.5>` (text encoder, UNet),
 * `<lora:name:unet=0.5:te=1>`. What names no adapter or has a strength that is not a number stays
 * in the text.
 */
export function parsePrompt(prompt: string): ParsedPrompt {
  const loras: LoraMention[] = [];
  const text = prompt.replace(mention, (whole: string, content: string) => {
    const found = parseMention(content);
    if (found === undefined) return whole;
    loras.push(found);
    return '';
  });
  return { text, loras };
}

function parseMention(content: string): LoraMention | undefined {
  const parts = content.split(':').map((part) => part.trim());
  const named = new Map(
    // two parts, since there is an equals sign
    parts.flatMap((part) => (part.includes('=') ? [part.split('=', 2) as [string, string]] : [])),
  );
  const [name = '', first, second] = parts.filter((part) => !part.includes('='));
  const textEncoder = strength(named.get('te') ?? first ?? '1');
  const unet = strength(named.get('unet') ?? second ?? named.get('te') ?? first ?? '1');
  return name === '' || Number.isNaN(textEncoder) || Number.isNaN(unet)
    ? undefined
    : { name, textEncoder, unet };
}

function strength(text: string): number {
  return text === '' ? NaN : Number(text);
}
