// What the folders of diffusers and of transformers have alike: a checked config.json beside one or
// more safetensors files.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { mapOf } from '../util/own.ts';
import { CheckpointError } from '../errors.ts';
import { brokenJson } from '../util/broken-json.ts';
import { reasonOf } from '../util/caught.ts';
import { answered, foreignFile, shortAnswer } from '../util/file-signatures.ts';
import { missingFile, unfinishedIn } from './missing-file.ts';
import { unicodeText } from '../util/encoding/decode-text.ts';
import type { Described } from './contents.ts';
import {
  kindOfFile,
  openAnySafetensors,
  openSafetensors,
  type SafetensorsFile,
} from './safetensors-file.ts';

const obtainModel = 'Download the folder again, or choose another model.';

/** A JSON file, checked. Throws CheckpointError with every fault, each at its key. */
export function parseFile<T>(
  path: string,
  schema: z.ZodType<T>,
  fix = 'This model is not supported, or its configuration is damaged.',
): T {
  const result = schema.safeParse(readJsonFile(path), { error: plainIssue });
  if (result.success) return result.data;
  throw new CheckpointError(
    result.error.issues.map(({ path: keys, message }) => ({
      where: [path, ...(keys.length > 0 ? [keys.join('.')] : [])].join(' '),
      what: message.replace(/^Invalid input: /, ''),
      fix,
    })),
  );
}

/** What a field must be and is, where its schema has no words of its own. */
export const plainIssue: z.core.$ZodErrorMap = (issue) => {
  const wanted = expectedBy(issue);
  if (wanted === undefined) return undefined;
  if (issue.input === undefined) return `is missing; expected ${wanted}`;
  const found = JSON.stringify(issue.input);
  return `expected ${wanted}; found ${found.length > 40 ? `${found.slice(0, 40)}…` : found}`;
};

/** Undefined for a fault that is not one of form. */
function expectedBy(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') return nounOf(issue.expected);
  if (issue.code !== 'invalid_union') return undefined;
  const forms = issue.errors.map(([first]) => {
    if (first.path.length > 0) return 'a list of such';
    return first.code === 'invalid_type' ? nounOf(first.expected) : 'another value';
  });
  return [...new Set(forms)].join(' or ');
}

const nounOf = (expected: string): string => nouns.get(expected) ?? expected;

const nouns: ReadonlyMap<string, string> = new Map([
  ['string', 'text'],
  ['number', 'a number'],
  ['int', 'a whole number'],
  ['boolean', 'true or false'],
  ['array', 'a list'],
  ['object', 'an object'],
  ['record', 'an object'],
]);

/** A JSON file, whatever it holds. Throws CheckpointError. */
export function readJsonFile(path: string, fix = obtainModel): unknown {
  const text = readUnicodeFile(path, fix);
  const answer = shortAnswer(new TextEncoder().encode(text), text.length);
  try {
    if (answer === undefined) return JSON.parse(text);
  } catch (cause) {
    const what = text.trim() === '' ? 'the file is empty' : noJson(text);
    throw new CheckpointError([{ where: path, what, fix }], { cause });
  }
  throw new CheckpointError([{ where: path, what: answered(answer), fix }]);
}

/** Of what begins as JSON, where it stops being that: it may have been changed by hand. */
function noJson(text: string): string {
  const broken = /^\s*[{[]/.test(text) ? brokenJson(text) : undefined;
  if (broken === undefined) return 'this file is not JSON, or it is damaged';
  const line = text.slice(0, broken.at).split(/\r\n|\r|\n/).length;
  return `this file is not JSON, or it is damaged: ${broken.what} (line ${line})`;
}

/** A text file of a model, in UTF-8 or UTF-16. Throws CheckpointError with what it is instead. */
export function readUnicodeFile(path: string, fix = obtainModel): string {
  if (!existsSync(path)) throw new CheckpointError([{ where: path, what: missingFile(path), fix }]);
  let bytes = new Uint8Array();
  try {
    bytes = readFileSync(path);
    return unicodeText(bytes);
  } catch (cause) {
    const foreign = foreignFile(bytes);
    const what = foreign === undefined ? reasonOf(cause) : `this is ${foreign.name}`;
    throw new CheckpointError([{ where: path, what, fix: foreign?.fix ?? fix }], { cause });
  }
}

/**
 * The tensors of a folder's safetensors files, those of types that are not supported too. Throws
 * CheckpointError where there are none.
 */
export function folderTensors(folder: string): ReadonlyMap<string, Described> {
  return new Map(
    folderFiles(folder, openAnySafetensors).flatMap(({ tensors, unsupported }) => [
      ...tensors,
      ...unsupported,
    ]),
  );
}

/**
 * A folder's safetensors files that belong together: the full-precision file first, `.fp16.` and
 * other variants where it is absent, else the shards that its index lists, or all that their names
 * count, else one that is called .bin and is safetensors. Throws CheckpointError where there are
 * none.
 */
export function folderFiles(folder: string, open = openSafetensors): SafetensorsFile[] {
  const files = readdirSync(folder).sort();
  const index = files.find((file) => file.endsWith('.safetensors.index.json'));
  const whole = files.filter(
    (file) =>
      /^(diffusion_pytorch_model|model)(\.[\w-]+)?\.safetensors$/.test(file) &&
      !/-of-\d+/.test(file),
  );
  const chosen =
    whole.find((file) => /^(diffusion_pytorch_model|model)\.safetensors$/.test(file)) ??
    whole.find((file) => file.includes('.fp16.')) ??
    whole[0];
  if (chosen !== undefined) return [open(join(folder, chosen))];
  if (index !== undefined) return shardFiles(folder, index, open);
  const numbered = files.filter((file) => /-\d+-of-\d+\.safetensors$/.test(file));
  if (numbered.length > 0 && numbered.length === Number(/-of-(\d+)/.exec(numbered[0])?.[1]))
    return numbered.map((file) => open(join(folder, file)));
  const disguised = files.find(
    (file) =>
      /^(diffusion_pytorch_model|pytorch_model|model)(\.[\w-]+)?\.(bin|pt|ckpt)$/.test(file) &&
      kindOfFile(join(folder, file)) === 'safetensors',
  );
  if (disguised !== undefined) return [open(join(folder, disguised))];
  const [begun] = unfinishedIn(folder);
  const what = `there are no weights in this folder: the download of ${begun} is not finished`;
  throw new CheckpointError([
    { where: folder, ...(begun === undefined ? absent(files) : { what, fix: obtainModel }) },
  ]);
}

/** Of the shards that the name of one counts (`-00001-of-00003`), those that are not there. */
function missingShards(one: string, files: readonly string[]): string[] {
  const [, digits, count] = /-(\d+)-of-(\d+)/.exec(one) ?? [];
  if (digits === undefined || Number(count) > 10_000) return [];
  return Array.from({ length: Number(count) }, (_, i) =>
    one.replace(`-${digits}-of-`, `-${String(i + 1).padStart(digits.length, '0')}-of-`),
  ).filter((name) => !files.includes(name));
}

/** What a folder has in place of weights that are read. */
function absent(files: readonly string[]): { what: string; fix: string } {
  const [some] = files.filter((file) => file.endsWith('.safetensors'));
  const missing = some === undefined ? [] : missingShards(some, files);
  if (some !== undefined && missing.length > 0)
    return {
      what: `some of its files are missing: ${some} is one of several, and there is no ${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ` … (${missing.length} in all)` : ''}`,
      fix: obtainModel,
    };
  if (some !== undefined)
    return {
      what: `its weights file is called ${some}: another layout, or another part of a model`,
      fix: 'Use model.safetensors, or model-00001-of-….safetensors with model.safetensors.index.json.',
    };
  if (files.some((file) => file.endsWith('.gguf')))
    return {
      what: 'its weights are a GGUF file, which is not supported here',
      fix: 'Use the .safetensors files of the same model.',
    };
  if (!files.some((file) => /\.(bin|ckpt|pt)$/.test(file)))
    return { what: 'there is no .safetensors file in this folder', fix: obtainModel };
  return {
    what: 'its weights are PyTorch .bin files, which are not supported',
    fix: 'Look for the .safetensors files of the same model, or convert them with a tool that you trust.',
  };
}

function shardFiles(
  folder: string,
  index: string,
  open: typeof openSafetensors,
): SafetensorsFile[] {
  const { weight_map } = parseFile(
    join(folder, index),
    z.object({ weight_map: mapOf(z.string()) }),
  );
  const shards = [...new Set(weight_map.values())].sort();
  const missing = shards.filter((file) => !existsSync(join(folder, file)));
  if (missing.length > 0)
    throw new CheckpointError(
      missing.map((file) => ({
        where: join(folder, file),
        what: `this file, one of ${shards.length} that ${index} lists, is missing`,
        fix: obtainModel,
      })),
    );
  return shards.map((file) => open(join(folder, file)));
}
