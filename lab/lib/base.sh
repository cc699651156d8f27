# shellcheck shell=bash
# What every part of a cell uses: telling how it goes, and waiting with a deadline.
# $CELL is the cell's folder of results.

# step TEXT: what is being done now; the last one is named when a cell fails
step() { echo "$*" >"$CELL/step"; echo "--- $*"; }

# fact TEXT: what the cell's line will say
fact() { echo "$*" >"$CELL/fact"; }

fail() { echo "$*" >"$CELL/failure"; echo "FAILED: $*"; exit 1; }

# skip TEXT: the cell cannot run here, and TEXT says what would let it
skip() { echo "$*" >"$CELL/failure"; echo "SKIPPED: $*"; exit 77; }

# need COMMAND-OR-FILE PACKAGE
need() {
    command -v "$1" >/dev/null || [[ -e $1 ]] || skip "no $1: apt-get install $2"
}

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# wait_for SECONDS COMMAND...: polls; false when COMMAND is still false at the deadline
wait_for() {
    local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
    shift
    until "$@"; do
        ((${EPOCHREALTIME/./} < deadline)) || return 1
        sleep 0.05
    done
}

# wait_gone SECONDS PID: until the process has ended
wait_gone() { wait_for "$1" not running "$2"; }
running() { [[ -d /proc/$1 && $(ps_state "$1") != Z ]]; }
ps_state() { sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null; }
not() { ! "$@"; }

same() { [[ $2 == "$3" ]] || fail "$1: expected '$2', got '$3'"; }
