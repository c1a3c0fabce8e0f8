"""Weights and inputs made from a hash of name and index: the bits of src/models/hashed-weights.test-util.ts.

    h = FNV-1a of the name;  x = (h + i * 0x9e3779b9) mod 2^32, mixed;  u = (x >> 8) / 2^23 - 1, in [-1, 1)
    weights: u * sqrt(3 / fan in);  norms: 1 + 0.1 u;  biases: 0.1 u      (float32 at every step)
"""

import math

import numpy as np


def fnv1a(name):
    value = 0x811C9DC5
    for unit in name.encode("ascii"):
        value = ((value ^ unit) * 0x01000193) & 0xFFFFFFFF
    return value


def uniforms(name, shape):
    """float32 in [-1, 1), exact."""
    x = np.arange(math.prod(shape), dtype=np.uint32)
    x *= np.uint32(0x9E3779B9)
    x += np.uint32(fnv1a(name))
    x ^= x >> 16
    x *= np.uint32(0x7FEB352D)
    x ^= x >> 15
    x *= np.uint32(0x846CA68B)
    x ^= x >> 16
    return ((x >> 8).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)).reshape(shape)


def weight(name, shape):
    u = uniforms(name, shape)
    if name.endswith(".bias"):
        return u * np.float32(0.1)
    if len(shape) == 1:
        return np.float32(1) + u * np.float32(0.1)
    return u * np.float32(math.sqrt(3 / math.prod(shape[1:])))
