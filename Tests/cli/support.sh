# Sourced by the scripts beside it: the program, a folder to work in, a small job, and ways to run and to refuse.
# shellcheck shell=bash
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
# shellcheck source=scripts/mpi-environment
. scripts/mpi-environment
fpdm=${FPDM:-$root/.build/release/fpdm}
# With h5py, numpy, Pillow and safetensors.
python=${PYTHON:-python3}
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

# ranks COUNT COMMAND ...: under mpirun, ended after $patience seconds (120); its exit code.
ranks() {
    local count=$1 spin=()
    shift
    if [ "$count" -gt "$(nproc)" ]; then spin=(--mca mpi_yield_when_idle 1); fi
    timeout --kill-after=5 "${patience:-120}" mpirun -n "$count" --oversubscribe --bind-to none ${spin[@]+"${spin[@]}"} "$@" </dev/null
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

# latest RUN: the step of its latest checkpoint; 0 where there is none.
latest() {
    local name
    name=$(find "$work/$1/checkpoints" -maxdepth 1 -name 'step-*' -printf '%f\n' 2>/dev/null | sort | tail -n 1)
    name=${name#step-}
    echo $((10#${name:-0}))
}

# begin COUNT RUN ARGUMENT ...: the small job on some ranks, in the background. The launcher's number is in $launcher,
# those of the ranks in files RUN.pid-RANK, and what they say is added to RUN.log.
begin() {
    local count=$1 run=$2
    shift 2
    # shellcheck disable=SC2016  # each rank expands it for itself
    printf '#!/usr/bin/env bash\necho $$ >"%s.pid-$OMPI_COMM_WORLD_RANK"\nexec "$@"\n' "$work/$run" >"$work/$run.noted"
    chmod +x "$work/$run.noted"
    rm -f "$work/$run".pid-*
    # No time-out around it, whose number it would be; the script as a whole has one.
    mpirun -n "$count" --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 "$work/$run.noted" \
        "$fpdm" train "$job" "${tiny[@]}" --set run.directory="$work/$run" "$@" </dev/null >>"$work/$run.log" 2>&1 &
    launcher=$!
}

# alive PID: whether the process runs; one that is dead but that nobody has asked for does not.
alive() { [ -n "$1" ] && ps -o stat= -p "$1" | grep -q '^[^Z]'; }

# slay RUN: its launcher and all its ranks at once, as when a machine loses power. Sets $code to the launcher's.
slay() {
    local file
    # Bash would tell of it; and a rank that had no time to note its number has none to be killed by.
    exec 7>&2 2>/dev/null
    # The launcher first: it would end the others in good order.
    kill -KILL "$launcher" 2>/dev/null || true
    for file in "$work/$1".pid-*; do kill -KILL "$(cat "$file")" 2>/dev/null || true; done
    code=0
    wait "$launcher" || code=$?
    exec 2>&7 7>&-
    for file in "$work/$1".pid-*; do
        [ -e "$file" ] || continue
        for _ in $(seq 100); do alive "$(cat "$file")" || break; sleep 0.1; done
    done
}

# until_saved RUN STEP: waits until a checkpoint later than STEP is there.
until_saved() {
    for _ in $(seq 1200); do
        [ "$(latest "$1")" -le "$2" ] || return 0
        sleep 0.05
    done
    cat "$work/$1.log"
    die "no checkpoint later than step $2 came in $1"
}

# Whether this processor multiplies bfloat16.
has_bf16() { grep -qE "avx512_bf16|amx_bf16" /proc/cpuinfo; }
