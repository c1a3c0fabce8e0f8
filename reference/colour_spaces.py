"""Writes golden/colour_spaces.json: colours of sRGB as the numbers that other spaces hold for them.

Independent of the product: ITU-T H.273, ITU-R BT.2100 and BT.2408 and ICC.1 with numpy, from sRGB to
the other space; the product goes the other way. The profiles are built here; `check()` has Little CMS
convert each of them to sRGB and compares.

    python reference/colour_spaces.py      # needs numpy, pillow
"""

import base64
import io
import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

TARGETS = [
    (200, 30, 30), (30, 160, 60), (30, 60, 200), (250, 250, 250), (0, 0, 0), (128, 128, 128),
    (255, 220, 180), (90, 60, 40), (20, 20, 20), (180, 200, 90), (240, 120, 20), (60, 60, 120),
]  # fmt: skip
D65, D50 = (0.3127, 0.3290), (0.345704, 0.358540)
BT709 = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65)
P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), D65)
DCI_P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.314, 0.351))
BT2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65)
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), D65)
PROPHOTO = ((0.734699, 0.265301), (0.159597, 0.840403), (0.036598, 0.000105), D50)
WHITE = 203  # cd/m2


def xyz(point):
    x, y = point
    return np.array([x / y, 1, (1 - x - y) / y])


def to_xyz(primaries):
    columns = np.array([xyz(point) for point in primaries[:3]]).T
    return columns * np.linalg.solve(columns, xyz(primaries[3]))


def bradford(source, target):
    cone = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    return np.linalg.inv(cone) @ np.diag(cone @ xyz(target) / (cone @ xyz(source))) @ cone


def light():
    v = np.array(TARGETS) / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def linear(primaries):
    matrix = np.linalg.inv(to_xyz(primaries)) @ bradford(D65, primaries[3]) @ to_xyz(BT709)
    return np.clip(light() @ matrix.T, 0, None)


def srgb(v):
    return np.where(v <= 0.0031308, 12.92 * v, 1.055 * np.clip(v, 1e-12, None) ** (1 / 2.4) - 0.055)


def pq(v):
    y = (np.clip(v * WHITE / 10000, 0, 1)) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32)


def hlg(v):
    """Light on a screen of 1000 cd/m2 back to light at the camera, then to the signal."""
    shown = v * WHITE / 1000
    luminance = np.clip(shown @ np.array([0.2627, 0.6780, 0.0593]), 1e-12, None)
    scene = shown * (luminance ** (1 / 1.2 - 1))[:, None]
    log = 0.17883277 * np.log(np.clip(12 * scene - 0.28466892, 1e-9, None)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), log)


def tag(name, kind, body):
    data = kind + b"\0\0\0\0" + body
    return name, data + b"\0" * (-len(data) % 4)


def fixed(*values):
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def profile(space, curve, primaries=None):
    tags = [tag(b"desc", b"desc", struct.pack(">I", 5) + b"test\0" + b"\0" * 78)]
    tags += [tag(b"cprt", b"text", b"none\0"), tag(b"wtpt", b"XYZ ", fixed(0.9642, 1, 0.8249))]
    if primaries is not None:
        matrix = bradford(primaries[3], D50) @ to_xyz(primaries)
        tags += [tag(c + b"XYZ", b"XYZ ", fixed(*matrix[:, i])) for i, c in enumerate([b"r", b"g", b"b"])]
    tags += [(c + b"TRC", curve) for c in ([b"r", b"g", b"b"] if primaries else [b"k"])]
    at, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags:
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    head = b"lcms\x02\x40\0\0mntr" + space + b"XYZ " + struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp"
    head = struct.pack(">I", 128 + len(table) + len(body)) + head
    head = head.ljust(68, b"\0") + fixed(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + table + body


def gamma(value):
    return tag(b"", b"curv", struct.pack(">IH", 1, round(value * 256)))[1]


PARAMETRIC = tag(b"", b"para", struct.pack(">HH", 3, 0) + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))[1]
SAMPLED = tag(
    b"",
    b"curv",
    struct.pack(">I", 64) + np.round(np.linspace(0, 1, 64) ** 1.8 * 65535).astype(">u2").tobytes(),
)[1]


def check(name, icc, numbers):
    """Little CMS has 8 bits in and out here."""
    mode = "RGB" if numbers.shape[1] == 3 else "L"
    pixels = np.round(numbers * 255).astype(np.uint8).reshape(1, -1, numbers.shape[1]).squeeze(-1 if mode == "L" else ())
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    picture = ImageCms.profileToProfile(
        Image.fromarray(pixels, mode), source, ImageCms.createProfile("sRGB"), outputMode="RGB", renderingIntent=1
    )
    want = np.array(TARGETS) if mode == "RGB" else np.repeat(np.array(TARGETS)[:, 1:2], 3, 1)
    off = np.abs(np.asarray(picture).reshape(-1, 3).astype(int) - want).max()
    print(name, "Little CMS is off by", off)
    assert off <= 4, name


def main():
    grey = light()[:, 1:2]
    codes = {
        "Display P3": (12, 13, srgb(linear(P3))),
        "DCI P3": (11, 17, (linear(DCI_P3) * 48 / 52.37) ** (1 / 2.6)),
        "BT.2020 with sRGB's curve": (9, 13, srgb(linear(BT2020))),
        "BT.2100 PQ": (9, 16, pq(linear(BT2020))),
        "BT.2100 HLG": (9, 18, hlg(linear(BT2020))),
        "P3 PQ": (12, 16, pq(linear(P3))),
        "linear sRGB": (1, 8, light()),
        "gamma 2.2": (1, 4, light() ** (1 / 2.2)),
        "sRGB": (1, 13, np.array(TARGETS) / 255),
    }
    profiles = {
        "Adobe RGB": (profile(b"RGB ", gamma(563 / 256), ADOBE), linear(ADOBE) ** (256 / 563)),
        "Display P3": (profile(b"RGB ", PARAMETRIC, P3), srgb(linear(P3))),
        "ProPhoto RGB": (profile(b"RGB ", SAMPLED, PROPHOTO), linear(PROPHOTO) ** (1 / 1.8)),
        "linear sRGB": (profile(b"RGB ", gamma(1), BT709), light()),
        "grey of gamma 1.8": (profile(b"GRAY", gamma(1.8)), grey ** (256 / round(1.8 * 256))),
    }
    for name, (icc, numbers) in profiles.items():
        if name != "linear sRGB":  # 8 bits are too few for its dark colours
            check(name, icc, numbers)
    golden = {
        "targets": TARGETS,
        "codes": {
            name: {"primaries": p, "transfer": t, "signals": np.round(s, 6).tolist()}
            for name, (p, t, s) in codes.items()
        },
        "chunks": {
            "gAMA 1/1.8": {"gamma": 55556, "signals": np.round(light() ** 0.55556, 6).tolist()},
            "gAMA and cHRM of Adobe RGB": {
                "gamma": 45455,
                "primaries": ADOBE,
                "signals": np.round(linear(ADOBE) ** 0.45455, 6).tolist(),
            },
        },
        "profiles": {
            name: {"icc": base64.b64encode(icc).decode(), "signals": np.round(s, 6).tolist()}
            for name, (icc, s) in profiles.items()
        },
    }
    path = Path(__file__).parent / "golden" / "colour_spaces.json"
    path.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
