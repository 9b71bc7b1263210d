"""Writes golden.json: expected values for the Diffusion tests, in float64.

A port to numpy of the diffusion part of the project's PyTorch reference (a Diffusion class equal to the published
FPDM code), written for reading beside it; it shares no formula with the Swift module where the two could err alike:
v errors are weighted errors of x0, epsilon in DDIM is derived from 1 / alphas_cumprod.

    python make_golden.py > golden.json        needs numpy
    python make_golden.py CASES_DIR            instead compares the port with reference cases; needs h5py too
"""

import json
import math
import sys

import numpy as np


def linear_betas(steps=1000):
    scale = 1000 / steps
    return np.linspace(scale * 1e-4, scale * 0.02, steps)


def cosine_betas(steps=1000):
    f = lambda u: math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2
    return np.array([min(1 - f((i + 1) / steps) / f(i / steps), 0.999) for i in range(steps)])


def zero_terminal_snr(betas):
    s = np.sqrt(np.cumprod(1 - betas))
    s = (s - s[-1]) * s[0] / (s[0] - s[-1])
    ac = s**2
    return 1 - np.concatenate([ac[:1], ac[1:] / ac[:-1]])


def spaced_steps(total, counts):
    if counts.startswith("ddim"):
        n = int(counts[4:])
        return next(list(range(0, total, s)) for s in range(1, total) if len(range(0, total, s)) == n)
    sections = [int(c) for c in counts.split(",")]
    steps, start = [], 0
    for i, n in enumerate(sections):
        size = total // len(sections) + (1 if i < total % len(sections) else 0)
        stride = 1 if n <= 1 else (size - 1) / (n - 1)
        position = 0.0
        for _ in range(n):
            steps.append(start + round(position))
            position += stride
        start += size
    return sorted(set(steps))


class Diffusion:
    def __init__(self, schedule="linear", zero=False, respacing="", target="eps", learn_sigma=True, weighting="p2",
                 total=1000):
        betas = linear_betas(total) if schedule == "linear" else cosine_betas(total)
        betas = zero_terminal_snr(betas) if zero else betas
        self.map = list(range(total)) if not respacing else spaced_steps(total, respacing)
        ac = np.cumprod(1 - betas)[self.map]
        prev = np.concatenate([[1.0], ac[:-1]])
        self.betas, self.ac, self.prev = 1 - ac / prev, ac, prev
        self.posterior_variance = var = self.betas * (1 - prev) / (1 - ac)
        self.posterior_log_variance = np.log(np.concatenate([var[1:2], var[1:]]))
        self.posterior_x0 = self.betas * np.sqrt(prev) / (1 - ac)
        self.posterior_xt = (1 - prev) * np.sqrt(1 - self.betas) / (1 - ac)
        self.large_log_variance = np.log(np.concatenate([var[1:2], self.betas[1:]]))
        snr = ac / (1 - ac)
        self.weights = {"p2": snr * np.sqrt(1 - ac), "snr+1": snr + 1, "snr": snr, "sqrt_snr": np.sqrt(snr),
                        "truncated_snr": snr.clip(min=1), "min_snr_5": snr.clip(max=5)}[weighting]
        self.target, self.learn_sigma, self.steps = target, learn_sigma and target != "flow", len(self.map)

    def add_noise(self, x0, t, noise):
        if self.target == "flow":
            return (1 - t / self.steps) * x0 + t / self.steps * noise
        return math.sqrt(self.ac[t]) * x0 + math.sqrt(1 - self.ac[t]) * noise

    def predict_x0(self, xt, t, out):
        if self.target == "x0":
            return out
        if self.target == "v":
            return math.sqrt(self.ac[t]) * xt - math.sqrt(1 - self.ac[t]) * out
        return math.sqrt(1 / self.ac[t]) * xt - math.sqrt(1 / self.ac[t] - 1) * out

    def log_variance(self, t, values):
        f = (values + 1) / 2
        return f * math.log(self.betas[t]) + (1 - f) * self.posterior_log_variance[t]

    def losses(self, out, x0, t, noise):
        """One sample: [C, P] arrays."""
        xt = self.add_noise(x0, t, noise)
        if self.target == "flow":
            mse = ((out - (x0 - noise)) ** 2).mean()
            return mse, mse, 0.0
        values = None
        if self.learn_sigma:
            out, values = np.split(out, 2)
        if self.target == "v":
            mse = (self.weights[t] * (x0 - self.predict_x0(xt, t, out)) ** 2).mean()
        else:
            mse = ((out - (noise if self.target == "eps" else x0)) ** 2).mean()
        vb = 0.0 if values is None else self.variational_bound(out, values, x0, xt, t)
        return mse + vb, mse, vb

    def variational_bound(self, out, values, x0, xt, t):
        true_mean = self.posterior_x0[t] * x0 + self.posterior_xt[t] * xt
        true_lv = self.posterior_log_variance[t]
        mean = self.posterior_x0[t] * self.predict_x0(xt, t, out) + self.posterior_xt[t] * xt
        lv = self.log_variance(t, values)
        kl = 0.5 * (-1 + lv - true_lv + np.exp(true_lv - lv) + (true_mean - mean) ** 2 * np.exp(-lv))
        cdf = lambda z: 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))
        inv, d = np.exp(-0.5 * lv), x0 - mean
        plus, minus = cdf(inv * (d + 1 / 255)), cdf(inv * (d - 1 / 255))
        tiny = lambda p: np.log(p.clip(min=1e-12))
        nll = -np.where(x0 < -0.999, tiny(plus), np.where(x0 > 0.999, tiny(1 - minus), tiny(plus - minus)))
        return (nll if t == 0 else kl).mean() / math.log(2)

    def step(self, out, x, i, noise, sampler, eta, clip):
        if self.target == "flow":
            return x + out / self.steps
        values = None
        if self.learn_sigma:
            out, values = np.split(out, 2)
        x0 = self.predict_x0(x, i, out)
        if clip:
            x0 = x0.clip(-1, 1)
        ab, pb = self.ac[i], self.prev[i]
        if sampler == "ddim":
            if self.target == "v" and ab == 0:
                eps = math.sqrt(ab) * out + math.sqrt(1 - ab) * x
            else:
                eps = (math.sqrt(1 / ab) * x - x0) / math.sqrt(1 / ab - 1)
            sigma = eta * math.sqrt((1 - pb) / (1 - ab)) * math.sqrt(1 - ab / pb)
            return x0 * math.sqrt(pb) + math.sqrt(1 - pb - sigma**2) * eps + (sigma * noise if i else 0)
        lv = self.log_variance(i, values) if values is not None else self.large_log_variance[i]
        return self.posterior_x0[i] * x0 + self.posterior_xt[i] * x + (np.exp(0.5 * lv) * noise if i else 0)


TABLES = ["betas", "ac", "prev", "posterior_variance", "posterior_log_variance", "posterior_x0", "posterior_xt",
          "large_log_variance"]
NAMES = {"ac": "alphasCumprod", "prev": "alphasCumprodPrevious", "posterior_variance": "posteriorVariance",
         "posterior_log_variance": "posteriorLogVariance", "posterior_x0": "posteriorX0",
         "posterior_xt": "posteriorXt", "large_log_variance": "fixedLargeLogVariance"}
WEIGHTINGS = ["p2", "snr+1", "snr", "sqrt_snr", "truncated_snr", "min_snr_5"]


def schedules():
    for schedule in ("linear", "cosine"):
        for zero in (False, True):
            for total, respacings in ((1000, ("", "20", "10,15,20", "ddim50", "7,1")), (37, ("", "6"))):
                for respacing in respacings:
                    d = Diffusion(schedule, zero, respacing, total=total)
                    n = d.steps
                    at = sorted({0, 1, 2, n // 3, n // 2, n - 2, n - 1})
                    yield {"schedule": schedule, "zeroTerminalSNR": zero, "steps": total, "respacing": respacing,
                           "timesteps": d.map if n < 100 else [], "at": at,
                           "values": {NAMES.get(k, k): getattr(d, k)[at].tolist() for k in TABLES},
                           "sums": {NAMES.get(k, k): math.fsum(getattr(d, k)) for k in TABLES}}


def sample(rng, *shape):
    """Values that float32 holds exactly, in few digits."""
    return np.round(rng.standard_normal(shape) * 256) / 256


def losses():
    rng = np.random.default_rng(5)
    channels, pixels = 2, 5
    for target in ("eps", "x0", "flow", "v"):
        for weighting in WEIGHTINGS if target == "v" else ["snr+1"]:
            for zero in (False, True):
                for learn in (False, True):
                    if (zero and target in ("eps", "flow")) or (learn and target == "flow"):
                        continue
                    schedule = "cosine" if weighting in ("snr", "p2") else "linear"
                    d = Diffusion(schedule, zero, "", target, learn, weighting)
                    for t in (0, 1, 417, 999):
                        x0, noise = sample(rng, channels, pixels), sample(rng, channels, pixels)
                        x0[0, :2], x0[1, 0] = (-1, 1), 0.25
                        out = sample(rng, channels * (2 if learn else 1), pixels)
                        if t == 0:  # a decent prediction: else every likelihood lies at its floor
                            a = d.ac[0]
                            wanted = {"eps": noise, "x0": x0, "flow": x0 - noise,
                                      "v": math.sqrt(a) * noise - math.sqrt(1 - a) * x0}[target]
                            step = {"eps": 0.5, "x0": 0.005, "flow": 1, "v": 0.5}[target]
                            out[:channels] = np.round((wanted + step * out[:channels]) * 4096) / 4096
                        with np.errstate(all="ignore"):
                            loss, mse, vb = d.losses(out, x0, t, noise)
                        if not np.isfinite(loss):  # 0 * inf in this form
                            continue
                        yield {"target": target, "weighting": weighting, "schedule": schedule,
                               "zeroTerminalSNR": zero, "learnSigma": learn, "t": t, "channels": channels,
                               "pixels": pixels, "x0": x0.ravel().tolist(), "noise": noise.ravel().tolist(),
                               "output": out.ravel().tolist(), "xt": d.add_noise(x0, t, noise).ravel().tolist(),
                               "loss": loss, "mse": mse, "vb": vb}


def steps():
    rng = np.random.default_rng(6)
    channels, pixels = 2, 3
    for target in ("eps", "x0", "v", "flow"):
        for sampler in ("flow",) if target == "flow" else ("ddpm", "ddim"):
            for zero in (False, True) if target == "v" else (False,):
                for learn in (False,) if target == "flow" else (False, True):
                    for eta in (0.0, 0.6) if sampler == "ddim" else (0.0,):
                        for clip in (False,) if target == "flow" else (False, True):
                            d = Diffusion("linear", zero, "8", target, learn)
                            for i in (0, 1, 5, 7):
                                x, noise = sample(rng, channels, pixels), sample(rng, channels, pixels)
                                out = sample(rng, channels * (2 if learn else 1), pixels)
                                yield {"target": target, "sampler": sampler, "zeroTerminalSNR": zero,
                                       "learnSigma": learn, "eta": eta, "clip": clip, "index": i,
                                       "timestep": d.map[i], "channels": channels, "pixels": pixels,
                                       "x": x.ravel().tolist(), "noise": noise.ravel().tolist(),
                                       "output": out.ravel().tolist(),
                                       "next": d.step(out, x, i, noise, sampler, eta, clip).ravel().tolist()}


def normal_kl(mean1, log_variance1, mean2, log_variance2):
    """KL(N1 || N2), value by value, in bits."""
    nats = 0.5 * (log_variance2 - log_variance1 - 1 + np.exp(log_variance1 - log_variance2)
                  + (mean1 - mean2) ** 2 * np.exp(-log_variance2))
    return nats / math.log(2)


def pixel_bits(x0, mean, log_variance):
    """Minus log2 of the discretised likelihood of 8-bit values."""
    cdf = lambda x: 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    at = lambda offset: cdf((x0 + offset - mean) / np.exp(0.5 * log_variance))
    p = np.where(x0 < -0.999, at(1 / 255), np.where(x0 > 0.999, 1 - at(-1 / 255), at(1 / 255) - at(-1 / 255)))
    return -np.log2(p.clip(min=1e-12))


def bound_term(d, out, x0, t, noise, variance, clip=False):
    """One sample's term of the bound, and the image that is predicted."""
    xt = d.add_noise(x0, t, noise)
    if d.learn_sigma:
        out, values = np.split(out, 2)
        log_variance = d.log_variance(t, values)
    else:
        log_variance = {"large": d.large_log_variance, "small": d.posterior_log_variance}[variance][t]
    predicted = d.predict_x0(xt, t, out)
    if clip:
        predicted = predicted.clip(-1, 1)
    mean = d.posterior_x0[t] * predicted + d.posterior_xt[t] * xt
    if t == 0:
        return pixel_bits(x0, mean, log_variance).mean(), predicted
    truth = d.posterior_x0[t] * x0 + d.posterior_xt[t] * xt
    return normal_kl(truth, d.posterior_log_variance[t], mean, log_variance).mean(), predicted


def near(d, rng, x0, noise, t, learn):
    """An output that is a decent prediction, since likelihoods of others lie at their floor."""
    a = d.ac[t]
    wanted = {"eps": noise, "x0": x0, "v": math.sqrt(a) * noise - math.sqrt(1 - a) * x0}[d.target]
    out = sample(rng, x0.shape[0] * (2 if learn else 1), x0.shape[1])
    size = 0.005 if d.target == "x0" and t == 0 else 0.5
    out[:x0.shape[0]] = np.round((wanted + size * out[:x0.shape[0]]) * 4096) / 4096
    return out


def bounds():
    rng = np.random.default_rng(7)
    channels, pixels = 2, 4
    for target in ("eps", "x0", "v"):
        for kind in ("rescaled_mse", "kl", "rescaled_kl"):
            for learn, variance in ((True, "large"), (False, "large"), (False, "small")):
                if kind == "rescaled_mse" and not learn:
                    continue
                zero, total = target == "v", 1000 if kind == "kl" else 250
                d = Diffusion("linear", zero, "", target, learn, "snr+1", total)
                for t in (0, 1, total // 2, total - 1):
                    x0, noise = sample(rng, channels, pixels).clip(-1.25, 1.25), sample(rng, channels, pixels)
                    x0[0, :2] = (-1, 1)
                    out = near(d, rng, x0, noise, t, learn)
                    bits, predicted = bound_term(d, out, x0, t, noise, variance)
                    mse, vb = 0.0, bits * (total if kind == "rescaled_kl" else 1)
                    if kind == "rescaled_mse":
                        a = d.ac[t]
                        wanted = {"eps": noise, "x0": x0, "v": math.sqrt(a) * noise - math.sqrt(1 - a) * x0}[target]
                        mse, vb = ((out[:channels] - wanted) ** 2).mean(), bits * total / 1000
                    yield {"target": target, "weighting": "snr+1", "schedule": "linear", "zeroTerminalSNR": zero,
                           "learnSigma": learn, "t": t, "channels": channels, "pixels": pixels, "kind": kind,
                           "fixedVariance": variance, "steps": total, "x0": x0.ravel().tolist(),
                           "noise": noise.ravel().tolist(), "output": out.ravel().tolist(),
                           "xt": d.add_noise(x0, t, noise).ravel().tolist(), "loss": mse + vb, "mse": mse, "vb": vb}


def bits():
    """The whole bound of one image, as calc_bpd_loop of the published code forms it."""
    rng = np.random.default_rng(8)
    channels, pixels = 2, 3
    for target, learn, variance, clip in (("eps", True, "large", True), ("eps", False, "small", False),
                                          ("v", True, "large", False), ("x0", False, "large", True)):
        d = Diffusion("linear", target == "v", "6", target, learn)
        x0 = sample(rng, channels, pixels).clip(-1, 1)
        x0[0, :2] = (-1, 1)
        rows = {"noise": [], "output": [], "bits": [], "imageErrors": [], "noiseErrors": []}
        for t in range(d.steps):
            noise = sample(rng, channels, pixels)
            out = near(d, rng, x0, noise, t, learn)
            term, predicted = bound_term(d, out, x0, t, noise, variance, clip)
            xt = d.add_noise(x0, t, noise)
            # Zero terminal SNR leaves no image in x_t: what is predicted there says nothing about the noise.
            eps = noise if d.ac[t] == 0 else (xt / math.sqrt(d.ac[t]) - predicted) / math.sqrt(1 / d.ac[t] - 1)
            rows["noise"].append(noise.ravel().tolist())
            rows["output"].append(out.ravel().tolist())
            rows["bits"].append(term)
            rows["imageErrors"].append(((predicted - x0) ** 2).mean())
            rows["noiseErrors"].append(((eps - noise) ** 2).mean())
        last = d.ac[-1]
        prior = normal_kl(math.sqrt(last) * x0, math.log(1 - last), 0.0, 0.0).mean()
        yield {"target": target, "zeroTerminalSNR": target == "v", "learnSigma": learn, "fixedVariance": variance,
               "clip": clip, "channels": channels, "pixels": pixels, "x0": x0.ravel().tolist(), "prior": prior, **rows}


def small_steps():
    """Ancestral sampling with the small fixed variance."""
    rng = np.random.default_rng(9)
    for target in ("eps", "v"):
        d = Diffusion("linear", target == "v", "8", target, False)
        d.large_log_variance = d.posterior_log_variance
        for i in (0, 1, 5, 7):
            x, noise, out = sample(rng, 2, 3), sample(rng, 2, 3), sample(rng, 2, 3)
            yield {"target": target, "sampler": "ddpm", "zeroTerminalSNR": target == "v", "learnSigma": False,
                   "eta": 0.0, "clip": False, "index": i, "timestep": d.map[i], "channels": 2, "pixels": 3,
                   "fixedVariance": "small", "x": x.ravel().tolist(), "noise": noise.ravel().tolist(),
                   "output": out.ravel().tolist(), "next": d.step(out, x, i, noise, "ddpm", 0.0, False).ravel().tolist()}


def timesteps(steps=6, remembered=10, even=0.001):
    """The second-moment sampler of timesteps: what it chooses by uniform draws, and the weights, as losses come in."""
    rng = np.random.default_rng(10)
    latest = {t: [] for t in range(steps)}
    for learned in (0, 40, 30, 60, 25, 1):
        # Large at the first steps, as the bound is; the last ones come up seldom.
        ts = np.minimum(rng.geometric(0.35, learned) - 1, steps - 1)
        losses = (rng.random(learned) * 5.0 ** -ts).astype(np.float32)
        if learned == 30:
            ts = np.arange(30) % steps
        for t, loss in zip(ts.tolist(), losses.tolist()):
            latest[t] = [*latest[t], loss][-remembered:]
        p = np.full(steps, 1 / steps)
        if all(len(own) == remembered for own in latest.values()):
            size = np.sqrt(np.array([np.mean(np.square(latest[t])) for t in range(steps)]))
            p = (1 - even) * size / size.sum() + even / steps
        draws = rng.random(12)
        chosen = np.searchsorted(np.cumsum(p), draws, side="right")
        yield {"steps": steps, "timesteps": ts.tolist(), "losses": losses.tolist(),
               "counts": [len(latest[t]) for t in range(steps)], "draws": draws.tolist(), "chosen": chosen.tolist(),
               "weights": (1 / (steps * p[chosen])).tolist(), "likelihoods": p.tolist()}


def compare(folder):
    """The port against the reference's own numbers."""
    import glob
    import h5py

    worst = 0.0
    with h5py.File(f"{folder}/schedules.h5") as f:
        for name, g in f.items():
            if "schedule" not in g.attrs:
                continue
            d = Diffusion(g.attrs["schedule"], bool(g.attrs["zero_terminal_snr"]), g.attrs["respacing"], "v")
            assert d.map == g["timesteps"][:].tolist(), name
            for theirs, ours in (("betas", d.betas), ("alphas_cumprod", d.ac), *((k, getattr(d, k)) for k in TABLES[3:7])):
                a = g[theirs][:]
                worst = max(worst, np.abs((a - ours) / np.where(a == 0, 1, a)).max())
    print("schedules: worst relative difference", worst)
    for path in sorted(glob.glob(f"{folder}/step-*.h5")):
        with h5py.File(path) as f:
            a = f.attrs
            learn = "vb" in f["outputs"]
            d = Diffusion(a["schedule"], bool(a["zero_terminal_snr"]), "", a["target"], learn, a.get("weighting", "p2"))
            worst = 0.0
            for i, t in enumerate(f["inputs/t"][:].tolist()):
                rows = lambda k: f[k][i].astype(np.float64).reshape(f[k].shape[1], -1)
                ours = d.losses(rows("outputs/model_output"), rows("inputs/x0"), t, rows("inputs/noise"))
                for k, v in zip(("loss", "mse", "vb"), ours):
                    if k in f["outputs"]:
                        theirs = f["outputs"][k][i]
                        worst = max(worst, abs(v - theirs) / max(abs(theirs), 1e-30))
        print(path.rsplit("/", 1)[-1], "worst relative difference", worst)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        compare(sys.argv[1])
    else:
        lines = lambda rows: "[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]"
        print('{"schedules": ' + lines(schedules()) + ',\n"losses": ' + lines(losses()) + ',\n"steps": ' + lines(steps())
              + ',\n"bounds": ' + lines(bounds()) + ',\n"bits": ' + lines(bits()) + ',\n"smallSteps": ' + lines(small_steps())
              + ',\n"timesteps": ' + lines(timesteps()) + "}")
