#!/usr/bin/env bash
# The digits' training beside version 0.1's program, in turn: medians of a step on two ranks of one thread. Takes minutes;
# nothing else should run.
#
#   benchmarks/digits.sh [--rounds R] [--before COMMIT]
#
#   --rounds R         3 if not given
#   --before COMMIT    another program than version 0.1's to compare with; it is built in .build/before
#
# OpenBLAS, which multiplies in version 0.1, takes slow kernels for processors that it does not know: where there is
# AVX-512 its kernels for that are measured as well. FPDM: the program (default: this folder's release build).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=3
before=11e1fc3 # the last commit of version 0.1
steps=300
skipped=20

usage() {
    sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 64
}
while [ $# != 0 ]; do
    case $1 in
    --rounds) [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || usage; rounds=$2; shift 2 ;;
    --before) [ -n "${2:-}" ] || usage; before=$2; shift 2 ;;
    *) usage ;;
    esac
done

say() { echo "digits: $*" >&2; }
# shellcheck source=scripts/mpi-environment
. scripts/mpi-environment
fpdm=$(realpath "${FPDM:-.build/release/fpdm}")
[ -x "$fpdm" ] || { say "$fpdm is not built; make build"; exit 66; }
commit=$(git rev-parse --verify --quiet "$before^{commit}") ||
    { say "no commit $before here: this needs the whole history (git fetch --unshallow)"; exit 66; }
source=.build/before/$commit
if ! [ -x "$source/.build/release/fpdm" ]; then
    say "building $before in $source"
    rm -rf "$source"
    git clone --quiet --shared --no-checkout . "$source"
    git -C "$source" checkout --quiet "$commit"
    swift build -c release --package-path "$source" >"$source/build.log" 2>&1 ||
        { tail -n 20 "$source/build.log" >&2; say "$before could not be built"; exit 70; }
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# trained NAME FOLDER PROGRAM [KEY=VALUE ...]: prints the median of a step, in ms. In a folder with its own jobs and data.
trained() {
    local name=$1 folder=$2 program=$3 key sets=()
    shift 3
    for key in "$@"; do sets+=(--set "$key"); done
    (cd "$folder" && mpirun -n 2 --oversubscribe --bind-to none "$program" train jobs/digits.yaml \
        --set run.directory="$work/$name" --set training.steps=$steps --set run.logEvery=1 "${sets[@]}" \
        </dev/null >"$work/$name.log" 2>&1) || { cat "$work/$name.log" >&2; say "$name did not train"; exit 70; }
    python3 -c '
import json, statistics, sys
times = [json.loads(line)["seconds"] for line in open(sys.argv[1])]
print(f"{1000 * statistics.median(times[int(sys.argv[2]):]):.1f}")' "$work/$name/metrics.jsonl" $skipped
    rm -rf "${work:?}/$name"
}

avx512=$(grep -qw avx512f /proc/cpuinfo && echo yes || true)
format='%6s %10s %14s %9s %9s %9s %9s\n'
say "medians of $((steps - skipped)) steps, ms; ratios to before as it is, and to the faster of both ways"
# shellcheck disable=SC2059  # the format is a constant
printf "$format" round before 'with AVX-512' here ratios bf16 ratios
for round in $(seq "$rounds"); do
    old=$(trained old "$source" .build/release/fpdm)
    forced=${avx512:+$(OPENBLAS_CORETYPE=SKYLAKEX trained forced "$source" .build/release/fpdm)}
    new=$(trained new . "$fpdm")
    bf16=$(trained bf16 . "$fpdm" training.precision=bf16)
    ratios() { awk -v a="$old" -v b="${forced:-$old}" -v n="$1" 'BEGIN { printf "%.2f/%.2f", a / n, (a < b ? a : b) / n }'; }
    # shellcheck disable=SC2059
    printf "$format" "$round" "$old" "${forced:--}" "$new" "$(ratios "$new")" "$bf16" "$(ratios "$bf16")"
done
