# Sourced by the scripts beside it: what ../cli has, and a Slurm of two nodes on this machine, n1 and n2.
# shellcheck shell=bash
# shellcheck source=Tests/cli/support.sh
. "$(dirname "${BASH_SOURCE[0]}")/../cli/support.sh"
export FPDM=$fpdm FPDM_CLUSTER=$work/cluster
# Both nodes are this machine: ranks that wait must not spin where another needs the core.
export OMPI_MCA_mpi_yield_when_idle=1
trap 'slurm/local-cluster.sh down >/dev/null 2>&1; rm -rf "$work"' EXIT
# Where Slurm is not to be had this fails: a test that is left out shows nothing.
slurm/local-cluster.sh up
. "$FPDM_CLUSTER/environment"

# submit RUN OPTION ... -- ARGUMENT ...: a job of slurm/train.sbatch that trains into RUN; its number is in $id, its
# words go to RUN.log.
submit() {
    local run=$1 options=()
    shift
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    id=$(sbatch --parsable --output="$work/$run.log" "${options[@]}" slurm/train.sbatch "$job" "${tiny[@]}" \
        --set run.directory="$work/$run" "$@")
}

# state ID: of a job, such as RUNNING.
state() { scontrol show job "$1" --oneliner | sed -n 's/.* JobState=\([A-Z_]*\).*/\1/p'; }

# until_state ID STATE RUN: waits for it; RUN.log is shown where it does not come.
until_state() {
    for _ in $(seq 1200); do
        [ "$(state "$1")" != "$2" ] || return 0
        sleep 0.1
    done
    cat "$work/$3.log"
    die "job $1 is $(state "$1"), not $2"
}

# ended ID RUN: waits until a job is over; its exit code is in $code.
ended() {
    for _ in $(seq 1200); do
        case $(state "$1") in PENDING | CONFIGURING | RUNNING | COMPLETING | REQUEUED) sleep 0.1 ;; *) break ;; esac
    done
    code=$(scontrol show job "$1" --oneliner | sed -n 's/.* ExitCode=\([0-9]*\):.*/\1/p')
}

# until_said RUN TEXT [TIMES]: waits until RUN.log says it (so many times).
until_said() {
    local count
    for _ in $(seq 1200); do
        count=$(grep -cF -- "$2" "$work/$1.log" 2>/dev/null || true)
        [ "${count:-0}" -lt "${3:-1}" ] || return 0
        sleep 0.1
    done
    cat "$work/$1.log"
    die "$1 does not say \"$2\""
}

# processes RUN: the numbers of its ranks, without their launcher's.
processes() {
    local pid
    for pid in $(pgrep -f -- "run.directory=$work/$1( |\$)"); do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$(basename "$fpdm")" ] || echo "$pid"
    done
}

# freeze RUN COUNT: its so many ranks stand still from here on, or it would be over before its time limit comes.
freeze() {
    mapfile -t frozen < <(processes "$1")
    [ "${#frozen[@]}" = "$2" ] || { cat "$work/$1.log"; die "$1: ${#frozen[@]} ranks instead of $2"; }
    kill -STOP "${frozen[@]}"
}

# thaw RUN
thaw() {
    mapfile -t frozen < <(processes "$1")
    kill -CONT "${frozen[@]}"
}
