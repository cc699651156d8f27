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

# servers: what $BENCH/packages names and is not installed is unpacked, so that no service of theirs ever
# starts on this machine.  A package behind "apart:" has files that another one has too, so it is
# unpacked into a folder of its name.
servers() {
    export SERVERS=$ROOT/target/bench/servers
    local list=$SERVERS/$(basename "$BENCH").packages
    cmp --quiet "$BENCH/packages" "$list" || unpack "$list"
    export PATH=$SERVERS/usr/sbin:$SERVERS/usr/bin:$PATH:/usr/sbin
    SERVER_LIBRARIES=$SERVERS/usr/lib/$(uname -m)-linux-gnu
    export SERVER_LIBRARIES
}

unpack() {
    local debs=$SERVERS/archives package
    mkdir -p "$debs/partial"
    apt-get update -qq
    # shellcheck disable=SC2046 # words
    # Others may install meanwhile.
    apt-get install -qq --download-only --no-install-recommends -y -o DPkg::Lock::Timeout=300 \
        -o Dir::Cache::archives="$debs" $(packages | grep -v '^apart:') >/dev/null
    for package in "$debs"/*.deb; do
        [[ ! -e $package ]] || dpkg-deb -x "$package" "$SERVERS"
    done
    for package in $(packages | sed -n 's/^apart://p'); do
        mkdir -p "$SERVERS/$package"
        (cd "$SERVERS/$package" && apt-get download -qq "$package" 2>/dev/null && dpkg-deb -x ./*.deb . && rm ./*.deb)
    done
    cp "$BENCH/packages" "$1"
}
packages() { sed 's/#.*//' "$BENCH/packages" | tr -d ' ' | grep .; }
