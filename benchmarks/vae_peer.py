"""The same encoding and decoding as `fpdm bench vae`, by diffusers on PyTorch: see vae.sh.

    vae_peer.py [--side 256] [--batch 1] [--repeat 3] [--precision float32|bf16] [--threads T]

The autoencoder of Stable Diffusion (sd-vae-ft-mse's size), with random weights. Prints JSON: median seconds of each half.
"""

import argparse
import json
import os
import resource
import statistics
import time

import torch
from diffusers import AutoencoderKL

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--side", type=int, default=256)
parser.add_argument("--batch", type=int, default=1)
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
parser.add_argument("--channels-last", action="store_true")
parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
options = parser.parse_args()
torch.set_num_threads(options.threads)
torch.manual_seed(1)
dtype = torch.float32 if options.precision == "float32" else torch.bfloat16
vae = AutoencoderKL(
    in_channels=3, out_channels=3, latent_channels=4, layers_per_block=2, block_out_channels=[128, 256, 512, 512],
    down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4).to(dtype).eval()
layout = torch.channels_last if options.channels_last else torch.contiguous_format
vae = vae.to(memory_format=layout)
image = torch.randn(options.batch, 3, options.side, options.side, dtype=dtype).contiguous(memory_format=layout)
latent = torch.randn(options.batch, 4, options.side // 8, options.side // 8, dtype=dtype).contiguous(memory_format=layout)


def median(run):
    def once():
        begin = time.perf_counter()
        run()
        return time.perf_counter() - begin
    once()
    return statistics.median(once() for _ in range(options.repeat))


with torch.inference_mode():
    encode = median(lambda: vae.encode(image).latent_dist.parameters)
    decode = median(lambda: vae.decode(latent).sample)
print(json.dumps({
    "encodeSeconds": encode, "decodeSeconds": decode, "torch": torch.__version__, "threads": torch.get_num_threads(),
    "precision": options.precision, "channelsLast": options.channels_last,
    "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
