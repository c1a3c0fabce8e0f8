// The element types a tensor can have, with their size and their names in the formats we read and
// write.

/** `onnx`: TensorProto.DataType; `safetensors`: the `dtype` field of its header. */
export const dtypes = {
  float64: { bytes: 8, onnx: 11, safetensors: 'F64' },
  float32: { bytes: 4, onnx: 1, safetensors: 'F32' },
  float16: { bytes: 2, onnx: 10, safetensors: 'F16' },
  bfloat16: { bytes: 2, onnx: 16, safetensors: 'BF16' },
  int64: { bytes: 8, onnx: 7, safetensors: 'I64' },
  int32: { bytes: 4, onnx: 6, safetensors: 'I32' },
  int16: { bytes: 2, onnx: 5, safetensors: 'I16' },
  int8: { bytes: 1, onnx: 3, safetensors: 'I8' },
  uint8: { bytes: 1, onnx: 2, safetensors: 'U8' },
  bool: { bytes: 1, onnx: 9, safetensors: 'BOOL' },
} as const;

export type DType = keyof typeof dtypes;

/**
 * The typed array that holds each dtype on the host; half-precision numbers are held as their bits.
 */
export interface TypedArrays {
  float64: Float64Array;
  float32: Float32Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  int64: BigInt64Array;
  int32: Int32Array;
  int16: Int16Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}

export const typedArrays = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

export function isFloat(dtype: DType): boolean {
  return dtype === 'float32' || dtype === 'float16' || dtype === 'bfloat16' || dtype === 'float64';
}
