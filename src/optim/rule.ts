// What an optimiser is: the state it keeps of each weight, its update, its name in metadata.

/** The settings of all optimisers; each reads those that it names in `settings`. */
export interface OptimiserSettings {
  /** Decay rates of the two moments. */
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weight_decay: number;
  /** Share of the last step that is carried over. */
  readonly momentum: number;
}

/** Of one weight, by the names in `state`; changed in place. */
export type OptimiserState = Readonly<Record<string, Float32Array>>;

export interface StepOptions {
  readonly learningRate: number;
  /** Multiplies the gradient: clipping, accumulation. */
  readonly scale: number;
}

/** Changes a weight and its state in place. */
export type WeightUpdate = (
  weight: Float32Array,
  gradient: Float32Array,
  state: OptimiserState,
  options: StepOptions,
) => void;

export interface OptimiserRule {
  /** Names of the arrays kept for each weight, of its size, zeros at first. */
  readonly state: readonly string[];
  /** The settings that it reads; the others have no effect. */
  readonly settings: readonly (keyof OptimiserSettings)[];
  /** Where the configuration says nothing: PyTorch's, or kohya's where those do not work. */
  readonly defaults: Pick<OptimiserSettings, 'weight_decay' | 'momentum'>;
  /** Update number `step`, 1 for the first; weights and state in float32, computed in float64. */
  update(step: number, settings: OptimiserSettings): WeightUpdate;
  /** Class and arguments as kohya's scripts name them in `ss_optimizer`. */
  describe(settings: OptimiserSettings): Description;
}

export interface Description {
  readonly name: string;
  readonly options: Readonly<Record<string, number | boolean | readonly number[]>>;
}
