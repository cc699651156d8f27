# shellcheck shell=bash
# pxed as a program: what it refuses, what it gives up, what it keeps.

# Two networks at the server; it was told to serve one.
cell_silent() {
    network 1
    node other
    ip link add eth1 netns srv type veth peer name other netns other
    on srv ip addr add 192.168.88.1/24 dev eth1
    on srv ip link set eth1 up
    on other ip link set other up
    capture srv eth1 other
    serve --boot-dir "$BOOT"
    step "a client on the interface that is not served"
    client udhcpc other
    step "a client on the interface that is"
    client udhcpc c1
    must_have_lease c1
    wait_gone 15 "${CLIENT_PIDS[other]}" || fail "udhcpc does not give up"
    not has_lease other || fail "pxed answers on an interface that it was not told to serve"
    captured
    local sent asked
    asked=$(tcpdump -nr "$CELL/other.pcap" 'udp dst port 67' 2>/dev/null | wc -l)
    sent=$(tcpdump -nr "$CELL/other.pcap" 'udp src port 67' 2>/dev/null | wc -l)
    ((asked > 2)) || fail "only $asked requests on the wire: the cell shows nothing"
    same "packets sent to the other network" 0 "$sent"
    fact "$asked requests, none answered"
}

# SO_REUSEADDR would let two DHCP servers share the port, and lose each other's renewals.
cell_port_owned() {
    need dnsmasq dnsmasq-base
    network
    job srv dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --user=root --pid-file= \
        --dhcp-range=192.168.77.50,192.168.77.60 --dhcp-leasefile="$CELL/dnsmasq.leases" &
    local owner=$!
    wait_for 5 bound udp 67 || fail "dnsmasq does not start"
    refuses_to_start "$PXED" serve -i eth0 --range "$RANGE" --state-dir "$CELL/state"
    refusal_says 67
    refusal_says dnsmasq
    refusal_says "\b$owner\b"
    fact "$(tail -1 "$CELL/refusal.log")"
}

cell_no_privilege() {
    network
    mkdir -m 777 "$CELL/state"
    refuses_to_start setpriv --reuid nobody --regid nogroup --clear-groups \
        --inh-caps=-all --bounding-set=-all --no-new-privs \
        "$PXED" serve -i eth0 --range "$RANGE" --state-dir "$CELL/state"
    refusal_says CAP_NET_RAW
    refusal_says CAP_NET_BIND_SERVICE
    fact "$(tail -1 "$CELL/refusal.log")"
}

# Every thread: capabilities and identities belong to threads, not to the process.
cell_drops_privilege() {
    network 1
    serve --user nobody --boot-dir "$BOOT"
    local task effective
    for task in /proc/"$SERVER_PID"/task/*/status; do
        effective=$((16#$(status_field "$task" CapEff)))
        # bits 10 and 13: CAP_NET_BIND_SERVICE and CAP_NET_RAW
        ((effective & ~0x2400)) && fail "$task: CapEff $(capsh --decode="$(printf %x $effective)")"
        same "NoNewPrivs of $task" 1 "$(status_field "$task" NoNewPrivs)"
        same "Uid of $task" "$(id -u nobody)" "$(status_field "$task" Uid)"
    done
    # Whoever has said how nice it is to be is heard.
    [[ $(nice) != 0 ]] || same "niceness of the DHCP thread" -5 "$(ps -L -o comm=,ni= -p "$SERVER_PID" | awk '$1 == "pxed-dhcp" {print $2}')"
    step "and still serves"
    client udhcpc c1
    must_have_lease c1
    on c1 curl -sSf --max-time 10 -o "$CELL/noise" "$FILES_URL/noise"
    cmp "$BOOT/noise" "$CELL/noise" || fail "noise differs"
    rm "$CELL/noise"
    stop_server TERM
    same "exit code after SIGTERM" 0 "$SERVER_STATUS"
    fact "CapEff $(printf %x $effective), uid $(id -u nobody)"
}
status_field() { awk -v field="$2:" '$1 == field {print $2}' "$1"; }

# Commit, then transmit: whoever has an ACK is in the database, even when pxed dies at once.
cell_durable() {
    need sqlite3 sqlite3
    network 1
    serve
    client udhcpc c1
    must_have_lease c1
    stop_server KILL
    sqlite3 "$CELL/state/leases.db" .dump >"$CELL/leases.sql" || fail "sqlite3 cannot read leases.db"
    local address mac
    address=$(lease c1 address) mac=$(mac_of c1)
    # text, number or blob: how it is written is pxed's business
    grep -qiE "'$address'|\b$(number "$address")\b|X'$(printf %08x "$(number "$address")")'" \
        "$CELL/leases.sql" || fail "no $address in leases.db"
    grep -qiE "'$mac'|X'${mac//:/}'|'${mac//:/}'" "$CELL/leases.sql" || fail "no $mac in leases.db"
    fact "$address $mac, read after SIGKILL"
}
number() {
    local IFS=.
    # shellcheck disable=SC2086
    set -- $1
    echo $((($1 << 24) + ($2 << 16) + ($3 << 8) + $4))
}

# Does the lab notice silence?  Without this, a broken check would pass for ever.
cell_lab_notices() {
    need tshark tshark
    need busybox busybox-static
    network 1
    client udhcpc c1
    wait_gone 15 "${CLIENT_PIDS[c1]}" || fail "udhcpc does not give up"
    not has_lease c1 || fail "a lease, without a server"
    on c1 ip addr add 192.168.77.11/24 dev c1
    job srv busybox httpd -f -p 8067 -h "$CELL" &
    wait_for 5 bound tcp 8067 || fail "busybox httpd does not start"
    on c1 curl -sS --max-time 2 "tftp://$SERVER/nobody" "$FILES_URL/absent" >/dev/null || true
    captured
    local status=0 request
    "$LAB/unanswered" "$CELL/wire.pcap" "$(mac_of c1)" >"$CELL/unanswered.log" || status=$?
    same "exit code of unanswered" 1 $status
    for request in "DHCP DISCOVER" "TFTP read nobody"; do
        grep -qF "$request" "$CELL/unanswered.log" || fail "unanswered did not see: $request"
    done
    fact "$(tail -1 "$CELL/unanswered.log")"
}

# The list of what a DHCP server must do, in raw frames: no item that passed may fail.
cell_conformance() {
    local status=0
    PYTHONDONTWRITEBYTECODE=1 python3 "$LAB/conformance.d" pxed --work "$CELL/beds" \
        --results "$CELL/results.tsv" --expect "$LAB/../docs/conformance/pxed.tsv" \
        >"$CELL/report.log" 2>&1 || status=$?
    fact "$(grep -E '^[0-9]+ pass' "$CELL/report.log")"
    ((status == 0)) || fail "$(tail -1 "$CELL/report.log")"
}

# Ten thousand made-up machines a second (docs/security.md): two that are known are served all the
# while, and a newcomer is when the offers are over. How fast is recorded, not tested.
cell_flood() {
    network 2
    cat >"$CELL/pxed.toml" <<EOF
state-dir = "$CELL/state"
[[subnet]]
interface = "eth0"
range = "$RANGE"
offer-hold = "3s"
[[reservation]]
mac = "02:77:00:00:aa:01"
address = "192.168.77.50"
EOF
    serve_file "$CELL/pxed.toml"
    client udhcpc c2
    must_have_lease c2
    local address status=0
    address=$(on c2 ip -4 -o addr show dev c2 | awk '{sub("/.*", "", $4); print $4}')
    kill "${CLIENT_PIDS[c2]}"
    wait_gone 5 "${CLIENT_PIDS[c2]}" || fail "udhcpc does not end"
    step "the flood"
    on c1 python3 "$LAB/flood" send 10000 6 c1 >"$CELL/sent.log" &
    local flood=$!
    on c2 python3 "$LAB/flood" measure 5 c2 "$address" >"$CELL/waited.log" 2>&1 || status=$?
    wait "$flood" || fail "the flood did not run"
    ((status == 0)) || fail "$(tail -1 "$CELL/waited.log")"
    step "a newcomer afterwards"
    client udhcpc c1
    must_have_lease c1
    fact "$(cat "$CELL/sent.log"); $(paste -sd ';' "$CELL/waited.log")"
}

# The server's address is a bridge's, as where virtual machines boot beside real ones.
cell_bridge() {
    network 1
    on srv sh -ec "
        ip addr flush dev eth0
        ip link add br1 type bridge forward_delay 0
        ip link set eth0 master br1
        ip addr add $SERVER/24 dev br1
        ip link set br1 up"
    start_server -i br1 --mode full --range "$RANGE" --http-port 8067 --state-dir "$CELL/state"
    client udhcpc c1
    must_have_lease c1
    log_mark
    client_renew udhcpc c1
    must_say renewing "$(mac_of c1)"
    fact "leased and renewed on br1"
}

# An interface that is deleted and made again, as that of a virtual machine or a USB adapter: how
# long is it there, and not served? The times are recorded; that it is served at all is tested.
cell_interface_returns() {
    network 1
    mkdir "$CELL/files"
    echo hello >"$CELL/files/hello"
    serve --boot-dir "$CELL/files"
    client udhcpc c1
    must_have_lease c1
    local round begun times=()
    for round in 1 2 3 4 5; do
        step "round $round"
        log_mark
        ip link del srv-eth0
        wait_for 5 log_since "eth0 is gone" || fail "pxed does not see it go"
        cable srv eth0 02:77:00:00:00:01
        on srv ip addr add "$SERVER/24" dev eth0
        begun=$(now_ms)
        wait_for 20 hello || fail "it is not served again"
        times+=($(($(now_ms) - begun)))
    done
    local renewed
    renewed=$(events c1)
    client_renew udhcpc c1
    wait_for 12 more_events c1 "$renewed" || fail "no renewal after that"
    fact "served again after ${times[*]} ms"
}
hello() { on c1 curl -s --max-time 0.2 -o /dev/null "tftp://$SERVER/hello"; }

cell silent check 60 cell_silent
cell port-owned check 30 cell_port_owned
cell no-privilege check 30 cell_no_privilege
cell drops-privilege check 60 cell_drops_privilege
cell durable check 60 cell_durable
cell lab-notices check 60 cell_lab_notices
cell flood check 60 cell_flood
cell bridge check 60 cell_bridge
cell interface-returns check 60 cell_interface_returns
cell conformance check 180 cell_conformance
waits silent lab-notices interface-returns conformance
