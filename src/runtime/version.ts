// The version of what computes.

export { runtimeVersion } from './onnxruntime/session.ts';
