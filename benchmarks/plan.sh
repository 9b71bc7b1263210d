#!/usr/bin/env bash
# What `fpdm plan` tells beside what training takes: peak memory of rank 0 and the mean time of a step, on six job shapes.
# Takes some minutes; nothing else should run. FPDM: the program (default: this folder's release build).
#
#   benchmarks/plan.sh [SHAPE ...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/mpi-environment
. scripts/mpi-environment
fpdm=${FPDM:-$PWD/.build/release/fpdm}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Noise in the shape of latents: 64 of 32 x 32 x 4, of 1,000 classes.
python3 - >"$work/latents.csv" <<'PYTHON'
import random
print("label," + ",".join(f"v{i}" for i in range(4096)))
for sample in range(64):
    print(sample * 15, *(random.randrange(256) for _ in range(4096)), sep=",")
PYTHON
"$fpdm" data pack "$work/latents.csv" --channels 4 --side 32 --output "$work/latents" >"$work/pack.log"
cat >"$work/latents.yaml" <<YAML
data: {path: $work/latents}
model: {name: FPDM-S/2}
training: {steps: 5, globalBatch: 16, virtualRanks: 1, iterationsWithoutGradient: [5, 5], iterationsWithGradient: [6, 6]}
checkpoint: {every: 0}
YAML

printf '%-16s %10s %10s %7s   %9s %9s %9s %7s %7s\n' shape planned MiB ratio expected after s ratio after

# shape NAME RANKS JOB [KEY=VALUE ...]
shape() {
    local name=$1 ranks=$2 job=$3 key
    shift 3
    [ ${#wanted[@]} = 0 ] || [[ " ${wanted[*]} " == *" $name "* ]] || return 0
    local sets=(--set "run.directory=$work/$name")
    for key in "$@"; do sets+=(--set "$key"); done
    # Before and after the run: the machine is not as fast at one time as at another.
    "$fpdm" plan "$job" "${sets[@]}" --ranks "$ranks" --json >"$work/$name.json"
    mpirun -n "$ranks" --bind-to none "$fpdm" train "$job" "${sets[@]}" >"$work/$name.log" 2>&1
    "$fpdm" plan "$job" "${sets[@]}" --ranks "$ranks" --json >"$work/$name-after.json"
    python3 - "$name" "$work/$name.json" "$work/$name-after.json" "$work/$name.log" "$work/$name/metrics.jsonl" <<'PYTHON' || status=1
import json, re, sys
name, before, after, log, metrics = sys.argv[1:]
plan, after = json.load(open(before)), json.load(open(after))
peak = int(re.search(r"peak (\d+) MiB", open(log).read())[1])
steps = [json.loads(line) for line in open(metrics)]
# The first step waits for pages, and one that is done again takes twice as long.
times = [step["seconds"] for step in steps[1:] if not step.get("redone")]
seconds, planned = sum(times) / len(times), plan["rankBytes"] / 2**20
expected = [one["expected"]["seconds"] for one in (plan, after)]
print(f"{name:16} {planned:10.0f} {peak:10} {peak / planned:7.2f}   {expected[0]:9.4f} {expected[1]:9.4f} "
      f"{seconds:9.4f} {seconds / expected[0]:7.2f} {seconds / expected[1]:7.2f}")
if abs(peak - planned) > max(0.1 * planned, 61) or not any(0.8 <= seconds / e <= 1.2 for e in expected):
    sys.exit(f"{name}: farther from the plan than memory by 10 % or 64 MB, or time by 20 %")
PYTHON
}

status=0
wanted=("$@")
shape digits 1 jobs/digits.yaml training.steps=200 checkpoint.every=100
shape digits-2-ranks 2 jobs/digits.yaml training.steps=200 checkpoint.every=100
shape digits-dit 2 jobs/digits-dit.yaml training.steps=200 checkpoint.every=100
shape fpdm-s 1 "$work/latents.yaml"
shape fpdm-s-small 2 "$work/latents.yaml" training.virtualRanks=4 training.activations=recompute checkpoint.every=2
shape dit-s-bf16 1 "$work/latents.yaml" model.name=DiT-S/2 training.globalBatch=8 training.virtualRanks=2 training.precision=bf16
exit "$status"
