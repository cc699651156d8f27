# shellcheck shell=bash
# Other people's DHCP servers, on the node `dhcp` (192.168.77.3): each gives addresses on both links,
# and renewals are due after five seconds.  KIND is dnsmasq, kea or isc.

NEIGHBOUR=192.168.77.3
# what a neighbour with boot options of its own names: nobody has this address
WRONG_SERVER=192.168.77.9
WRONG_FILE=wrong/boot.efi
SERVERS=$LAB/../target/lab/servers

# neighbour KIND plain|own: own: it also names a boot server and a boot file, to everybody
neighbour() {
    NEIGHBOUR_DIR=$CELL/dhcp
    mkdir -p "$NEIGHBOUR_DIR"
    node dhcp
    cable dhcp eth0 02:77:00:00:00:03
    on dhcp ip addr add $NEIGHBOUR/24 dev eth0
    on dhcp ip route add 192.168.78.0/24 via 192.168.77.2
    "start_$1" "$2" >"$NEIGHBOUR_DIR/server.log" 2>&1
    wait_for 10 neighbour_listens || fail "$1 does not start: $(tail -1 "$NEIGHBOUR_DIR/server.log")"
}
neighbour_listens() { [[ -n $(on dhcp ss -Hln --udp "sport = :67") ]]; }

# unpacked COMMAND... &: of target/lab/servers, with its libraries
unpacked() {
    job dhcp env "LD_LIBRARY_PATH=$SERVERS/usr/lib/$(uname -m)-linux-gnu" \
        "KEA_PIDFILE_DIR=$NEIGHBOUR_DIR" "KEA_LOCKFILE_DIR=$NEIGHBOUR_DIR" "$SERVERS/usr/sbin/$1" "${@:2}"
}
need_unpacked() { [[ -x $SERVERS/usr/sbin/$1 ]] || skip "no $1: packages/unpack $SERVERS lab/conformance.d/packages"; }

start_dnsmasq() {
    need dnsmasq dnsmasq-base
    cat >"$NEIGHBOUR_DIR/conf" <<CONF
port=0
user=root
pid-file=
no-resolv
no-hosts
no-ping
dhcp-authoritative
dhcp-leasefile=$NEIGHBOUR_DIR/leases
dhcp-range=192.168.77.100,192.168.77.200,255.255.255.0,10m
dhcp-range=set:far,192.168.78.100,192.168.78.200,255.255.255.0,10m
dhcp-option=tag:far,option:router,$FAR_ROUTER
dhcp-option-force=option:T1,5
CONF
    [[ $1 == plain ]] || echo "dhcp-boot=$WRONG_FILE,wrong,$WRONG_SERVER" >>"$NEIGHBOUR_DIR/conf"
    job dhcp dnsmasq --keep-in-foreground --log-facility=- --conf-file="$NEIGHBOUR_DIR/conf" &
}

start_isc() {
    need_unpacked dhcpd
    local own=
    [[ $1 == plain ]] || own="next-server $WRONG_SERVER; filename \"$WRONG_FILE\";"
    cat >"$NEIGHBOUR_DIR/conf" <<CONF
authoritative;
ping-check false;
default-lease-time 600;
option dhcp-renewal-time 5;
$own
subnet 192.168.77.0 netmask 255.255.255.0 { range ${RANGE/-/ }; }
subnet 192.168.78.0 netmask 255.255.255.0 { range ${FAR_RANGE/-/ }; option routers $FAR_ROUTER; }
CONF
    : >"$NEIGHBOUR_DIR/leases"
    unpacked dhcpd -4 -f -d --no-pid -user root -group root -cf "$NEIGHBOUR_DIR/conf" \
        -lf "$NEIGHBOUR_DIR/leases" eth0 &
}

start_kea() {
    need_unpacked kea-dhcp4
    local own=
    [[ $1 == plain ]] ||
        own="\"next-server\": \"$WRONG_SERVER\", \"boot-file-name\": \"$WRONG_FILE\","
    cat >"$NEIGHBOUR_DIR/conf" <<CONF
{"Dhcp4": {
  "interfaces-config": {"interfaces": ["eth0"], "dhcp-socket-type": "raw"},
  "lease-database": {"type": "memfile", "name": "$NEIGHBOUR_DIR/leases", "lfc-interval": 0},
  "authoritative": true, "valid-lifetime": 600, "renew-timer": 5, "rebind-timer": 400, $own
  "subnet4": [
    {"id": 1, "subnet": "192.168.77.0/24", "pools": [{"pool": "$RANGE"}]},
    {"id": 2, "subnet": "192.168.78.0/24", "pools": [{"pool": "$FAR_RANGE"}],
     "option-data": [{"name": "routers", "data": "$FAR_ROUTER"}]}],
  "loggers": [{"name": "kea-dhcp4", "severity": "INFO", "output_options": [{"output": "stdout"}]}]
}}
CONF
    unpacked kea-dhcp4 -c "$NEIGHBOUR_DIR/conf" &
}
