// The text in which WebUI keeps how a picture was made: prompt, negative prompt, and a line of
// settings. Parsed and completed as WebUI 1.10 does it.

import { DIGIT, SPACE, strip, WORD } from '../../util/python-text.ts';
import { promptSegments, WeightError } from '../prompt/attention.ts';

export interface Infotext {
  readonly prompt: string;
  readonly negativePrompt: string;
  /**
   * The settings in their order, by WebUI's names; `Size: 512x768` is `Size-1` and `Size-2`, as in
   * WebUI.
   */
  readonly fields: ReadonlyMap<string, string>;
}

const NEGATIVE = 'Negative prompt:';
/** So many settings make a last line one of settings. */
const FEWEST_SETTINGS = 3;

const setting = new RegExp(
  String.raw`[${SPACE}]*([${WORD}][${WORD} \-/]+):[${SPACE}]*("(?:\\[^\n]|[^\\"])+"|[^,]*)(?:,|$)`,
  'gu',
);
const imageSize = new RegExp(`^([${DIGIT}]+)x([${DIGIT}]+)$`, 'u');

/** What stands in the text and no more; whatever the text is, something comes out. */
export function parseInfotext(text: string): Infotext {
  const lines = strip(text).split('\n');
  const settings = [...(lines.at(-1) ?? '').matchAll(setting)];
  const hasSettings = settings.length >= FEWEST_SETTINGS;
  return {
    ...promptsOf(hasSettings ? lines.slice(0, -1) : lines),
    fields: new Map(hasSettings ? settings.flatMap(([, key, value]) => fieldsOf(key, value)) : []),
  };
}

/** What follows a line that begins with `Negative prompt:` belongs to it. */
function promptsOf(lines: readonly string[]): Pick<Infotext, 'prompt' | 'negativePrompt'> {
  let [prompt, negativePrompt, isNegative] = ['', '', false];
  for (const line of lines.map(strip)) {
    isNegative ||= line.startsWith(NEGATIVE);
    const own = line.startsWith(NEGATIVE) ? strip(line.slice(NEGATIVE.length)) : line;
    if (isNegative) negativePrompt += (negativePrompt === '' ? '' : '\n') + own;
    else prompt += (prompt === '' ? '' : '\n') + own;
  }
  return { prompt, negativePrompt };
}

/** WebUI leaves out a setting without a value. */
function fieldsOf(key: string, written: string): [string, string][] {
  if (written === '') return [];
  const value = unquoted(written);
  const size = imageSize.exec(value);
  return size === null
    ? [[key, value]]
    : [
        [`${key}-1`, size[1]],
        [`${key}-2`, size[2]],
      ];
}

function unquoted(text: string): string {
  if (!text.startsWith('"') || !text.endsWith('"')) return text;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? value : text;
  } catch {
    return text;
  }
}

/** A setting, or what WebUI has for it where nothing is said. */
export type CompleteFields = ReadonlyMap<string, string | number | boolean>;

const usual: readonly (readonly [string, string | number | boolean])[] = [
  ['Clip skip', '1'],
  ['Hires resize-1', 0],
  ['Hires resize-2', 0],
  ['Hires sampler', 'Use same sampler'],
  ['Hires schedule type', 'Use same scheduler'],
  ['Hires checkpoint', 'Use same checkpoint'],
  ['Hires prompt', ''],
  ['Hires negative prompt', ''],
  ['Mask mode', 'Inpaint masked'],
  ['Masked content', 'original'],
  ['Inpaint area', 'Whole picture'],
  ['Masked area padding', 32],
  ['RNG', 'GPU'],
  ['Schedule type', 'Automatic'],
  ['Schedule max sigma', 0],
  ['Schedule min sigma', 0],
  ['Schedule rho', 0],
  ['VAE Encoder', 'Full'],
  ['VAE Decoder', 'Full'],
  ['FP8 weight', 'Disable'],
  ['Refiner switch by sampling steps', false],
];

/**
 * The settings with what WebUI has where nothing is said, and with `Prompt` and `Negative prompt`:
 * what its `parse_generation_parameters` returns. Prompts of pictures from before version 1.6 and
 * others get the settings that keep their old meaning.
 */
export function completeFields({ prompt, negativePrompt, fields }: Infotext): CompleteFields {
  const out = new Map<string, string | number | boolean>(fields);
  const hypernet = fields.get('Hypernet');
  const strength = fields.get('Hypernet strength') ?? '1.0';
  const suffix = hypernet === undefined ? '' : `<hypernet:${hypernet}:${strength}>`;
  out.set('Prompt', prompt + suffix).set('Negative prompt', negativePrompt);
  addUsual(out);
  restoreFirstPass(out);
  if (out.get('FP8 weight') !== 'Disable' && !out.has('Cache FP16 weight for LoRA'))
    out.set('Cache FP16 weight for LoRA', false);
  if (!out.has('Emphasis') && [prompt, negativePrompt].some(usesEmphasis))
    out.set('Emphasis', 'Original');
  addOldMeanings(out);
  return out;
}

/** Both halves of a size come with the first. */
function addUsual(out: Map<string, string | number | boolean>): void {
  const resized = out.has('Hires resize-1');
  for (const [key, value] of usual)
    if (!out.has(key) && !(resized && key === 'Hires resize-2')) out.set(key, value);
}

/** A second pass as it was named before WebUI 1.0: its size was the picture's. */
function restoreFirstPass(out: Map<string, string | number | boolean>): void {
  const [first, second] = ['First pass size-1', 'First pass size-2'].map((key) => out.get(key));
  if (first === undefined || second === undefined) return;
  const [width, height] = ['Size-1', 'Size-2'].map((key) => Number(out.get(key) ?? 512));
  const [w, h] = [first, second].map(Number);
  const [passWidth, passHeight] = w === 0 || h === 0 ? smallerPass(width, height) : [w, h];
  out.set('Size-1', passWidth).set('Size-2', passHeight);
  out.set('Hires resize-1', width).set('Hires resize-2', height);
}

/** About 512 × 512 pixels, in steps of 64. */
function smallerPass(width: number, height: number): [number, number] {
  const scale = Math.sqrt((512 * 512) / (width * height));
  return [Math.ceil((scale * width) / 64) * 64, Math.ceil((scale * height) / 64) * 64];
}

function usesEmphasis(prompt: string): boolean {
  try {
    return promptSegments(prompt).some(({ text, weight }) => weight !== 1 && text !== 'BREAK');
  } catch (error) {
    if (error instanceof WeightError) return true;
    throw error;
  }
}

/** `v1.5.2-RC-5-gabc` -> [1, 5, 2, -1]: before the release -1, else the commits behind it. */
function versionOf(text: unknown): readonly number[] | undefined {
  const [short] = /^[^-]+-[^-]+(?=-)/.exec(String(text)) ?? [String(text)];
  const found = /^v?(\d+)\.(\d+)(?:\.(\d+))?(?:-(\d+)|-?(rc|a|b|alpha|beta)\d*)?$/i.exec(short);
  if (found === null) return undefined;
  const [, major, minor, patch = '0', commits = '0', candidate] = found;
  return [major, minor, patch, candidate === undefined ? commits : '-1'].map(Number);
}

const before = (version: readonly number[], other: readonly number[]): boolean => {
  const at = other.findIndex((part, i) => part !== version[i]);
  return at >= 0 && version[at] < other[at];
};

function addOldMeanings(out: Map<string, string | number | boolean>): void {
  const version = versionOf(out.get('Version'));
  if (version === undefined) return;
  const isOld = before(version, [1, 6, 0, 0]);
  const sampler = String(out.get('Sampler') ?? '');
  if (isOld && String(out.get('Prompt')).includes('['))
    out.set('Old prompt editing timelines', true);
  if (isOld && ['DDIM', 'PLMS'].includes(sampler)) out.set('Pad conds v0', true);
  if (before(version, [1, 7, 0, 225])) out.set('Downcast alphas_cumprod', true);
  if (before(version, [1, 8, 0, 0]) && out.has('Refiner'))
    out.set('Refiner switch by sampling steps', true);
}
