"""Makes the cases of kind `vae`: autoencoders of diffusers with random weights, and what they give in float64.

    make_vae_cases.py OUT
    make_vae_cases.py OUT --real-size     the one case vae-512 instead: sd-vae-ft-mse's size, 512 x 512 pixels; large

Each is a folder with config.json, diffusion_pytorch_model.safetensors and case.h5. Needs torch, diffusers, safetensors and
h5py. `vae-tiny` was made by make_cases.py.
"""

import json
import sys
from pathlib import Path

import h5py
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file


def case(folder, size, count=1, seed=1, earlier_names=False, **settings):
    torch.manual_seed(seed)
    levels = len(settings["block_out_channels"])
    settings = {"norm_num_groups": 4, "latent_channels": 4, "layers_per_block": 1, **settings}
    vae = AutoencoderKL(
        in_channels=3, out_channels=3, down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels, **settings).eval()
    for parameter in vae.parameters():
        # Half precision is exact in the file, which keeps it small.
        parameter.data = (parameter.data + 0.05 * torch.randn_like(parameter)).half().float()
    folder.mkdir(parents=True, exist_ok=True)
    vae.save_pretrained(folder, safe_serialization=True)
    weights = folder / "diffusion_pytorch_model.safetensors"
    tensors = {name: value.half() for name, value in load_file(weights).items()}
    if earlier_names:
        tensors = {earlier(name): (value[:, :, None, None] if value.ndim == 2 else value) for name, value in tensors.items()}
    save_file({name: value.contiguous() for name, value in tensors.items()}, weights, metadata={"format": "pt"})
    vae.double()
    image = (torch.rand(count, 3, *size) * 2 - 1).float().double()
    with torch.no_grad():
        moments = vae.encode(image).latent_dist
        noise = torch.randn(moments.mean.shape).float().double()
        latent = moments.mean + moments.std * noise
        # The decoder is checked by itself, from what the file holds.
        decoded = vae.decode(latent.float().double()).sample
    with h5py.File(folder / "case.h5", "w") as f:
        f.attrs.update(kind="vae", scaling_factor=vae.config.scaling_factor)
        for group, values in [("inputs", {"image": image, "noise": noise}), ("outputs", {
                "mean": moments.mean, "log_variance": moments.logvar, "latent": latent, "decoded": decoded})]:
            for name, value in values.items():
                f.create_dataset(f"{group}/{name}", data=value.float().numpy(), compression="gzip")


def earlier(name):
    """The attention's names before diffusers 0.14, which files on the hub still have."""
    for now, before in [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")]:
        name = name.replace(f"attentions.0.{now}.", f"attentions.0.{before}.")
    return name


def main(out):
    # Odd sides, of which each halving drops a pixel; channels that are no multiple of a vector.
    case(out / "vae-odd", (37, 22), block_out_channels=[12, 20], count=2, seed=2)
    # Several blocks a level; no 1 x 1 convolutions around the latents; another scaling and a shift.
    case(out / "vae-blocks", (24, 32), block_out_channels=[8, 16], layers_per_block=3, latent_channels=6, seed=3,
         use_quant_conv=False, use_post_quant_conv=False, scaling_factor=0.3611, shift_factor=0.1159)
    # Names and shapes of the attention's layers as in the first files; more than one tile each way.
    case(out / "vae-earlier-names", (40, 72), block_out_channels=[8, 8, 16], seed=4, earlier_names=True)
    # No attention, one level.
    case(out / "vae-flat", (9, 33), block_out_channels=[16], seed=5, mid_block_add_attention=False)


def real_size(out):
    case(out / "vae-512", (512, 512), block_out_channels=[128, 256, 512, 512], layers_per_block=2, norm_num_groups=32, seed=6)


if __name__ == "__main__":
    (real_size if "--real-size" in sys.argv else main)(Path(sys.argv[1]))
