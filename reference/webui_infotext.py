"""The `parameters` text of pictures, as AUTOMATIC1111's WebUI 1.10.1 writes and parses it, by its own code.

    python reference/webui_infotext.py WEBUI         writes reference/golden/webui_infotext.json

WEBUI is a checkout of stable-diffusion-webui at v1.10.1 (82a973c0). infotext_utils, infotext_versions and prompt_parser run as
they are on stand-ins for what they import; of processing and images only the functions that are needed are taken. Pictures of
4 x 4 pixels are written by Pillow and piexif as images.save_image_with_geninfo does it.
"""

import ast
import base64
import importlib
import io
import json
import math
import os
import sys
import types

import piexif
import piexif.helper
from PIL import Image, PngImagePlugin

from stable_diffusion import GOLDEN


def stand_in(name, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module
    return module


def function_of(path, name, scope):
    """One function of a file, in a scope of our own."""
    tree = ast.parse(open(path, encoding="utf-8").read())
    [node] = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == name]
    exec(compile(ast.Module([node], []), path, "exec"), scope)
    return scope[name]


def load_webui(root):
    opts = types.SimpleNamespace(
        infotext_skip_pasting=[], infotext_styles="Ignore", use_old_hires_fix_width_height=False, auto_backcompat=True,
        CLIP_stop_at_last_layers=1, eta_noise_seed_delta=0, face_restoration_model=None, add_model_hash_to_info=True,
        add_model_name_to_info=True, fp8_storage="Disable", cache_fp16_weight=False, add_vae_hash_to_info=True,
        add_vae_name_to_info=True, inpainting_mask_weight=1.0, randn_source="NV", add_version_to_infotext=True,
        add_user_name_to_info=False,
    )
    stand_in("gradio", update=lambda: None)
    package = stand_in("modules")
    package.__path__ = [os.path.join(root, "modules")]
    stand_in("modules.paths", data_path="")
    for name in ("ui_components", "ui_tempdir", "script_callbacks", "images", "errors"):
        setattr(package, name, stand_in(f"modules.{name}"))
    package.shared = stand_in("modules.shared", opts=opts)
    scope = {"math": math}
    dimensions = function_of(os.path.join(root, "modules/processing.py"), "old_hires_fix_first_pass_dimensions", scope)
    package.processing = stand_in("modules.processing", old_hires_fix_first_pass_dimensions=dimensions)
    infotext = importlib.import_module("modules.infotext_utils")
    scope = {
        "opts": opts, "infotext_utils": infotext, "shared": package.shared, "program_version": lambda: "v1.10.1",
        "devices": types.SimpleNamespace(fp8=False),
        "sd_samplers_common": types.SimpleNamespace(is_sampler_using_eta_noise_seed_delta=lambda p: True),
    }
    create = function_of(os.path.join(root, "modules/processing.py"), "create_infotext", scope)
    return types.SimpleNamespace(opts=opts, infotext=infotext, create=create)


SETTINGS = [
    dict(prompt="a cat"),
    dict(prompt="a cat, (red:1.2)", negative="blurry", clip_skip=2, ensd=31337),
    dict(prompt="a\nb", negative="c\nd", extra={"Lora hashes": "brand: 0123456789ab, ink: ba9876543210", "Denoising strength": 0.7, "Hires upscale": 2.0,
                                               "Hires steps": 10, "Hires upscaler": "Latent"}),
    dict(prompt="赛博朋克, <lora:brand:0.8>", negative="", extra={"Hires prompt": 'a "quoted", prompt: b\\c\nd', "Eta": 0.5}, rng="CPU"),
    dict(prompt="", negative="only negative", width=768, height=512, cfg=7.5, seed=4294967295, rng="GPU"),
    dict(prompt="a [cat:dog:0.5] BREAK b AND c:0.5", sampler="DPM++ 2M SDE", scheduler="Karras", model="v1-5-pruned, \"emaonly\": x", extra={"Emphasis": "No norm"}),
]

LINE = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 965400086, Size: 512x512, Model hash: 45dee52b"
TEXTS = [
    f"a cat\nNegative prompt: blurry\n{LINE}",
    f"a cat\n{LINE}", LINE, f"Negative prompt: x\n{LINE}", "a cat", "", "\n\n", "a cat\nNegative prompt: blurry", "Steps: 20, Sampler: Euler a",
    "Steps: 20, Sampler: Euler a, CFG scale: 7", "a cat, Steps: 3, Seed: 4, Size: 5x5", f"Steps: 5, Seed: 6, Size: 8x8\n{LINE}",
    f"  a cat  \n  b  \nNegative prompt:  c  \n  d  \n  {LINE}  ", f"a\nNegative prompt: b\nNegative prompt: c\n{LINE}", f"a Negative prompt: b\n{LINE}", f"a\r\nNegative prompt: b\r\n{LINE}",
    f'a\n{LINE}, Hires prompt: "x, y: z\\n\\"q\\"", Hires upscale: 2, Hires steps: 5, Hires upscaler: Latent, Denoising strength: 0.5',
    f'a\n{LINE}, Lora hashes: "brand: 0123456789ab, ink: ba9876543210", TI hashes: "EasyNegative: c74b4e810b03"',
    f"a\n{LINE}, Clip skip: 2, ENSD: 31337, RNG: NV, Schedule type: Karras, Version: v1.10.1", f"a [b:c:0.5]\n{LINE}, Version: v1.5.2", f"a\n{LINE}, Version: v1.5.2-RC-5-gabcdef",
    f"a\n{LINE}, Version: f2.0.1v1.10.1-previous-659-gc055f2d4", f"(a:1.2)\n{LINE}", f"(a BREAK b)\n{LINE}", f"a\nNegative prompt: [b]\n{LINE}", f"a BREAK b\n{LINE}",
    f"a\n{LINE}, First pass size: 512x768", f"a\nSteps: 20, Sampler: DDIM, CFG scale: 7, Seed: 1, Size: 1024x1536, First pass size: 0x0, Version: 1.4.0",
    f"a\n{LINE}, Hires resize: 1024x1024, Hires checkpoint: x, Hires sampler: Euler", f"a\n{LINE}, Hypernet: h, Hypernet strength: 0.5", f"a\n{LINE}, Mask blur: 4, Inpaint area: Only masked, Masked area padding: 16",
    f"a\n{LINE}, Model: a:b, VAE: , User: x", f'a\n{LINE}, Model: "unclosed, User: x', f'a\n{LINE}, Model: "", User: """', f'a\n{LINE}, Model: "bad \\q escape", X: y', f"a\n{LINE}, Refiner: r [abc], Refiner switch at: 0.8, Version: v1.7.0",
    f"a\n{LINE}, 模型: 中文, Größe: 3, -x: 1, _y: 2, a/b c-d: 3, e: 4, Size2: 12x34x56", f"a\n{LINE}, Tiling: True, Face restoration: CodeFormer, Variation seed: 3, Variation seed strength: 0.1, Seed resize from: 256x256",
    f'a\n{LINE}, ControlNet 0: "preprocessor: canny, model: c [d], weight: 1", ADetailer model: face_yolov8n.pt, ADetailer version: 23.11.0', f"a\n{LINE}\n\nTemplate: b\nNegative Template: c",
    'girl\nSteps: 30, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1, Size: 512x768, Civitai resources: [{"type":"checkpoint","modelVersionId":290640,"modelName":"x"},{"type":"lora","weight":0.8,"modelVersionId":1}], Civitai metadata: {}',
    f"a\n{LINE}, Steps: 30", f"a\nSteps:20,Sampler:Euler,Seed:1,Size:64x64", f"a\nSteps: 20\nSampler: Euler\nSeed: 1\nSize: 64x64", f"a\n{LINE},", f"a\n{LINE}, FP8 weight: Enable", f"a\n{LINE}, Emphasis: None", f"\ufeffa\u3000\n{LINE}\u3000",
    f"a, Size: 1x1, Seed: 2, Steps: 3\nNegative prompt: Steps: 1, Seed: 2, Size: 3x3\n{LINE}", f"<lora:brand:0.8>, neon\nNegative prompt: (low:1.4)\n{LINE}, Lora hashes: \"brand: 0123456789ab\"",
]


def created(webui, prompt, negative="", clip_skip=1, ensd=0, rng="NV", extra=None, width=512, height=512, cfg=7, seed=1, sampler="Euler a", scheduler="Automatic", model="v1-5-pruned"):
    webui.opts.eta_noise_seed_delta, webui.opts.randn_source = ensd, rng
    p = types.SimpleNamespace(
        steps=20, sampler_name=sampler, scheduler=scheduler, cfg_scale=cfg, width=width, height=height, sd_model_hash="6ce0161689", sd_model_name=model,
        sd_vae_hash=None, sd_vae_name=None, subseed_strength=0, seed_resize_from_w=0, seed_resize_from_h=0, restore_faces=False, tiling=False, batch_size=1,
        is_using_inpainting_conditioning=False, extra_generation_params=extra or {}, clip_skip=clip_skip, all_negative_prompts=[negative],
        get_token_merging_ratio=lambda for_hr=False: 0, user=None,
    )
    return webui.create(p, [prompt], [seed], [seed])


def encoded(save):
    out = io.BytesIO()
    save(Image.new("RGB", (4, 4), (200, 30, 60)), out)
    return base64.b64encode(out.getvalue()).decode()


def with_png(text, **more):
    info = PngImagePlugin.PngInfo()
    for key, value in {"parameters": text, **more}.items():
        info.add_text(key, value)
    return encoded(lambda image, out: image.save(out, format="PNG", pnginfo=info))


def with_exif(text, kind):
    exif = piexif.dump({"Exif": {piexif.ExifIFD.UserComment: piexif.helper.UserComment.dump(text, encoding="unicode")}})
    return encoded(lambda image, out: image.save(out, format=kind, exif=exif, quality=80))


def compressed_png(text):
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", text, zip=True)
    info.add_itxt("comment", "中文", zip=True)
    return encoded(lambda image, out: image.save(out, format="PNG", pnginfo=info))


def main():
    webui = load_webui(sys.argv[1])
    texts = [[settings, created(webui, **settings)] for settings in SETTINGS]
    every = TEXTS + [text for _, text in texts]
    pictures = []
    for text in (f"a cat\nNegative prompt: café\n{LINE}", f"赛博朋克 \U0001f600\n{LINE}"):
        pictures += [["png", text, with_png(text)], ["png", text, compressed_png(text)]]
        pictures += [[kind, text, with_exif(text, kind)] for kind in ("jpeg", "webp")]
    golden = {
        "created": texts,
        "parsed": [[text, webui.infotext.parse_generation_parameters(text)] for text in every],
        "pictures": pictures,
    }
    with open(os.path.join(GOLDEN, "webui_infotext.json"), "w", encoding="utf-8") as file:
        json.dump(golden, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
