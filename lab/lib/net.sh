# shellcheck shell=bash
# The network of a cell.  The cell's own network namespace is the switch: a bridge br0
# with a port for every node and a tap for every virtual machine.  Nodes are namespaces:
#
#   srv         the server: eth0 192.168.77.1/24
#   c1, c2 ...  clients: one interface, named like the node, without an address
#
# Names are private to the cell (lib/enter.sh), so cells and whole runs never collide.

SERVER=192.168.77.1
RANGE=192.168.77.100-192.168.77.200

# on NODE COMMAND...
on() { ip netns exec "$@"; }

# job NODE COMMAND... &: nothing but exec between the shell and COMMAND, so that $! is the
# command's own id, and a signal reaches the command.  The node `switch` is the cell itself.
job() {
    [[ $1 != switch ]] || exec "${@:2}"
    exec ip netns exec "$@"
}

mac_of() { ip netns exec "$1" cat "/sys/class/net/$1/address"; }

node() {
    ip netns add "$1"
    on "$1" ip link set lo up
    # no router solicitations and duplicate address detection in the captures
    echo 1 | on "$1" tee /proc/sys/net/ipv6/conf/{all,default}/disable_ipv6 >/dev/null
}

# cable NODE INTERFACE MAC [SWITCH]: a port on the switch, the other end in NODE.
# Checksum offload is off, or clients that read raw frames see unfinished checksums.
cable() {
    local port=$1-$2
    ip link add "$port" type veth peer name "$2" netns "$1" address "$3"
    ip link set "$port" master "${4:-br0}" up
    ethtool -K "$port" tx off >/dev/null
    on "$1" ethtool -K "$2" tx off >/dev/null
    on "$1" ip link set "$2" up
}

# network [CLIENTS]: everything that a cell starts from
network() {
    local n
    ip link set lo up
    ip link add br0 type bridge forward_delay 0 stp_state 0
    ip link set br0 up
    node srv
    cable srv eth0 02:77:00:00:00:01
    on srv ip addr add $SERVER/24 dev eth0
    for ((n = 1; n <= ${1:-0}; n++)); do
        node "c$n"
        cable "c$n" "c$n" "$(printf '02:77:00:00:01:%02x' "$n")"
    done
    capture srv eth0 wire
}

# capture NODE INTERFACE NAME: into NAME.pcap, from the moment this returns
capture() {
    local pcap=$CELL/$3.pcap
    # -Z root: the default user may not write here; -B: no drops while a kernel passes by
    job "$1" tcpdump -i "$2" -Z root -U --immediate-mode -B 16384 -s 1600 -w "$pcap" \
        2>"$CELL/$3.tcpdump.log" &
    CAPTURES+=($!)
    wait_for 5 test -s "$pcap" || fail "tcpdump does not start: $(tail -1 "$CELL/$3.tcpdump.log")"
}
CAPTURES=()

# captured: ends the captures, so that the files are whole
captured() {
    local pid
    for pid in "${CAPTURES[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${CAPTURES[@]}"; do wait "$pid" || true; done
    CAPTURES=()
}

# on_the_wire FILTER: how many frames of the server's interface it matches
on_the_wire() { tcpdump -nr "$CELL/wire.pcap" "$1" 2>/dev/null | wc -l; }
