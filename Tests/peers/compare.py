"""Compares networks of this program with PyTorch's: see scripts/peers.

    python compare.py FPDM WORK_FOLDER          needs: torch numpy h5py safetensors

The reference computes in float64. A difference is the largest one of all outputs over the largest output.
"""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent.parent / "reference"))
import fpdm_torch  # noqa: E402

# Rounding in float32 leaves some 5e-7 here.
TOLERANCE = 2e-6
# A little off: about a random weight's standard deviation, in one value.
OFF = 0.1
ITERATIONS = 12
# Keys of a job's model section, by their names there.
NAMES = dict(imageSize="input_size", patchSize="patch_size", channels="in_channels", width="hidden_size", depth="depth",
             heads="num_heads", mlpRatio="mlp_ratio", classes="num_classes", learnSigma="learn_sigma",
             fixedPoint="fixed_point", preDepth="pre_depth", postDepth="post_depth",
             prePostTimestepConditioning="pre_post_timestep_conditioning")
SMALL = dict(width=48, heads=3, learnSigma="true")
FPDM = dict(fixedPoint="true", preDepth=1, postDepth=1)
DIT = dict(fixedPoint="false", depth=3)

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
program, work = sys.argv[1], Path(sys.argv[2])


def fpdm(*arguments):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"fpdm {' '.join(map(str, arguments))}\nended with {done.returncode}: {done.stderr}")


def sets(model):
    """A model section as --set options."""
    return [word for key, value in model.items() for word in ("--set", f"model.{key}={value}")]


def config(job):
    """The network that a job's YAML describes, which prints a key a line."""
    section, values = None, {}
    for line in job.splitlines():
        if not line.startswith(" "):
            section = line.rstrip(":")
        elif section == "model":
            key, value = line.strip().split(": ", 1)
            if key == "conditioning":
                values["continuous_labels"] = value == "continuous"
            elif key in NAMES:
                values[NAMES[key]] = value == "true" if value in ("true", "false") else float(value)
    fields = fpdm_torch.ModelConfig.__dataclass_fields__
    return fpdm_torch.ModelConfig(**{k: int(v) if fields[k].type == "int" else v for k, v in values.items()})


def write_inputs(cfg, path, count=24):
    x = torch.randn(count, cfg.in_channels, cfg.input_size, cfg.input_size).float().double()
    t = torch.randint(0, 1000, (count,))
    t[0], t[1] = 0, 999
    if cfg.continuous_labels:
        y = torch.randn(count, cfg.num_classes).float().double()
    else:
        y = torch.arange(count) % (cfg.num_classes + 1)
    with h5py.File(path, "w") as f:
        f["x"], f["t"] = x.numpy().astype("f4"), t.numpy()
        f["y"] = y.numpy().astype("f4" if cfg.continuous_labels else "i8")
    return x, t, y


def reference(model, inputs):
    with torch.no_grad():
        return model(*inputs, iterations=(ITERATIONS, 0)).numpy()


def applied(source, inputs, output, cfg, *options):
    iterations = ["--iterations", ITERATIONS] if cfg.fixed_point else []
    fpdm("apply", source, inputs, "--output", output, *iterations, *options)
    with h5py.File(output) as f:
        return f["output"][...].astype("f8")


def difference(found, wanted):
    return float(np.abs(found - wanted).max() / np.abs(wanted).max()) if found.shape == wanted.shape else float("inf")


failures = []


def judge(name, value, passes, note):
    print(f"{'pass' if passes else 'FAIL'}  {name:44}  {value:8.2e}  {note}", flush=True)
    if not passes:
        failures.append(name)


def trained(name, model):
    """Weights of this program in PyTorch, the average and those that are trained: by the names and the job in the file."""
    run = work / name
    fpdm("train", "jobs/digits.yaml", "--set", f"run.directory={run}", "--set", "training.steps=20", "--set",
         "training.globalBatch=16", "--set", "optimizer.warmupSteps=0", "--set", "checkpoint.every=0", *sets(model))
    for weights in ("ema", "model"):
        stem = work / f"{name}-{weights}"
        fpdm("checkpoint", "export", run, "--weights", weights, "--output", f"{stem}.safetensors")
        with safe_open(f"{stem}.safetensors", "pt") as f:
            cfg = config(f.metadata()["job"])
        net = fpdm_torch.DiffusionTransformer(cfg)
        tensors = load_file(f"{stem}.safetensors")
        net.load_state_dict({k: v.double() for k, v in tensors.items()}, strict=True)
        inputs = write_inputs(cfg, f"{stem}-in.h5")
        found = applied(run, f"{stem}-in.h5", f"{stem}-out.h5", cfg, "--weights", weights)
        value = difference(found, reference(net, inputs))
        judge(f"{name}, {weights}, export to PyTorch", value, value <= TOLERANCE, f"{len(tensors)} tensors")


def random_weights(name, model, perturb=False):
    """Weights of PyTorch in this program, all of them random, so that each of them matters."""
    overrides = sets(model)
    text = subprocess.run([program, "train", "jobs/digits.yaml", "--dry-run", *overrides], capture_output=True, text=True)
    cfg = config(text.stdout)
    net = fpdm_torch.DiffusionTransformer(cfg)
    for p in net.parameters():
        p.data = p.data.normal_(0, OFF).float().double()
    weights = {k: v.float().contiguous() for k, v in net.state_dict().items()}
    file = work / f"{name}.safetensors"
    save_file(weights, file)
    fpdm("checkpoint", "import", file, "--job", "jobs/digits.yaml", *overrides, "--output", work / name)
    inputs = write_inputs(cfg, work / f"{name}-in.h5")
    found = applied(work / name, work / f"{name}-in.h5", work / f"{name}-out.h5", cfg)
    value = difference(found, reference(net, inputs))
    judge(f"{name}, import from PyTorch", value, value <= TOLERANCE, f"{len(weights)} tensors")
    if not perturb:
        return
    # The comparison fails for a value of any tensor that is a little off, here ...
    least, where = float("inf"), ""
    for key, p in net.named_parameters():
        flat = p.data.view(-1)
        flat[0] += OFF
        value = difference(found, reference(net, inputs))
        flat[0] -= OFF
        if value < least:
            least, where = value, key
    judge(f"{name}, any tensor a little off", least, least > TOLERANCE, f"found, least in {where}")
    # ... and there.
    wanted = reference(net, inputs)
    weights["final_layer.linear.weight"][0, 0] += OFF
    save_file(weights, work / f"{name}-off.safetensors")
    fpdm("checkpoint", "import", work / f"{name}-off.safetensors", "--job", "jobs/digits.yaml", *overrides, "--output",
         work / f"{name}-off")
    found = applied(work / f"{name}-off", work / f"{name}-in.h5", work / f"{name}-off-out.h5", cfg)
    value = difference(found, wanted)
    judge(f"{name}, a file with a value a little off", value, value > TOLERANCE, "found")


print(f"PyTorch {torch.__version__} in float64 against {program}; allowed {TOLERANCE:.0e}")
trained("FPDM", SMALL | FPDM)
trained("DiT", SMALL | DIT)
random_weights("FPDM-classes", SMALL | FPDM | dict(preDepth=2, postDepth=0), perturb=True)
random_weights("FPDM-conditioned", SMALL | FPDM | dict(prePostTimestepConditioning="true", learnSigma="false"))
random_weights("FPDM-label-vectors", SMALL | FPDM | dict(conditioning="continuous", channels=2))
random_weights("DiT-classes", SMALL | DIT | dict(mlpRatio=3), perturb=True)
random_weights("DiT-label-vectors", SMALL | DIT | dict(conditioning="continuous", imageSize=12, patchSize=4))
print("all agree" if not failures else f"{len(failures)} FAILED")
sys.exit(1 if failures else 0)
