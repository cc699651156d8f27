# shellcheck shell=bash
# Real DHCP clients, which boot nothing.  One cell per client and subject.

in_range() { [[ $1 =~ ^192\.168\.77\.([0-9]+)$ ]] && ((BASH_REMATCH[1] >= 100 && BASH_REMATCH[1] <= 200)); }

# The address, the network's parameters, and no boot options.
cell_lease() {
    network 1
    serve --router "$SERVER" --dns "$SERVER,9.9.9.9" --domain lab.example \
        --boot-dir "$BOOT" --kernel "$BOOT/vmlinuz"
    step "first lease"
    local start
    start=$(now_ms)
    client "$1" c1
    must_have_lease c1
    fact "$(lease c1 address), $(($(now_ms) - start)) ms"
    in_range "$(lease c1 address)" || fail "$(lease c1 address) is not in the range"
    [[ $(lease c1 mask) =~ ^(24|255\.255\.255\.0)$ ]] || fail "mask $(lease c1 mask)"
    same router "$SERVER" "$(lease c1 router)"
    same dns "$SERVER 9.9.9.9" "$(lease c1 dns | tr , ' ')"
    same domain lab.example "$(lease c1 domain)"
    same server "$SERVER" "$(lease c1 server)"
    same "lease time" 3600 "$(lease c1 seconds)"
    same "boot options" "" "$(lease c1 boot)"
    local word
    for word in DISCOVER OFFER REQUEST ACK; do must_say "$word" "$(mac_of c1)"; done
}

# Really renewed: the client was told to, the server said ACK, and the client's script ran again.
cell_renew() {
    network 1
    # dhclient renews by itself, when half of the lease is over
    if [[ $1 == dhclient ]]; then serve --lease-time 10s; else serve; fi
    client "$1" c1
    must_have_lease c1
    local address count start
    address=$(lease c1 address) count=$(events c1) start=$(now_ms)
    log_mark
    step "renew"
    client_renew "$1" c1
    wait_for 12 more_events c1 "$count" || fail "not renewed after 12 s"
    must_say ACK "$(mac_of c1)"
    same address "$address" "$(lease c1 address)"
    fact "$address kept, after $(($(now_ms) - start)) ms"
}

# A released address is free: another client may have exactly this one.
cell_release() {
    network 2
    serve
    client "$1" c1
    must_have_lease c1
    local address
    address=$(lease c1 address)
    step "release"
    client_release "$1" c1
    must_say RELEASE "$(mac_of c1)"
    step "another client asks for $address"
    client udhcpc c2 "$address"
    must_have_lease c2
    same "the released address" "$address" "$(lease c2 address)"
    fact "$address free for the next"
}

cell_two() {
    network 2
    serve
    client "$1" c1
    client "$1" c2
    must_have_lease c1
    must_have_lease c2
    [[ $(lease c1 address) != "$(lease c2 address)" ]] || fail "both have $(lease c1 address)"
    fact "$(lease c1 address), $(lease c2 address)"
}

# The client asks for an address that nobody would get by chance; the server ends and starts
# again; the machine, without memory, must be given this address.
cell_restart() {
    network 1
    serve
    local wanted=192.168.77.177 mac
    mac=$(mac_of c1)
    client "$1" c1 $wanted
    must_have_lease c1
    same "the address asked for" $wanted "$(lease c1 address)"
    client_crash c1
    log_mark
    "stop_by_$2" "$mac" $wanted
    serve
    step "lease again, after the restart"
    client "$1" c1
    must_have_lease c1
    same address $wanted "$(lease c1 address)"
    fact "$wanted kept"
}

stop_by_TERM() {
    step "SIGTERM"
    stop_server TERM
    same "exit code after SIGTERM" 0 "$SERVER_STATUS"
    step "the last words list the active leases"
    said "$1" "$2" || fail "the log after SIGTERM does not list $1 $2"
}

stop_by_KILL() {
    step "SIGKILL"
    stop_server KILL
}

for kind in dhclient udhcpc dhcpcd; do
    cell "lease-$kind" check 40 cell_lease "$kind"
    cell "renew-$kind" check 60 cell_renew "$kind"
    cell "release-$kind" check 60 cell_release "$kind"
    cell "two-$kind" check 60 cell_two "$kind"
    cell "restart-$kind" check 90 cell_restart "$kind" TERM
    cell "crash-$kind" check 90 cell_restart "$kind" KILL
    waits {lease,renew,release,two,restart,crash}-"$kind"
done

# Behind ISC's relay agent, which adds option 82: a lease, a renewal that is routed past it, and
# a RELEASE.
cell_relayed() {
    network
    far_network
    node far
    cable far far 02:77:00:00:02:02 br1
    cat >"$CELL/pxed.toml" <<FILE
http-port = 8067
state-dir = "$CELL/state"
[[subnet]]
interface = "eth0"
range = "$RANGE"
[[subnet]]
network = "192.168.78.0/24"
range = "$FAR_RANGE"
router = "$FAR_ROUTER"
FILE
    serve_file "$CELL/pxed.toml"
    relay_agent "$SERVER"
    step "first lease"
    client udhcpc far
    must_have_lease far
    [[ $(lease far address) =~ ^192\.168\.78\.[12][0-9][0-9]$ ]] || fail "address $(lease far address)"
    same router "$FAR_ROUTER" "$(lease far router)"
    step "renew"
    on far ip route add default via "$FAR_ROUTER"
    local count
    count=$(events far)
    client_renew udhcpc far
    wait_for 12 more_events far "$count" || fail "not renewed after 12 s"
    step "release"
    client_release udhcpc far
    must_say RELEASE "$(mac_of far)"
    fact "$(lease far address) by $FAR_ROUTER"
}

# systemd-networkd, which sets its address itself and says what it was given in a file.
cell_networkd() {
    need /lib/systemd/systemd-networkd systemd
    network 1
    serve --router "$SERVER" --dns "$SERVER" --domain lab.example
    networkd_of c1
    wait_for 20 networkd_bound || fail "no lease after 20 s: $(tail -1 "$CELL/c1/client.log")"
    local given
    given=$(sed -n 's/^ADDRESS=//p' /run/systemd/netif/leases/*)
    in_range "$given" || fail "$given is not in the range"
    on c1 ip route show default | grep -q "via $SERVER .*proto dhcp" || fail "no default route"
    must_say ACK "$(mac_of c1)"
    fact "$given"
}

# networkd_of NODE: without udev, which a /sys that can not be written says is not there
networkd_of() {
    mkdir -p "$CELL/$1" /run/systemd/network /run/systemd/netif/{leases,links,lldp}
    chown -R systemd-network: /run/systemd/netif
    cat >/run/systemd/network/lab.network <<NETWORK
[Match]
Name=$1
[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no
[DHCPv4]
Hostname=$1
NETWORK
    job "$1" sh -c 'mount -o remount,ro /sys; exec /lib/systemd/systemd-networkd' \
        >"$CELL/$1/client.log" 2>&1 &
}
networkd_bound() { grep -qs '^ADDRESS=' /run/systemd/netif/leases/*; }

cell relayed check 60 cell_relayed
cell networkd check 60 cell_networkd
waits relayed networkd
