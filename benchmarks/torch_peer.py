"""The same step and the same sampling as `fpdm bench step` and `fpdm bench sample`, in PyTorch.

    torch_peer.py step   --model DiT-S/2 [--fixed-point] --batch B --iterations N M --precision float32|bf16
    torch_peer.py sample --model DiT-S/2 [--fixed-point] --batch B --steps S --iterations I --precision ...

The network is Tests/reference/fpdm_torch.py. A step is forward, loss, backward, AdamW (fused) and the average of the
weights; bf16 is PyTorch's autocast. Prints JSON: seconds of each repetition, after warming up. `--compile` goes through
torch.compile; `--checkpointing` forms each block's activations again, as the published code does.
"""

import argparse
import json
import os
import resource
import sys
import time
from contextlib import nullcontext

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Tests", "reference"))

import torch

import fpdm_torch as reference


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["step", "sample"])
    parser.add_argument("--model", default="DiT-S/2")
    parser.add_argument("--fixed-point", action="store_true")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--microbatch", type=int, default=0)
    parser.add_argument("--iterations", type=int, nargs="+", default=[5, 6])
    parser.add_argument("--steps", type=int, default=20, help="of sampling")
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeat", type=int, default=3)
    return parser.parse_args()


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    configuration = reference.named_config(options.model, fixed_point=options.fixed_point)
    model = reference.DiffusionTransformer(configuration)
    autocast = torch.autocast("cpu", torch.bfloat16) if options.precision == "bf16" else nullcontext()
    if options.checkpointing:
        from torch.utils.checkpoint import checkpoint

        for module in model.modules():
            if isinstance(module, reference.Block):
                forward = module.forward
                module.forward = lambda *a, f=forward: checkpoint(f, *a, use_reentrant=False)
    network = torch.compile(model) if options.compile else model
    run = training(options, model, network, autocast) if options.what == "step" else \
        sampling(options, model, network, autocast)
    begin = time.perf_counter()
    run()
    run()
    warming = time.perf_counter() - begin
    seconds = []
    for _ in range(options.repeat):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    print(json.dumps({
        "seconds": seconds, "warmingSeconds": warming, "torch": torch.__version__,
        "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


def training(options, model, network, autocast):
    diffusion = reference.Diffusion()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0, fused=True)
    average = [p.detach().clone() for p in model.parameters()]
    batch = options.batch
    microbatch = options.microbatch or batch
    x0, noise = torch.randn(2, batch, 4, 32, 32)
    t = torch.randint(0, 1000, (batch,))
    y = torch.randint(0, 1000, (batch,))

    def step():
        for first in range(0, batch, microbatch):
            part = slice(first, first + microbatch)
            with autocast:
                output = network(diffusion.add_noise(x0[part], t[part], noise[part]), t[part], y[part],
                                 iterations=tuple(options.iterations))
            loss = diffusion.losses(output.float(), x0[part], t[part], noise[part])["loss"].sum() / batch
            loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        torch._foreach_lerp_(average, [p.detach() for p in model.parameters()], 1e-4)

    return step


def sampling(options, model, network, autocast):
    batch = options.batch
    start = torch.randn(batch, 4, 32, 32)
    y = torch.randint(0, 1000, (batch,))
    diffusion = reference.Diffusion(respacing=str(options.steps))
    null = torch.full_like(y, configuration_classes(model))

    @torch.no_grad()
    def run():
        x = start
        for index in reversed(range(options.steps)):
            t = torch.full((batch,), diffusion.map[index])
            with autocast:
                output = network(torch.cat([x, x]), torch.cat([t, t]), torch.cat([y, null]),
                                 iterations=(0, options.iterations[0]))
            conditional, unconditional = output.float().chunk(2)
            out = torch.cat([unconditional[:, :4] + options.guidance * (conditional[:, :4] - unconditional[:, :4]),
                             conditional[:, 4:]], 1)
            x = diffusion.ddim_like(x, index, out) if hasattr(diffusion, "ddim_like") else x - 0.01 * out[:, :4]
    return run


def configuration_classes(model):
    return model.cfg.num_classes


if __name__ == "__main__":
    main()
