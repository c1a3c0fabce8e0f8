// What a picture says of how it was made, whichever program wrote it.

import { exifOf } from '../../dataset/image.ts';
import { isObject } from '../../util/is-object.ts';
import { comfySummary } from './comfy-summary.ts';
import { readPngTexts } from './png-text.ts';
import { userComment } from './user-comment.ts';

export type PictureText =
  /** WebUI's text, as Forge, SD.Next and civitai write it, too. */
  | { readonly type: 'infotext'; readonly text: string }
  /** Of a program whose settings are not understood as a whole. */
  | {
      readonly type: 'other';
      readonly program: string;
      /** What can be told from it, such as `seed`, `12`; texts in their whole length. */
      readonly summary: readonly (readonly [name: string, value: string])[];
    }
  | { readonly type: 'nothing' };

/** Of the bytes of a picture file: PNG, JPEG, WebP, AVIF. */
export async function readPictureText(bytes: Uint8Array): Promise<PictureText> {
  const texts = readPngTexts(bytes);
  const comment = await commentOf(bytes);
  for (const read of programs) {
    const found = read(texts, comment);
    if (found !== undefined) return found;
  }
  return { type: 'nothing' };
}

async function commentOf(bytes: Uint8Array): Promise<string | undefined> {
  const exif = await exifOf(bytes);
  return exif === undefined ? undefined : userComment(exif);
}

type Texts = ReadonlyMap<string, string>;
type Read = (texts: Texts, comment: string | undefined) => PictureText | undefined;

/** The first that finds something; WebUI, too, prefers the comment to `parameters`. */
const programs: readonly Read[] = [
  (_, comment) =>
    withJson(comment, (json) => comfy(json) ?? other('a program that keeps JSON', json)),
  (_, comment) => infotext(comment),
  (texts) => withJson(texts.get('parameters'), (json) => other(parametersProgram(json), json)),
  (texts) => infotext(texts.get('parameters')),
  (texts) => withJson(texts.get('prompt'), comfy),
  (texts) => withJson(texts.get('workflow'), comfy),
  novelAi,
  (texts) => withJson(texts.get('invokeai_metadata'), (json) => other('InvokeAI', json)),
  (texts) => withJson(texts.get('sd-metadata'), (json) => other('InvokeAI', json)),
  (texts) => infotext(texts.get('Comment')),
];

const infotext = (text: string | undefined): PictureText | undefined =>
  text === undefined || text === '' ? undefined : { type: 'infotext', text };

function withJson(
  text: string | undefined,
  read: (json: Readonly<Record<string, unknown>>) => PictureText | undefined,
): PictureText | undefined {
  if (text?.trimStart().startsWith('{') !== true) return undefined;
  try {
    // Python's json writes NaN where JSON has no such number
    const json: unknown = JSON.parse(text.replace(/:\s*NaN\b/g, ': null'));
    return isObject(json) ? read(json) : undefined;
  } catch {
    return undefined;
  }
}

const comfy = (json: Readonly<Record<string, unknown>>): PictureText | undefined => {
  const summary = comfySummary(json);
  return summary === undefined ? undefined : { type: 'other', program: 'ComfyUI', summary };
};

const parametersProgram = (json: Readonly<Record<string, unknown>>): string =>
  'sui_image_params' in json
    ? 'SwarmUI'
    : 'fooocus_scheme' in json || 'base_model' in json
      ? 'Fooocus'
      : 'a program that keeps JSON';

/** The plain values of an object, and of the objects in it. */
function other(program: string, json: Readonly<Record<string, unknown>>): PictureText {
  const summary = Object.entries(json).flatMap(([key, value]): [string, string][] => {
    if (isObject(value))
      return Object.entries(value).flatMap(([inner, each]) => plain(inner, each));
    return plain(key, value);
  });
  return { type: 'other', program, summary };
}

const plain = (key: string, value: unknown): [string, string][] =>
  typeof value === 'string' || typeof value === 'number' ? [[key, String(value)]] : [];

/** As WebUI translates it: NovelAI's own words for its model are `Clip skip: 2, ENSD: 31337`. */
function novelAi(texts: Texts): PictureText | undefined {
  if (texts.get('Software') !== 'NovelAI') return undefined;
  return withJson(texts.get('Comment'), (json) => ({
    type: 'other',
    program: 'NovelAI',
    summary: [
      ['prompt', texts.get('Description') ?? ''],
      ...['uc', 'steps', 'sampler', 'scale', 'seed', 'width', 'height'].flatMap((key) =>
        plain(key, json[key]),
      ),
    ],
  }));
}
