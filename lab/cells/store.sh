# shellcheck shell=bash
# Leases and disks: what is acknowledged is durable, whatever happens to pxed, the power or the disk.

RELAYED=10.76.0.0/14

# storm_network: machines behind a relay agent, c1; and pxed with room for all of them
storm_network() {
    network 1
    # Two relay agents, so that one can look after the machines while the other storms.
    on c1 ip addr add 192.168.77.2/24 dev c1
    on c1 ip addr add 192.168.77.3/24 dev c1
    mkdir -p -m 700 "$CELL/state"
    cat >"$CELL/pxed.toml" <<CONFIG
state-dir = "$CELL/state"
user = "root"
http-port = 8067
machine-rate = 0
newcomer-rate = 0
port-rate = 0
[[subnet]]
interface = "eth0"
network = "192.168.77.0/24"
range = "$RANGE"
[[subnet]]
network = "$RELAYED"
relay = ["192.168.77.2", "192.168.77.3"]
server-ip = "$SERVER"
range = "10.76.0.1-10.79.255.254"
CONFIG
}

# storm SECONDS, or storm_begins, and storm_ends: machines take leases and renew them
storm() {
    on c1 "$LAB/storm" take "$CELL/machines" $SERVER 192.168.77.2 "$1" >>"$CELL/storm.log" 2>&1 ||
        fail "the storm: $(tail -1 "$CELL/storm.log")"
}
storm_begins() {
    rm -f "$CELL/storm.log"
    job c1 "$LAB/storm" take "$CELL/machines" $SERVER 192.168.77.2 >"$CELL/storm.log" 2>&1 &
    STORM=$!
    wait_for 30 storm_has_begun || fail "no storm: $(tail -1 "$CELL/storm.log")"
}
storm_has_begun() { grep -qs begun "$CELL/storm.log"; }
storm_ends() {
    local status=0
    kill -TERM "$STORM" 2>/dev/null || true
    wait "$STORM" || status=$?
    ((status == 0)) || fail "the storm: $(tail -1 "$CELL/storm.log")"
}
# must_have_kept WHAT [COUNT]: every machine, or those of the last storm and COUNT others, has the address that it
# was acknowledged before that ended
must_have_kept() {
    on c1 "$LAB/storm" check "$CELL/machines" $SERVER 192.168.77.3 "${@:2}" >"$CELL/check.log" 2>&1 ||
        fail "after $1: $(tail -1 "$CELL/check.log")"
}

# A system-call trace: each ACK leaves after the fdatasync of its lease.
cell_each_ack_synced() {
    need strace strace
    storm_network
    # shellcheck disable=SC2016 # expanded by the inner shell
    job srv strace -f -y -xx -s 1000000 -o "$CELL/trace" \
        -e trace=pwrite64,fdatasync,sendto,sendmsg,sendmmsg \
        "$PXED" serve --config "$CELL/pxed.toml" 2>>"$LOG" &
    SERVER_PID=$!
    wait_for 20 listening || fail "pxed does not listen: $(tail -1 "$LOG")"
    storm 2
    # strace itself lets no signal end it.
    kill -TERM "$(cat "$CELL/state/pxed.lock")"
    wait_gone 20 "$SERVER_PID" || fail "pxed runs on"
    "$LAB/synced" "$CELL/trace" >"$CELL/synced.log" 2>&1 || fail "$(tail -1 "$CELL/synced.log")"
    fact "$(tail -1 "$CELL/synced.log")"
}

# So many that are older are asked after each round, and all in the end, since what is lost is lost for good; to
# ask all each time would take most of the time.
OLDER=500

# kill -9 at any moment of a storm of writes, ROUNDS times.
cell_kill_storm() {
    local round
    storm_network
    for ((round = 1; round <= $1; round++)); do
        step "round $round"
        serve_file "$CELL/pxed.toml"
        [[ ! -e $CELL/machines ]] || must_have_kept "kill $((round - 1))" $OLDER
        storm_begins
        sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
        stop_server KILL
        storm_ends
    done
    serve_file "$CELL/pxed.toml"
    must_have_kept "the last kill"
    stop_server TERM
    same "exit code after SIGTERM" 0 "$SERVER_STATUS"
    fact "$1 kills, $(tail -1 "$CELL/check.log")"
}

# with_losing_disk: the state directory is a disk that loses what was not synced
with_losing_disk() {
    [[ -e /dev/fuse ]] || skip "no /dev/fuse"
    /usr/bin/python3 -c "import fusepy" 2>/dev/null || skip "no fusepy: apt-get install python3-fusepy"
    job switch "$LAB/losing-disk" "$CELL/state" "$RANDOM" >"$CELL/disk.log" 2>&1 &
    DISK_PID=$!
    wait_for 10 mountpoint -q "$CELL/state" || skip "no FUSE here: $(tail -1 "$CELL/disk.log")"
}
disk() { echo "$*" >"$CELL/state/.control"; }

# The power goes ROUNDS times in a storm of writes.
cell_power_cuts() {
    local round
    storm_network
    with_losing_disk
    for ((round = 1; round <= $1; round++)); do
        step "round $round"
        serve_file "$CELL/pxed.toml"
        [[ ! -e $CELL/machines ]] || must_have_kept "cut $((round - 1))" $OLDER
        storm_begins
        sleep "0.$((RANDOM % 9))$((RANDOM % 10))"
        # What is sent after this is not looked at: the disk goes first, as it may.
        kill -STOP "$SERVER_PID"
        disk cut
        stop_server KILL
        storm_ends
    done
    serve_file "$CELL/pxed.toml"
    must_have_kept "the last cut"
    stop_server TERM
    fact "$1 cuts, $(tail -1 "$CELL/check.log")"
}

# A disk fails in one way after the other; and then the power goes.
cell_failing_disk() {
    storm_network
    with_losing_disk
    serve_file "$CELL/pxed.toml"
    storm 1
    local fault faults=0
    for fault in "sync EIO commits" "write EIO commits" "sync EIO leases.db-wal" "sync EIO leases.db" \
        "write EIO leases.db" "change EROFS" "change ENOSPC" "sync EIO"; do
        step "$fault"
        log_mark
        disk "fail $fault"
        storm_begins
        wait_for 30 log_since "leases can not be stored" || fail "nothing is said of $fault"
        sleep 0.3
        # Whose lease is stored is served all the while.
        must_have_kept "the beginning of $fault"
        storm_ends
        disk heal
        wait_for 60 log_since "leases are stored again" || fail "pxed does not mend itself after $fault"
        same "how often it is said" 1 "$(tail -n +$((LOG_MARK + 1)) "$LOG" | grep -c "can not be stored:")"
        must_have_kept "$fault"
        kill -STOP "$SERVER_PID"
        disk cut
        stop_server KILL
        serve_file "$CELL/pxed.toml"
        must_have_kept "$fault and a power cut"
        faults=$((faults + 1))
    done
    stop_server TERM
    same "exit code after SIGTERM" 0 "$SERVER_STATUS"
    fact "$faults faults, $(tail -1 "$CELL/check.log")"
}

cell each-ack-synced check 90 cell_each_ack_synced
cell kill-storm check 300 cell_kill_storm 20
cell power-cuts check 300 cell_power_cuts 15
cell failing-disk check 300 cell_failing_disk
cell kill-storm-long full 1800 cell_kill_storm 300
cell power-cuts-long full 1800 cell_power_cuts 200
