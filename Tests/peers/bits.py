"""Bits a dimension of a data set in float64, from a network's outputs: beside which `fpdm evaluate --bpd` is tested.

    python bits.py inputs RUN INPUTS.h5                 noised images for `fpdm apply`
    python bits.py compare RUN OUTPUTS.h5 RESULT.json   the bound of its outputs, against the program's

For the first 20 images of the run's data, seed 5, and 6 noise levels; of moments, latents are drawn of them once (Kingma &
Welling, 1312.6114), the same at all levels. The noise is Philox4x32-10 (Salmon et al., SC 2011) at (index,
image, training step), turned normal by Box and Muller; the bound is that of Ho et al. (2006.11239, eq. 5 to 8 and 13) and
Nichol & Dhariwal (2102.09672, eq. 15).
"""

import glob
import json
import math
import sys

import h5py
import numpy as np

COUNT, LEVELS, SEED = 20, 6, 5
NOISE, LATENT = 130, 131
STEPS = [round(i * 999 / (LEVELS - 1)) for i in range(LEVELS)]


def philox(counter, key):
    c, k, low = list(counter), list(key), 0xFFFFFFFF
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(q >> 32) ^ c[1] ^ k[0], q & low, (p >> 32) ^ c[3] ^ k[1], p & low]
        k = [(k[0] + 0x9E3779B9) & low, (k[1] + 0xBB67AE85) & low]
    return c


def normals(sample, step, count, purpose=NOISE):
    values = []
    for index in range((count + 3) // 4):
        words = philox((index, sample, step, purpose << 24), (SEED, 0))
        for u, v in (words[:2], words[2:]):
            radius, angle = math.sqrt(-2 * math.log((u + 1) / 2**32)), v * 2 * math.pi / 2**32
            values += [radius * math.cos(angle), radius * math.sin(angle)]
    return np.array(values[:count], dtype=np.float32)


def job(run):
    """Keys of the recorded job, whose names are told apart by themselves."""
    keys = {}
    for line in open(f"{run}/job.yaml"):
        if line.startswith("  "):
            key, _, value = line.strip().partition(": ")
            keys.setdefault(key, value)
    return keys


def images(run):
    found, labels = [], []
    for path in sorted(glob.glob(f"{job(run)['path']}-*-of-*.h5")):
        with h5py.File(path) as f:
            found.append(f["images"][:COUNT] * f.attrs["scale"] + f.attrs["shift"])
            labels.append(f["labels"][:COUNT])
            facts = dict(f.attrs)
    found, labels = np.concatenate(found)[:COUNT], np.concatenate(labels)[:COUNT]
    if facts["content"] == b"moments":
        mean, logarithm = np.split(found, 2, axis=1)
        drawn = np.array([normals(i, 0, m.size, LATENT).reshape(m.shape) for i, m in enumerate(mean)])
        found = (mean + np.exp(0.5 * logarithm) * drawn - facts["latentShift"]) * facts["latentScale"]
    return found.astype(np.float32), labels


def levels(keys):
    """alphas_cumprod at the visited steps, and at those before them."""
    if keys["schedule"] == "linear":
        betas = np.linspace(1e-4, 0.02, 1000)
    else:
        level = np.cos((np.arange(1001) / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2
        betas = np.minimum(1 - level[1:] / level[:-1], 0.999)
    ac = np.cumprod(1 - betas)[STEPS]
    return ac, np.concatenate([[1.0], ac[:-1]])


def noise(x):
    return np.array([[normals(i, t, x[0].size).reshape(x[0].shape) for i in range(COUNT)] for t in STEPS])


def noised(x, e, ac):
    wide = np.sqrt(ac)[:, None, None, None, None] * x.astype(float) + np.sqrt(1 - ac)[:, None, None, None, None] * e
    return wide.astype(np.float32)


def inputs(run, path):
    x, labels = images(run)
    ac, _ = levels(job(run))
    with h5py.File(path, "w") as f:
        f["x"] = noised(x, noise(x), ac).reshape(-1, *x.shape[1:])
        f["t"] = np.repeat(STEPS, COUNT)
        f["y"] = np.tile(labels, LEVELS).astype(np.int64)


def compare(run, outputs, result):
    keys = job(run)
    x, _ = images(run)
    ac, previous = levels(keys)
    e = noise(x)
    with h5py.File(outputs) as f:
        out = f["output"][...].astype(float).reshape(LEVELS, COUNT, -1, *x.shape[2:])
    theirs = json.load(open(result))
    assert theirs["samples"] == COUNT and [t["timestep"] for t in theirs["terms"]] == STEPS
    learned, clip, x = keys["learnSigma"] == "true", keys["target"] == "eps", x.astype(float)
    total = 0.0
    for i, term in enumerate(theirs["terms"]):
        a, b = ac[i], previous[i]
        beta, small = 1 - a / b, lambda j: (1 - ac[j] / previous[j]) * (1 - previous[j]) / (1 - ac[j])
        truth = small(max(i, 1))
        xt = math.sqrt(a) * x + math.sqrt(1 - a) * e[i]
        mean = out[i][:, :x.shape[1]]
        predicted = (xt - math.sqrt(1 - a) * mean) / math.sqrt(a) if clip else math.sqrt(a) * xt - math.sqrt(1 - a) * mean
        if clip:
            predicted = predicted.clip(-1, 1)
        variance = truth if not learned else np.exp(
            (out[i][:, x.shape[1]:] + 1) / 2 * (math.log(beta) - math.log(truth)) + math.log(truth))
        posterior = lambda y: (math.sqrt(b) * beta * y + math.sqrt(1 - beta) * (1 - b) * xt) / (1 - a)
        if i == 0:
            cdf = lambda y: 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y**3)))
            scaled = lambda shift: cdf((x + shift - posterior(predicted)) / np.sqrt(variance))
            p = np.where(x > 0.999, 1, scaled(1 / 255)) - np.where(x < -0.999, 0, scaled(-1 / 255))
            nats = -np.log(p.clip(min=1e-12))
        else:
            nats = 0.5 * (np.log(variance / truth) - 1 + truth / variance
                          + (posterior(x) - posterior(predicted)) ** 2 / variance)
        bits = nats.mean() / math.log(2)
        total += bits
        for name, ours, own in (("bits", bits, term["bits"]),
                                ("x0", ((predicted - x) ** 2).mean(), term["squaredErrorOfX0"])):
            assert abs(ours - own) < 2e-5 * abs(ours), (name, i, ours, own)
    last = ac[-1]
    prior = (0.5 * (-1 - math.log(1 - last) + (1 - last) + last * x**2)).mean() / math.log(2)
    assert abs(prior - theirs["prior"]) < 1e-9, (prior, theirs["prior"])
    assert abs(total + prior - theirs["bitsPerDimension"]) < 2e-5 * total, (total, theirs["bitsPerDimension"])


if __name__ == "__main__":
    {"inputs": inputs, "compare": compare}[sys.argv[1]](*sys.argv[2:])
