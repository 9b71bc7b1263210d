#!/usr/bin/env bash
# A Slurm of two nodes on this machine, for trying the scripts beside this one and for tests:
#
#   slurm/local-cluster.sh up        starts munged, slurmctld and two slurmd; says what to set. Again: changes nothing
#   slurm/local-cluster.sh status    the nodes, and the jobs
#   slurm/local-cluster.sh down      ends the jobs and the four of them, and removes their folder
#
#   slurm/local-cluster.sh up && . /tmp/fpdm-cluster-0/environment && sbatch slurm/train.sbatch jobs/digits.yaml
#
# Both nodes, n1 and n2, claim all processors of this machine, at most 4. Nothing outside the folder is read or
# written, least of all /etc/slurm: SLURM_CONF tells the commands of Slurm which cluster is meant. It runs as the
# user who starts it, root or not. It needs Debian's packages munge, slurmctld, slurmd and slurm-client, which
# scripts/setup --tests installs; nothing is installed here.
#
# Set from outside: FPDM_CLUSTER, the folder (default: /tmp/fpdm-cluster-UID); FPDM_CLUSTER_PORT, the first of three
# ports (default: three that are free); FPDM_CLUSTER_LINES, further lines of slurm.conf (default: none).
set -euo pipefail
# Debian keeps daemons where ordinary users do not look.
PATH=$PATH:/usr/sbin:/sbin
folder=${FPDM_CLUSTER:-/tmp/fpdm-cluster-$(id -u)}
nodes=(n1 n2)
export SLURM_CONF=$folder/slurm.conf

say() { echo "local-cluster: $*"; }
die() {
    say "$*" >&2
    exit 69
}

# alive NAME: whether the daemon of this name runs; its number is in $pid.
alive() {
    pid=$(cat "$folder/$1.pid" 2>/dev/null) && [ -n "$pid" ] && [ -d "/proc/$pid" ] &&
        grep -qF -- "$folder" <(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)
}

# until_true SECONDS COMMAND ...: tries until it succeeds; fails when the time is up.
until_true() {
    local tries=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $((tries--)) -gt 0 ] || return 1
        sleep 0.1
    done
}

# start NAME COMMAND ...: in the background, detached from this shell and terminal, its words in NAME.log.
start() {
    local name=$1
    shift
    if alive "$name"; then return; fi
    setsid "$@" </dev/null >>"$folder/$name.log" 2>&1 &
    echo $! >"$folder/$name.pid"
    disown $!
}

stop() {
    alive "$1" || return 0
    local number=$pid
    kill -TERM "$number" 2>/dev/null || true
    until_true 10 [ ! -d "/proc/$number" ] || kill -KILL "$number" 2>/dev/null || true
}

# The folder is removed in the end: one that holds other things is refused.
require_ours() {
    if [ -d "$folder" ] && [ -n "$(ls -A "$folder")" ] && ! grep -qx ClusterName=fpdm "$SLURM_CONF" 2>/dev/null; then
        die "$folder is not a folder of a local cluster; FPDM_CLUSTER names another"
    fi
}

free_port() {
    local port
    for port in $(seq "$1" $(($1 + 2000))); do
        # Nobody answers there; a second program that starts at this moment may still take it.
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    die "no free port from $1 on"
}

configure() {
    local user processors shape controller first second
    user=$(id -un)
    processors=$(nproc)
    if [ "$processors" -gt 4 ]; then processors=4; fi
    shape="Sockets=1 CoresPerSocket=$processors ThreadsPerCore=1"
    # From somewhere of its own, for two that start at the same moment.
    controller=$(free_port "${FPDM_CLUSTER_PORT:-$((16817 + $$ % 5000 * 3))}")
    first=$(free_port $((controller + 1)))
    second=$(free_port $((first + 1)))
    mkdir -p "$folder/state" "$folder"/n{1,2}/tmp "$folder/munge"
    chmod 700 "$folder/munge"
    if [ ! -e "$folder/munge/key" ]; then
        (umask 077 && head -c 1024 /dev/urandom >"$folder/munge/key")
    fi
    cat >"$SLURM_CONF" <<CONF
ClusterName=fpdm
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$controller
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
CredType=cred/munge
# A job that goes back into the queue waits there for as long as its credential lived.
AuthInfo=socket=$folder/munge/socket,cred_expire=5
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/%n
TmpFS=$folder/%n/tmp
SlurmctldPidFile=$folder/slurmctld.own-pid
SlurmdPidFile=$folder/%n.own-pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
NodeName=n1 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$first $shape
NodeName=n2 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$second $shape
PartitionName=test Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP
${FPDM_CLUSTER_LINES:-}
CONF
    # Jobs get it from the shell that submits them. Open MPI names its shared memory by host and local rank, which both
    # nodes have in common here: ranks talk by TCP.
    printf 'export SLURM_CONF=%q OMPI_MCA_btl=self,tcp\n' "$SLURM_CONF" >"$folder/environment"
}

up() {
    local tool missing=() node
    for tool in munged slurmctld slurmd sbatch; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    [ ${#missing[@]} = 0 ] || die "not installed: ${missing[*]}. Debian's packages munge, slurmctld, slurmd and" \
        "slurm-client have them: scripts/setup --tests"
    if ! alive slurmctld; then
        require_ours
        mkdir -p "$folder"
        chmod 755 "$folder"
        configure
    fi
    start munged munged --foreground --force --socket "$folder/munge/socket" --key-file "$folder/munge/key" \
        --pid-file "$folder/munge/pid" --log-file "$folder/munge/log" --seed-file "$folder/munge/seed"
    until_true 10 [ -S "$folder/munge/socket" ] || die "munged does not start: $folder/munged.log, $folder/munge/log"
    start slurmctld slurmctld -D -f "$SLURM_CONF"
    for node in "${nodes[@]}"; do start "$node" slurmd -D -N "$node" -f "$SLURM_CONF"; done
    until_true 30 all_idle || die "the nodes do not come up: see $folder/*.log; sinfo says: $(sinfo -h -o '%n %T' 2>&1)"
    say "two nodes are up; in this shell: . $folder/environment"
}

all_idle() {
    local states
    states=$(sinfo --noheader --Node --format '%T') || return 1
    [ "$(grep -cE '^(idle|mixed|allocated|completing)$' <<<"$states")" = ${#nodes[@]} ]
}

# Those that are ending count as well.
no_jobs() { [ -z "$(squeue --noheader 2>&1)" ]; }

status() {
    local name
    for name in munged slurmctld "${nodes[@]}"; do
        if alive "$name"; then say "$name runs ($pid)"; else say "$name does not run"; fi
    done
    alive slurmctld || exit 1
    sinfo --Node --long
    squeue
}

down() {
    local node
    if [ ! -d "$folder" ]; then
        say "nothing is up"
        return
    fi
    require_ours
    if alive slurmctld; then
        scancel --user="$(id -un)" 2>/dev/null || true
        # What holds out is killed after KillWait.
        until_true 20 no_jobs || say "jobs are still there: $(squeue --noheader)"
    fi
    for node in "${nodes[@]}"; do stop "$node"; done
    stop slurmctld
    stop munged
    rm -rf "$folder"
    say "down"
}

case ${1:-} in
up | status | down) "$1" ;;
*)
    sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 64
    ;;
esac
