// The layouts of adapter files, a record for each: how one is recognised, and how it is read.

import { lora } from '../adapters/lora.ts';
import type { SafetensorsFile } from '../checkpoints/safetensors-file.ts';
import type { AdapterFormatName, FileFormatName, FolderFormatName } from './adapter-file.ts';
import { openMlxFolder } from './mlx.ts';
import { openPeftFolder, type OpenPeftFolder } from './peft-folder.ts';
import type { PlannedFile } from './planned.ts';
import {
  diffusersFiles,
  kohyaFiles,
  lycorisFiles,
  peftFiles,
  type ToWrite,
} from './write-formats.ts';

interface Format {
  /** As a message calls it. */
  readonly title: string;
  /** The files of an adapter for pictures at `path`; undefined: this layout has none. */
  readonly write: ((path: string, given: ToWrite) => PlannedFile[]) | undefined;
}

/** A file of its own. */
export interface FileFormat extends Format {
  readonly recognises: (file: SafetensorsFile) => boolean;
}

/** A folder with adapter_config.json. */
export interface FolderFormat extends Format {
  /** By the keys of that file. */
  readonly recognises: (fields: ReadonlySet<string>) => boolean;
  readonly open: (folder: string) => OpenPeftFolder;
}

const isKohya = ({ tensors }: SafetensorsFile): boolean =>
  Array.from(tensors.keys()).some((key) => /^lora_(unet|te\d?)[_.]/.test(key));

/** In the order in which they are asked. */
export const fileFormats: Readonly<Record<FileFormatName, FileFormat>> = {
  lycoris: {
    title: "LyCORIS's file",
    recognises: (file) =>
      Array.from(file.tensors.keys()).some((key) => key.startsWith('lycoris_')) ||
      (isKohya(file) && file.metadata.ss_network_module?.startsWith('lycoris')),
    write: lycorisFiles,
  },
  kohya: { title: "a file with kohya's keys", recognises: isKohya, write: kohyaFiles },
  diffusers: {
    title: "diffusers' file",
    recognises: ({ tensors }) => [...tensors.keys()].some((key) => lora.partOf(key) !== undefined),
    write: diffusersFiles,
  },
};

export const folderFormats: Readonly<Record<FolderFormatName, FolderFormat>> = {
  peft: {
    title: "PEFT's folder",
    recognises: (fields) => fields.has('peft_type'),
    open: openPeftFolder,
    write: peftFiles,
  },
  mlx: {
    title: "mlx-lm's folder",
    recognises: (fields) => fields.has('fine_tune_type') || fields.has('lora_parameters'),
    open: openMlxFolder,
    write: undefined,
  },
};

const formats: Readonly<Record<AdapterFormatName, Format>> = { ...fileFormats, ...folderFormats };

/** As a sentence calls a format: "PEFT's folder". */
export const adapterTitle = (name: AdapterFormatName): string => formats[name].title;

/** How adapters for pictures are written in a format. */
export const adapterWriter = (name: AdapterFormatName): Format['write'] => formats[name].write;
