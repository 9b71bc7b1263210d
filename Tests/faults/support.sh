# Sourced by the scripts beside it, which provoke faults and count them: few in CI, many with FAULTS=long (`make faults`).
# shellcheck shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/../cli/support.sh"

# times FEW MANY
times() { if [ "${FAULTS:-}" = long ]; then echo "$2"; else echo "$1"; fi; }

# counted WORDS ...: what a script has counted, for docs/reliability.md.
counted() { echo "$*" | fold -s -w 110; }

# until_saved_or_ended RUN STEP: waits for a checkpoint later than STEP, or for the end of the launcher.
until_saved_or_ended() { while alive "$launcher" && [ "$(latest "$1")" -le "$2" ]; do sleep 0.02; done; }
