# shellcheck shell=bash
# Plain clients where another server gives addresses and pxed only says what to boot: they lease,
# renew and release there, and pxed never says a word to them.

# cell_undisturbed NEIGHBOUR plain|own
cell_undisturbed() {
    network 3
    neighbour "$1" "$2"
    configure proxy >"$CELL/pxed.toml"
    serve_file "$CELL/pxed.toml"
    local n=0 kind
    for kind in dhclient udhcpc dhcpcd; do
        n=$((n + 1))
        lives_through "$kind" "c$n"
    done
    captured
    step "what pxed sent"
    local asked sent
    asked=$(on_the_wire "udp dst port 67")
    ((asked >= 6)) || fail "only $asked requests on the wire: the cell shows nothing"
    sent=$(on_the_wire "ether src 02:77:00:00:00:01 and udp and (src port 67 or src port 4011)")
    same "datagrams that pxed sent" 0 "$sent"
    step "what pxed counted"
    local ignored
    ignored=$(on srv "$PXED" status --json --state-dir "$CELL/state" | grep -o '"not-booting":[0-9]*')
    ((${ignored#*:} >= 3)) || fail "of three clients' DISCOVERs pxed counted $ignored"
    fact "dhclient, udhcpc, dhcpcd: $asked datagrams to port 67, none from pxed"
}

# lives_through KIND NODE: a lease, a renewal, a release
lives_through() {
    step "$1: lease"
    client "$1" "$2"
    must_have_lease "$2"
    same server "$NEIGHBOUR" "$(lease "$2" server)"
    local count
    count=$(events "$2")
    step "$1: renew"
    client_renew "$1" "$2"
    wait_for 20 more_events "$2" "$count" || fail "$1: not renewed after 20 s"
    step "$1: release"
    client_release "$1" "$2"
}

# On the same machine: port 67 is dnsmasq's, and pxed hears what machines broadcast.
cell_own_host() {
    need dnsmasq dnsmasq-base
    network 2
    job srv dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --user=root --pid-file= \
        --no-ping --interface=eth0 --dhcp-range=192.168.77.50,192.168.77.60,1h \
        --dhcp-leasefile="$CELL/dnsmasq.leases" &
    wait_for 5 bound udp 67 || fail "dnsmasq does not start"
    cat >"$CELL/pxed.toml" <<EOF
dhcp-no-bind = true
state-dir = "$CELL/state"
boot-dir = "$BOOT"

[[subnet]]
interface = "eth0"
mode = "proxy"
EOF
    serve_file "$CELL/pxed.toml"
    step "a machine that boots"
    on c1 ip addr add 192.168.77.11/24 dev c1
    on c1 "$PXED" probe -i c1 --timeout 1s --as bios,uefi >"$CELL/probe.log" 2>&1 || true
    cat "$CELL/probe.log"
    local line
    for line in "address 192.168.77.5[0-9] from $SERVER" 'ProxyDHCP answer from' \
        "boots ipxe.efi by TFTP from $SERVER" 'nothing wrong was found'; do
        grep -qE -- "$line" "$CELL/probe.log" || fail "the probe does not say '$line'"
    done
    step "a plain client"
    client udhcpc c2
    must_have_lease c2
    same "boot options" "" "$(lease c2 boot)"
    local warnings
    warnings=$(grep WARN "$LOG" | grep -v 'nothing to boot' || true)
    same warnings "" "$warnings"
    fact "dnsmasq gives addresses, pxed the boot file, on one machine"
}

cell beside-own-host check 60 cell_own_host
for kind in dnsmasq kea isc; do
    cell "beside-$kind" check 90 cell_undisturbed "$kind" plain
    cell "beside-$kind-own" check 90 cell_undisturbed "$kind" own
    waits "beside-$kind" "beside-$kind-own"
done
