#!/usr/bin/env bash
# The memory of training steps of the largest published networks in bf16, beside PyTorch's with activation checkpointing as
# the published code has it: peaks of one process, everything counted, and what `fpdm plan` tells of such a job.
#
#   benchmarks/memory.sh [--without-peer] [CASE ...]
#
#   CASE              fpdm-xl, dit-xl: 64 images at once; fpdm-xl-8, dit-xl-8: 16 images in microbatches of 8, and more
#                     take no more but for the images themselves; growth with n and m, 16 images; run: a training of
#                     FPDM-XL/2 with 64 images at once that saves twice. All if not given
#   --without-peer    leave PyTorch out
#
# Takes three quarters of an hour on two cores, dit-xl a third of that. PyTorch goes into .build/peers, as with compare.sh.
# FPDM: the program (default: this folder's release build).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

peer=true
chosen=()
all=(growth run fpdm-xl fpdm-xl-8 dit-xl dit-xl-8)
for argument in "$@"; do
    case $argument in
    --without-peer) peer=false ;;
    growth | run | fpdm-xl | fpdm-xl-8 | dit-xl | dit-xl-8) chosen+=("$argument") ;;
    *)
        sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
        exit 64
        ;;
    esac
done
[ ${#chosen[@]} != 0 ] || chosen=("${all[@]}")

say() { echo "memory: $*" >&2; }
fpdm=${FPDM:-.build/release/fpdm}
[ -x "$fpdm" ] || { say "$fpdm is not built; make build"; exit 66; }
python=.build/peers/bin/python3
if $peer && ! "$python" -c 'import torch, numpy' 2>/dev/null; then
    say "installing PyTorch and NumPy into .build/peers"
    python3 -m venv .build/peers
    "$python" -m pip install --quiet --disable-pip-version-check torch numpy >&2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
format='%-28s %12s %12s %12s\n'
# gigabytes KEY: of a JSON object on standard input; `-` where there is none.
gigabytes() {
    python3 -c '
import json, sys
try: print(f"{json.load(sys.stdin)[sys.argv[1]] / 1e9:.2f}")
except Exception: print("-")' "$1"
}
# peak ARGUMENT ...: of a step here.
peak() { "$fpdm" bench step --precision bf16 --activations recompute --steps 1 --json "$@" </dev/null | gigabytes peakBytes; }

# shellcheck disable=SC2059  # the format is a constant
row() { printf "$format" "$@"; }

# network NAME JOB MODEL BATCH MICROBATCH [KEY=VALUE ...]
network() {
    local name=$1 job=$2 model=$3 batch=$4 microbatch=$5 key sets=() iterations=() theirs=-
    shift 5
    for key in "training.globalBatch=$batch" training.virtualRanks=1 "training.microbatch=$microbatch" \
        training.precision=bf16 training.activations=recompute checkpoint.background=false "$@"; do
        sets+=(--set "$key")
    done
    [[ $model != FPDM* ]] || iterations=(--iterations 6 6)
    local planned ours
    planned=$("$fpdm" plan "$job" --no-timing --json "${sets[@]}" 2>/dev/null | gigabytes rankBytes)
    ours=$(peak --model "$model" --batch "$batch" --microbatch "$microbatch" "${iterations[@]}") || true
    if $peer; then
        theirs=$("$python" benchmarks/torch_peer.py step --model "$model" --batch "$batch" --microbatch "$microbatch" \
            "${iterations[@]}" --precision bf16 --checkpointing --memory 2>"$work/err.txt" </dev/null | gigabytes peakBytes) || true
        [ "$theirs" != - ] || say "PyTorch, $name: $(tail -n 1 "$work/err.txt")"
    fi
    row "$name" "$planned" "$ours" "$theirs"
}

# training NAME JOB [KEY=VALUE ...]: of a run on 64 images of noise, as the kernel counts it.
training() {
    local name=$1 job=$2 key planned ours sets=(--set "data.path=$work/noise" --set "run.directory=$work/run")
    shift 2
    for key in "$@"; do sets+=(--set "$key"); done
    python3 -c '
import random
print("label," + ",".join(f"v{i}" for i in range(4096)))
for image in range(64): print(image, *(random.randrange(256) for _ in range(4096)), sep=",")' >"$work/noise.csv"
    "$fpdm" data pack "$work/noise.csv" --channels 4 --side 32 --output "$work/noise" >/dev/null
    planned=$("$fpdm" plan "$job" --no-timing --json "${sets[@]}" 2>/dev/null | gigabytes rankBytes)
    ours=$(python3 -c '
import json, resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode
if code == 0: print(json.dumps({"peakBytes": 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}))
' "$fpdm" train "$job" "${sets[@]}" 2>"$work/err.txt" | gigabytes peakBytes)
    [ "$ours" != - ] || say "$name: $(tail -n 1 "$work/err.txt")"
    row "$name" "$planned" "$ours" -
}

"$fpdm" --version >&2
row 'GB' planned here PyTorch
six=("training.iterationsWithoutGradient=[6, 6]" "training.iterationsWithGradient=[6, 6]")
for case in "${chosen[@]}"; do
    case $case in
    fpdm-xl) network "FPDM-XL/2, 64 at once" jobs/imagenet256-fpdm-xl.yaml FPDM-XL/2 64 64 "${six[@]}" ;;
    fpdm-xl-8) network "FPDM-XL/2, 8 at once" jobs/imagenet256-fpdm-xl.yaml FPDM-XL/2 16 8 "${six[@]}" ;;
    dit-xl) network "DiT-XL/2, 64 at once" jobs/imagenet256-dit-xl.yaml DiT-XL/2 64 64 ;;
    dit-xl-8) network "DiT-XL/2, 8 at once" jobs/imagenet256-dit-xl.yaml DiT-XL/2 16 8 ;;
    run)
        training "FPDM-XL/2, 64, two saves" jobs/imagenet256-fpdm-xl.yaml "${six[@]}" training.steps=2 checkpoint.every=1 \
            checkpoint.background=false training.globalBatch=64 training.virtualRanks=1 training.microbatch=64 \
            training.precision=bf16 training.activations=recompute
        ;;
    growth)
        for iterations in "0 6" "20 6" "6 1" "6 12"; do
            # shellcheck disable=SC2086  # two numbers
            row "FPDM-XL/2, 16, n m = $iterations" - "$(peak --model FPDM-XL/2 --batch 16 --iterations $iterations)" -
        done
        ;;
    esac
done
