# Sourced by the scripts beside it: the program, a folder to work in, a small job, and ways to run and to refuse.
# shellcheck shell=bash
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
# shellcheck source=scripts/mpi-environment
. scripts/mpi-environment
fpdm=${FPDM:-$root/.build/release/fpdm}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# An FPDM on the real digits that takes milliseconds a step.
job=jobs/digits.yaml
tiny=(
    --set model.width=32 --set model.heads=2 --set training.steps=12 --set training.globalBatch=32
    --set "training.iterationsWithoutGradient=[0, 2]" --set "training.iterationsWithGradient=[1, 2]"
    --set checkpoint.every=4 --set run.logEvery=4
)

die() {
    echo "FAILED: $*" >&2
    exit 1
}

# ranks COUNT COMMAND ...: under mpirun, ended after a while; its exit code.
ranks() {
    local count=$1 spin=()
    shift
    if [ "$count" -gt "$(nproc)" ]; then spin=(--mca mpi_yield_when_idle 1); fi
    timeout --kill-after=5 120 mpirun -n "$count" --oversubscribe --bind-to none ${spin[@]+"${spin[@]}"} "$@" </dev/null
}

# train COUNT RUN ARGUMENT ...: the small job on some ranks, in folder RUN of the work folder.
train() {
    local count=$1 run=$2
    shift 2
    ranks "$count" "$fpdm" train "$job" "${tiny[@]}" --set run.directory="$work/$run" "$@" >"$work/$run.log" 2>&1 ||
        { code=$?; cat "$work/$run.log"; die "training $run on $count ranks ended with $code"; }
}

# same A B: the checkpoints of two runs hold the same bits.
same() {
    "$fpdm" checkpoint diff "$work/$1" "$work/$2" >"$work/diff.txt" || { cat "$work/diff.txt"; die "$1 and $2 differ"; }
}

# different A B: they do not.
different() {
    local code=0
    "$fpdm" checkpoint diff "$work/$1" "$work/$2" >"$work/diff.txt" 2>&1 || code=$?
    [ "$code" = 1 ] || { cat "$work/diff.txt"; die "$1 and $2 should differ (exit code $code)"; }
}

# refused CODE TEXT COMMAND ...: ends with this exit code and says this, in one message without a trace of a crash.
refused() {
    local wanted=$1 text=$2 code=0
    shift 2
    "$@" >"$work/refused.txt" 2>&1 </dev/null || code=$?
    [ "$code" = "$wanted" ] || { cat "$work/refused.txt"; die "exit code $code instead of $wanted: $*"; }
    grep -qF -- "$text" "$work/refused.txt" || { cat "$work/refused.txt"; die "does not say \"$text\": $*"; }
    [ "$(grep -c "fpdm: error:\|^Error:" "$work/refused.txt")" = 1 ] ||
        { cat "$work/refused.txt"; die "not one message: $*"; }
    if grep -qiE "fatal error|stack dump|Backtrace" "$work/refused.txt"; then
        cat "$work/refused.txt"
        die "crashed: $*"
    fi
}
