#!/usr/bin/env bash
# Measures this program beside PyTorch, in turn, on equal terms: the same networks, batches and number of threads.
#
#   benchmarks/compare.sh [--case NAME ...] [--rounds R] [--threads T] [--no-compile] [--json FILE]
#
#   --case NAME     train-fpdm-s, train-dit-s, train-fpdm-xl or sample-fpdm-s; may be repeated. All if not given
#   --rounds R      of which the median counts: 3 if not given
#   --threads T     all that this shell may use if not given
#   --no-compile    leave torch.compile out; else the faster of PyTorch's ways counts
#   --json FILE     write everything that was measured there
#
# The ratio is PyTorch's seconds over ours: above 1 we are faster. `of best` is the share that our operations a second
# have of the best packed product on as many threads. The program must be built; `make compare` builds it first. It ends
# with 1 where a way other than torch.compile failed; the table then has a hole there.
# PyTorch goes into .build/peers, as with scripts/peers, and torch.compile needs a C++ compiler.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

declare -A cases=(
    [train-fpdm-s]="step --model FPDM-S/2 --batch 16 --iterations 5 6"
    [train-dit-s]="step --model DiT-S/2 --batch 16"
    [train-fpdm-xl]="step --model FPDM-XL/2 --batch 4 --iterations 5 6"
    [sample-fpdm-s]="sample --model FPDM-S/2 --batch 8 --guidance 4 --steps 20 --iterations 8"
)
chosen=()
rounds=3
threads=$(nproc)
compile=true
json=

usage() {
    sed -n '2,16s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 64
}
while [ $# != 0 ]; do
    case $1 in
    --case) [ -n "${cases[${2:-none}]:-}" ] || usage; chosen+=("$2"); shift 2 ;;
    --rounds | --threads)
        [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || usage
        if [ "$1" = --rounds ]; then rounds=$2; else threads=$2; fi
        shift 2
        ;;
    --no-compile) compile=false; shift ;;
    --json) [ -n "${2:-}" ] || usage; json=$2; shift 2 ;;
    *) usage ;;
    esac
done
[ ${#chosen[@]} != 0 ] || chosen=(train-fpdm-s train-dit-s train-fpdm-xl sample-fpdm-s)

say() { echo "compare: $*" >&2; }
# Now, not after an hour of measuring.
if [ -n "$json" ] && ! { : >>"$json"; } 2>/dev/null; then say "cannot write $json"; exit 73; fi

fpdm=${FPDM:-.build/release/fpdm}
[ -x "$fpdm" ] || { say "$fpdm is not built; make build"; exit 66; }
venv=.build/peers
if ! "$venv/bin/python3" -c 'import torch, numpy' 2>/dev/null; then
    say "installing PyTorch and NumPy into $venv"
    python3 -m venv "$venv"
    "$venv/bin/python3" -m pip install --quiet --disable-pip-version-check torch numpy >&2
fi
python=$venv/bin/python3
export OMP_NUM_THREADS=$threads

busy() { awk '$1 > 0.5 { print $1 }' /proc/loadavg; }
if [ -n "$(busy)" ]; then say "the machine is busy (load $(busy)): wait until it is not, or do not trust these numbers"; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

eager() { "$python" benchmarks/torch_peer.py "$@"; }
compiled() { eager "$@" --compile; }
ours() { "$fpdm" bench "$@" --json; }

# What went wrong once is not tried again.
declare -A failed=()
# measure CASE PRECISION WAY: a line of results, the JSON that it prints, with these three.
measure() {
    local case=$1 precision=$2 way=$3
    if [ -n "${failed[$*]:-}" ]; then return; fi
    # shellcheck disable=SC2086  # a case is several words
    if "$way" ${cases[$case]} --precision "$precision" --threads "$threads" >"$work/out" 2>"$work/err" </dev/null; then
        "$python" - "$case" "$precision" "$way" "$work/out" >>"$work/results" <<'PYTHON'
import json, sys
print(json.dumps({"case": sys.argv[1], "precision": sys.argv[2], "way": sys.argv[3], **json.load(open(sys.argv[4]))}))
PYTHON
    else
        failed[$*]=1
        say "$case in $precision, $way: $(grep -m 1 -i error "$work/err" || tail -n 1 "$work/err")"
    fi
}

ways=(eager ours)
if $compile; then ways=(eager compiled ours); fi
touch "$work/results"
for case in "${chosen[@]}"; do
    for precision in float32 bf16; do
        for round in $(seq "$rounds"); do
            say "$case, $precision, round $round of $rounds"
            for way in "${ways[@]}"; do measure "$case" "$precision" "$way"; done
        done
    done
done

"$python" - "$work/results" "$threads" "$rounds" "$("$fpdm" --version)" "$json" <<'PYTHON'
import json, statistics, sys
import torch

path, threads, rounds, version, target = sys.argv[1:]
results = [json.loads(line) for line in open(path)]
processor = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "unknown")


def median(key, case, precision, way):
    values = [r[key] for r in results if (r["case"], r["precision"], r["way"]) == (case, precision, way) and key in r]
    return statistics.median(values) if values else None


rows = []
for case, precision in dict.fromkeys((r["case"], r["precision"]) for r in results):
    def of(way, key="secondsPerRun" if case.startswith("sample") else "secondsPerStep"):
        return median(key, case, precision, way)
    eager, compiled, ours = of("eager"), of("compiled"), of("ours")
    peers = [s for s in (eager, compiled) if s]
    speed, best = of("ours", "flopsPerSecond"), of("ours", "bestProductFlops")
    backend = next((r["backend"] for r in results
                    if (r["case"], r["precision"], r["way"]) == (case, precision, "ours")), "-")
    rows.append({"case": case, "precision": precision, "backend": backend,
                 "eager": eager, "compiled": compiled, "ours": ours,
                 "ratio": min(peers) / ours if peers and ours else None,
                 "gigaflops": speed / 1e9 if speed else None, "ofBest": speed / best if speed and best else None})

print(f"{processor}, {threads} threads, medians of {rounds} rounds")
print(f"fpdm {version}; PyTorch {torch.__version__}")
print(f"{'case':<15}{'precision':<11}{'eager s':>9}{'compiled s':>12}{'ours s':>9}{'ratio':>8}{'GFLOP/s':>9}{'of best':>9}  backend")
for r in rows:
    def cell(key, width, digits=3):
        return f"{'-' if r[key] is None else format(r[key], f'.{digits}f'):>{width}}"
    print(f"{r['case']:<15}{r['precision']:<11}" + cell("eager", 9) + cell("compiled", 12) + cell("ours", 9)
          + cell("ratio", 8, 2) + cell("gigaflops", 9, 0) + cell("ofBest", 9, 2) + f"  {r['backend']}")
if target:
    with open(target, "w") as file:
        json.dump({"processor": processor, "threads": int(threads), "rounds": int(rounds), "fpdm": version,
                   "torch": torch.__version__, "rows": rows, "results": results}, file, indent=2)
PYTHON

# A table with holes is printed all the same; torch.compile alone may fail, for its compiler is not everywhere.
for way in "${!failed[@]}"; do
    case $way in *" compiled") ;; *) exit 1 ;; esac
done
