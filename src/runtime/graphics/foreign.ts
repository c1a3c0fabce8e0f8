// Functions of the system's shared libraries: the only file that loads koffi. Of koffi's packages
// only the binary of this platform is installed; it has no install script
// (docs/decisions/0022-asking-for-graphics-cards.md).

import { createRequire } from 'node:module';

/** The functions of koffi 3.3 that are used here; addresses are bigints. */
interface Koffi {
  load(path: string): Library;
  alloc(type: 'uint8', length: number): bigint;
  free(address: bigint): void;
  view(address: bigint, length: number): ArrayBuffer;
}

interface Library {
  func(name: string, result: CType, parameters: readonly CType[]): (...values: unknown[]) => number;
}

/** Handles and pointers are whole numbers of a pointer's size. */
export type CType = 'void' | 'int32' | 'uint32' | 'uintptr_t';

/** Memory outside JavaScript's heap, with an address; zeros at first. */
export interface Block {
  readonly address: bigint;
  readonly view: DataView;
}

export type Call = (...values: readonly (number | bigint)[]) => number;

/** Throws where the library or a function of it is missing. */
export interface ForeignLibrary {
  call(name: string, result: CType, parameters: readonly CType[]): Call;
  block(bytes: number): Block;
  /** Frees all blocks. */
  release(): void;
}

/** Throws where the package was left out of the installation. */
export function openForeign(): (path: string) => ForeignLibrary {
  // `as`: the package has no types of its own
  const koffi = createRequire(import.meta.url)(
    `@koromix/koffi-${process.platform}-${process.arch}`,
  ) as Koffi;
  return (path) => openLibrary(koffi, path);
}

function openLibrary(koffi: Koffi, path: string): ForeignLibrary {
  const library = koffi.load(path);
  const blocks: bigint[] = [];
  return {
    call: (name, result, parameters) => library.func(name, result, parameters),
    block(bytes) {
      const address = koffi.alloc('uint8', bytes);
      blocks.push(address);
      const view = new DataView(koffi.view(address, bytes));
      for (let i = 0; i < bytes; i++) view.setUint8(i, 0);
      return { address, view };
    },
    release() {
      for (const address of blocks.splice(0)) koffi.free(address);
    },
  };
}
