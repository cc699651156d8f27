# shellcheck shell=bash
# A second link, 192.168.78.0/24, with a switch br1 of its own.  The node `relay` (192.168.77.2 and
# 192.168.78.1) routes between the two, and is the relay agent.

FAR_RANGE=192.168.78.100-192.168.78.200
FAR_ROUTER=192.168.78.1

# far_network: the second link, and the node `relay`
far_network() {
    node relay
    cable relay above 02:77:00:00:02:01
    on relay ip addr add 192.168.77.2/24 dev above
    ip link add br1 type bridge forward_delay 0 stp_state 0
    ip link set br1 up
    cable relay below 02:77:00:00:02:03 br1
    on relay ip addr add $FAR_ROUTER/24 dev below
    echo 1 | on relay tee /proc/sys/net/ipv4/ip_forward >/dev/null
    on srv ip route add 192.168.78.0/24 via 192.168.77.2
}

# relay_agent SERVER...: of $AGENT.  ISC's adds option 82, dnsmasq's does not.
relay_agent() {
    "start_relay_$AGENT" "$@" >"$CELL/relay.log" 2>&1
    wait_for 5 relaying || fail "the relay agent does not start: $(tail -1 "$CELL/relay.log")"
}
AGENT=dhcrelay
relaying() { [[ -n $(on relay ss -Hln --udp "sport = :67") ]]; }

start_relay_dhcrelay() { job relay "$BOOT/dhcrelay" -4 -d -a -id below -iu above "$@" & }

start_relay_dnsmasq() {
    need dnsmasq dnsmasq-base
    job relay dnsmasq --keep-in-foreground --log-facility=- --conf-file=/dev/null --port=0 \
        --user=root --pid-file= "${@/#/--dhcp-relay=$FAR_ROUTER,}" &
}
