// A session of ONNX Runtime: the only file that imports onnxruntime-node.

import { parse, relative, sep } from 'node:path';
import {
  env,
  InferenceSession,
  listSupportedBackends,
  Tensor as OrtTensor,
} from 'onnxruntime-node';
import { InternalError, SystemError } from '../../errors.ts';
import { dtypes, type DType } from '../../tensor/dtype.ts';
import { isExternal, type Tensor } from '../../tensor/tensor.ts';
import type { HeldWeights, Session, SessionOptions } from '../backend.ts';
import { encodeModel, type OnnxGraph } from '../onnx-model.ts';
import type { Held } from '../weight-plan.ts';

// Official builds for Linux and macOS report each session to Microsoft (the model's names and
// hashes, the machine), and keep an id of the machine on disk. They look at this variable once,
// before the first session: https://github.com/microsoft/onnxruntime/pull/27379
process.env.ORT_DISABLE_TELEMETRY ??= '1';

// Its errors are thrown, and told by us (failures.ts); it need not print them besides, in red, nor
// what a probe of a graphics card fails at.
env.logLevel = 'fatal';
const SILENT = 4;

/** Of ONNX Runtime, e.g. `1.30.0`. */
export const runtimeVersion: string = env.versions.node ?? env.versions.common;

/** Whether the library for this platform has the WebGPU provider in it. */
export const hasWebGpu: boolean = listSupportedBackends().some(
  ({ name, bundled }) => name === 'webgpu' && bundled,
);

/** What a provider decides of a session. */
export interface ProviderOptions extends Partial<Pick<SessionOptions, 'threads' | 'profile'>> {
  readonly executionProviders: InferenceSession.SessionOptions['executionProviders'];
  readonly enableCpuMemArena: boolean;
  /** Settings of ONNX Runtime by their own names. */
  readonly extra: Readonly<Record<string, string>>;
}

/**
 * Loads a graph. Optimisations are off: the graph is already what is to be executed, in an order
 * that they would change.
 */
export async function createSession(
  graph: OnnxGraph,
  held: HeldWeights,
  { threads, profile, extra, ...provider }: ProviderOptions,
): Promise<Session> {
  const feeds = fedBy(held);
  const root = commonRoot(graph);
  const model = encodeModel(graph, (path) => relative(root, path).split(sep).join('/'));
  const session = await InferenceSession.create(model, {
    ...provider,
    graphOptimizationLevel: 'disabled',
    enableMemPattern: false,
    // refuses undefined
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    interOpNumThreads: 1,
    logSeverityLevel: SILENT,
    enableProfiling: profile !== undefined,
    profileFilePrefix: profile,
    extra: {
      ...extra,
      'session.model_external_initializers_file_folder_path': root,
    },
  });
  return new OrtSession(session, feeds, profile !== undefined);
}

type Feeds = Readonly<Record<string, OrtTensor>>;

/** A weight as ONNX Runtime takes it: in memory, or in a device's. */
class OrtHeld implements Held {
  constructor(
    readonly dtype: DType,
    readonly tensor: OrtTensor,
  ) {}

  get shape() {
    return this.tensor.dims;
  }

  release(): void {
    this.tensor.dispose();
  }
}

/** Shares the tensor's memory. */
export const heldInMemory = (tensor: Tensor): Held => new OrtHeld(tensor.dtype, toOrt(tensor));

/** Copies tensors into a device's memory. */
export interface Upload {
  send(tensor: Tensor): Promise<Held>;
  /**
   * To be called when nothing that was sent is needed: releasing a tensor whose session is gone
   * ends the process.
   */
  release(): Promise<void>;
}

/** Through sessions that give back what they are given, one for each element type. */
export function uploadTo(executionProviders: ProviderOptions['executionProviders']): Upload {
  const sessions = new Map<DType, Promise<InferenceSession>>();
  const open = (dtype: DType) =>
    InferenceSession.create(encodeModel(identity(dtype), String), {
      executionProviders,
      graphOptimizationLevel: 'disabled',
      logSeverityLevel: SILENT,
      preferredOutputLocation: 'gpu-buffer',
    });
  const sessionOf = (dtype: DType): Promise<InferenceSession> => {
    const opening = sessions.get(dtype) ?? open(dtype);
    sessions.set(dtype, opening);
    opening.catch(() => sessions.delete(dtype)); // there is none to be released
    return opening;
  };
  return {
    async send(tensor) {
      const session = await sessionOf(tensor.dtype);
      const { y } = await session.run({ x: toOrt(tensor) });
      return new OrtHeld(tensor.dtype, y);
    },
    async release() {
      for (const session of sessions.values()) await (await session).release();
      sessions.clear();
    },
  };
}

/** Of any shape. */
const identity = (dtype: DType): OnnxGraph => ({
  name: 'upload',
  inputs: [{ name: 'x', dtype }],
  outputs: [{ name: 'y', dtype }],
  initializers: [],
  nodes: [
    { name: 'y', type: 'Identity', domain: '', inputs: ['x'], outputs: ['y'], attributes: {} },
  ],
});

function fedBy(held: HeldWeights): Feeds {
  return Object.fromEntries(
    [...held].map(([name, weight]) => {
      if (weight instanceof OrtHeld) return [name, weight.tensor];
      throw new InternalError(`${name} is held by something else than ONNX Runtime`);
    }),
  );
}

class OrtSession implements Session {
  readonly #session: InferenceSession;
  readonly #fed: Feeds;
  readonly #profiles: boolean;

  constructor(session: InferenceSession, fed: Feeds, profiles: boolean) {
    this.#session = session;
    this.#fed = fed;
    this.#profiles = profiles;
  }

  async run(
    inputs: Readonly<Record<string, Tensor>>,
    outputs: readonly string[],
  ): Promise<Record<string, Tensor>> {
    const given = Object.fromEntries(
      Object.entries(inputs).map(([name, tensor]) => [name, toOrt(tensor)]),
    );
    const results = await this.#session.run({ ...this.#fed, ...given }, [...outputs]);
    return Object.fromEntries(outputs.map((name) => [name, fromOrt(results[name])]));
  }

  async release(): Promise<void> {
    if (this.#profiles) this.#session.endProfiling();
    await this.#session.release();
  }
}

/** Shares the array's memory. */
function toOrt({ dtype, data, shape }: Tensor): OrtTensor {
  if (dtype === 'bfloat16') throw new InternalError('a run takes no bfloat16: cast it first');
  // The constructor is overloaded by dtype; ours pairs dtype and array by its own type.
  return new OrtTensor(dtype as 'float32', data as Float32Array, shape);
}

/** Shares the result's memory, which is its own. */
function fromOrt({ type, data, dims }: OrtTensor): Tensor {
  if (!(type in dtypes)) throw new InternalError(`ONNX Runtime returned a tensor of ${type}`);
  // `type` is a key of dtypes by the test above, and both libraries use the same array for it.
  return { dtype: type as DType, shape: dims, data: data as Tensor['data'] };
}

/**
 * The file-system root under which all external data lies; ONNX Runtime takes only paths relative
 * to one folder.
 */
function commonRoot(graph: OnnxGraph): string {
  const roots = new Set(
    graph.initializers.flatMap(({ tensor }) =>
      isExternal(tensor) ? [parse(tensor.path).root] : [],
    ),
  );
  const [root = '/', other] = roots;
  if (other !== undefined) {
    const what = `weights lie on two drives, ${root} and ${other}`;
    throw new SystemError([{ where: graph.name, what, fix: 'put the model files on one drive' }]);
  }
  return root;
}
