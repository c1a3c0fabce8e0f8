// The layouts of adapter files, a record for each: how one is recognised, and how it is read.

import type { SafetensorsFile } from '../checkpoints/safetensors-file.ts';
import type { AdapterFormatName, FileFormatName, FolderFormatName } from './adapter-file.ts';
import { openMlxFolder } from './mlx.ts';
import { openPeftFolder, type OpenPeftFolder } from './peft-folder.ts';
import { partOf } from './picture-file.ts';

interface Format {
  /** As a message calls it. */
  readonly title: string;
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
  },
  kohya: { title: "a file with kohya's keys", recognises: isKohya },
  diffusers: {
    title: "diffusers' file",
    recognises: ({ tensors }) => [...tensors.keys()].some((key) => partOf(key) !== undefined),
  },
};

export const folderFormats: Readonly<Record<FolderFormatName, FolderFormat>> = {
  peft: {
    title: "PEFT's folder",
    recognises: (fields) => fields.has('peft_type'),
    open: openPeftFolder,
  },
  mlx: {
    title: "mlx-lm's folder",
    recognises: (fields) => fields.has('fine_tune_type') || fields.has('lora_parameters'),
    open: openMlxFolder,
  },
};

/** As a sentence calls a format: "PEFT's folder". */
export const adapterTitle = (name: AdapterFormatName): string =>
  ({ ...fileFormats, ...folderFormats })[name].title;
