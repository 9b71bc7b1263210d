"""The same step and the same sampling as `fpdm bench step` and `fpdm bench sample`, in PyTorch: see compare.sh.

    torch_peer.py step   [--model FPDM-S/2] [--batch B] [--iterations N M] [--precision float32|bf16] ...
    torch_peer.py sample [--model FPDM-S/2] [--batch B] [--steps S] [--iterations I] [--guidance G] ...

The network is Tests/reference/fpdm_torch.py. A step is forward, loss, backward, AdamW (fused) and the average of the
weights; sampling is DDIM with guidance. bf16 is PyTorch's autocast. `--compile` goes through torch.compile;
`--checkpointing` forms each block's activations again, as the published code does. `--memory` takes one step only, after
one of a single sample that makes the optimizer's moments: for peaks of steps that take long. Prints JSON: seconds of each
repetition, after warming up.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time
from contextlib import nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "Tests" / "reference"))

import torch  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

import fpdm_torch as reference  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["step", "sample"])
    parser.add_argument("--model", default="DiT-S/2", help="a published size, such as DiT-S/2 or FPDM-XL/2")
    parser.add_argument("--fixed-point", action="store_true", help="the FPDM of this size")
    parser.add_argument("--batch", type=int, help="samples of a step (16), or images (8)")
    parser.add_argument("--microbatch", type=int, help="samples in the network at once; all if not given")
    parser.add_argument("--iterations", type=int, nargs="+", help="of a step, without and with a gradient (5 6); "
                        "of each step of sampling (8)")
    parser.add_argument("--steps", type=int, default=20, help="of sampling")
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeat", type=int, help="steps measured (3), or runs of sampling (1)")
    options = parser.parse_args()
    for name, step, sample in [("batch", 16, 8), ("iterations", [5, 6], [8]), ("repeat", 3, 1)]:
        if getattr(options, name) is None:
            setattr(options, name, step if options.what == "step" else sample)
    if len(options.iterations) != (2 if options.what == "step" else 1):
        parser.error("--iterations: two numbers for a step, one for sampling")
    if options.memory:
        options.repeat = 1
    options.fixed_point |= options.model.startswith("FPDM-")
    return options


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    model = network(options)
    run, warm = (training if options.what == "step" else sampling)(options, model)
    begin = time.perf_counter()
    warm()
    warming = time.perf_counter() - begin
    seconds = [measured(run) for _ in range(options.repeat)]
    print(json.dumps({
        "secondsPerStep" if options.what == "step" else "secondsPerRun": statistics.median(seconds),
        "seconds": seconds, "warmingSeconds": warming, "torch": torch.__version__, "threads": torch.get_num_threads(),
        "precision": options.precision, "compiled": options.compile, "checkpointing": options.checkpointing,
        "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


def measured(run):
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def network(options):
    size = options.model.replace("FPDM-", "DiT-")
    model = reference.DiffusionTransformer(reference.named_config(size, fixed_point=options.fixed_point))
    # As in `fpdm bench`: behind gates of 0 nothing that a block does would count.
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    if options.checkpointing:
        for block in [m for m in model.modules() if isinstance(m, reference.Block)]:
            block.forward = lambda *inputs, forward=block.forward: checkpoint(forward, *inputs, use_reentrant=False)
    if options.compile:
        # In place, so that `guided`, a method of the model, calls what was compiled.
        model.compile()
    return model


def autocast(options):
    return torch.autocast("cpu", torch.bfloat16) if options.precision == "bf16" else nullcontext()


def training(options, model):
    diffusion = reference.Diffusion()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0, fused=True)
    average = [p.detach().clone() for p in model.parameters()]
    batch, c = options.batch, model.cfg
    microbatch = options.microbatch or batch
    images = torch.randn(batch, c.in_channels, c.input_size, c.input_size)
    y = torch.randint(0, c.num_classes, (batch,))

    def step(count=batch):
        for first in range(0, count, microbatch):
            x0, label = images[first:count][:microbatch], y[first:count][:microbatch]
            noise, t, drop = torch.randn_like(x0), torch.randint(0, 1000, label.shape), torch.rand(len(label)) < 0.1
            with autocast(options):
                output = model(diffusion.add_noise(x0, t, noise), t, label, drop, iterations=tuple(options.iterations))
            (diffusion.losses(output.float(), x0, t, noise)["loss"].sum() / batch).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        torch._foreach_lerp_(average, [p.detach() for p in model.parameters()], 1e-4)

    def warm():
        if options.memory:
            return step(1)
        # The second begins from moments, as all that follow do.
        step()
        step()

    return step, warm


def sampling(options, model):
    diffusion = reference.Diffusion(respacing=str(options.steps))
    batch, c = options.batch, model.cfg
    start = torch.randn(batch, c.in_channels, c.input_size, c.input_size)
    y = torch.randint(0, c.num_classes, (batch,))

    def guided(x, t):
        with autocast(options):
            return model.guided(x, t, y, options.guidance, guided_channels=c.in_channels,
                                iterations=(0, options.iterations[0])).float()

    @torch.no_grad()
    def run(steps=options.steps):
        x = start
        for index in reversed(range(options.steps - steps, options.steps)):
            x = diffusion.step(guided, x, index, 0.0, sampler="ddim")

    # One evaluation, and a second for what the first has compiled.
    return run, lambda: [run(1), run(1)]


if __name__ == "__main__":
    main()
