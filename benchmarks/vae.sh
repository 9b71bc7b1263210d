#!/usr/bin/env bash
# Measures encoding and decoding beside diffusers on PyTorch, in turn: the autoencoder of Stable Diffusion at its real size.
#
#   benchmarks/vae.sh [--side S ...] [--rounds R] [--threads T] [--precision float32|bf16]
#
#   --side S        of the images, in pixels; may be repeated. 256 and 512 if not given
#   --rounds R      of which the median counts: 3 if not given
#   --threads T     all that this shell may use if not given
#   --precision P   float32 if not given
#
# The ratio is the peer's seconds over ours: above 1 we are faster. The peer runs with images as PyTorch has them and with
# channels last, and the faster one counts. The program must be built. PyTorch and diffusers go into .build/peers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sides=()
rounds=3
threads=$(nproc)
precision=float32
usage() {
    sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 64
}
while [ $# != 0 ]; do
    case $1 in
    --side | --rounds | --threads)
        [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || usage
        case $1 in
        --side) sides+=("$2") ;;
        --rounds) rounds=$2 ;;
        --threads) threads=$2 ;;
        esac
        shift 2
        ;;
    --precision) case ${2:-} in float32 | bf16) precision=$2 ;; *) usage ;; esac; shift 2 ;;
    *) usage ;;
    esac
done
[ ${#sides[@]} != 0 ] || sides=(256 512)

say() { echo "vae: $*" >&2; }
fpdm=${FPDM:-.build/release/fpdm}
[ -x "$fpdm" ] || { say "$fpdm is not built; make build"; exit 66; }
python=${PEER_PYTHON:-.build/peers/bin/python3}
if ! "$python" -c 'import torch, diffusers' 2>/dev/null; then
    say "installing PyTorch and diffusers into .build/peers"
    python=.build/peers/bin/python3
    [ -x "$python" ] || python3 -m venv .build/peers
    "$python" -m pip install --quiet --disable-pip-version-check torch diffusers safetensors >&2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for side in "${sides[@]}"; do
    for round in $(seq "$rounds"); do
        say "$side x $side, $precision, round $round of $rounds"
        common=(--side "$side" --repeat 1 --precision "$precision" --threads "$threads")
        "$python" benchmarks/vae_peer.py "${common[@]}" >"$work/$side.peer.$round" 2>"$work/err" || { cat "$work/err" >&2; exit 70; }
        "$python" benchmarks/vae_peer.py "${common[@]}" --channels-last >"$work/$side.last.$round" 2>"$work/err" ||
            { cat "$work/err" >&2; exit 70; }
        "$fpdm" bench vae "${common[@]}" --json >"$work/$side.ours.$round"
    done
done
"$python" - "$work" "$rounds" "${sides[@]}" <<'PYTHON'
import json, statistics, sys

work, rounds, *sides = sys.argv[1:]
print(f"{'side':>5}{'half':>8}{'peer s':>9}{'last s':>9}{'ours s':>9}{'ratio':>7}{'peer MiB':>10}{'ours MiB':>10}")
for side in sides:
    runs = {way: [json.load(open(f"{work}/{side}.{way}.{r + 1}")) for r in range(int(rounds))]
            for way in ("peer", "last", "ours")}
    for half in ("encodeSeconds", "decodeSeconds"):
        peer, last, ours = (statistics.median(run[half] for run in runs[way]) for way in ("peer", "last", "ours"))
        memory = [max(run["peakBytes"] for run in runs[way]) >> 20 for way in ("peer", "ours")]
        print(f"{side:>5}{half[:6]:>8}{peer:>9.3f}{last:>9.3f}{ours:>9.3f}{min(peer, last) / ours:>7.2f}"
              f"{memory[0]:>10}{memory[1]:>10}")
PYTHON
