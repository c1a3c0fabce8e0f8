// The library: everything that `import … from 'lora-scripts'` gives.
export * from './errors.ts';
export { loadConfig, parseConfig, placeOf, type ConfigSource, type LoadedConfig } from './config/load.ts';
export { configJsonSchema, withResolution, type TrainConfig, type TrainConfigInput } from './config/schema.ts';
export type * from './train/events.ts';
