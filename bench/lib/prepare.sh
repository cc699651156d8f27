# shellcheck shell=bash
# What every bench/*/run does first.  BENCH is the directory of the one that sources this.
#
#   PXED=FILE PXED_BENCH=FILE   the binaries (target/release/...); built if they are missing
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
ROOT=$(dirname "$(dirname "$BENCH")")
LAB=$ROOT/lab
export PYTHONPATH=$ROOT/bench/lib
NAME=bench/$(basename "$BENCH")
# shellcheck source=lab/lib/enter.sh
source "$LAB/lib/enter.sh"

# bench OPTION...: all of it, from the packages to the table
bench() {
    case ${1:-} in --help | --table) exec python3 "$BENCH" "$@" ;; esac
    [[ $EUID == 0 ]] || { echo "$NAME/run: needs root, for network namespaces" >&2; exit 1; }
    binaries
    servers
    # On a disk, as leases are, and not in memory.
    export CELL=$ROOT/target/$NAME BOOT=$ROOT/target/bench/boot
    mkdir -p "$ROOT/target/bench"
    # One run at a time, since each takes both cores.
    exec 9>"$ROOT/target/bench/lock"
    flock --nonblock 9 || { echo "$NAME/run: another one runs" >&2; exit 1; }
    rm -rf "$CELL"
    mkdir -p "$CELL" "$BOOT"
    (enter python3 "$BENCH" "$@")
    mkdir -p "$BENCH/results"
    cp "$CELL/results.jsonl" "$BENCH/results/last.jsonl"
    python3 "$BENCH" --table
}

binaries() {
    local target=${CARGO_TARGET_DIR:-$ROOT/target}
    [[ -n ${PXED:-} && -n ${PXED_BENCH:-} ]] ||
        cargo build --manifest-path "$ROOT/Cargo.toml" --release --locked --quiet -p pxed -p pxed-bench
    export LAB PXED=${PXED:-$target/release/pxed} PXED_BENCH=${PXED_BENCH:-$target/release/pxed-bench}
}

# servers: of $BENCH/packages, unpacked, so that no service of theirs ever starts on this machine
servers() {
    export SERVERS=$ROOT/target/bench/servers
    "$ROOT/packages/unpack" "$SERVERS" "$BENCH/packages"
    export PATH=$SERVERS/usr/sbin:$SERVERS/usr/bin:$PATH:/usr/sbin
    SERVER_LIBRARIES=$SERVERS/usr/lib/$(uname -m)-linux-gnu
    export SERVER_LIBRARIES
}
