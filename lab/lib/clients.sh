# shellcheck shell=bash
# Real DHCP clients, on the nodes c1, c2 ...: each runs as it does on a real machine,
# with two differences: lib/client-hook stands in for its script, and its files are in
# $CELL/NODE.  KIND is dhclient, udhcpc or dhcpcd.

# client KIND NODE [ADDRESS]: start it, as a machine without memory of any lease;
# ADDRESS is what it asks for
client() {
    local kind=$1 node=$2 dir=$CELL/$2
    mkdir -p "$dir"
    rm -f "$dir/lease" "$dir/leases"
    # a wrapper, since these clients give their scripts an environment of their own
    printf '#!/bin/sh\nexport DIR=%s\nexec %s/lib/client-hook "$@"\n' "$dir" "$LAB" >"$dir/hook"
    chmod 755 "$dir/hook"
    "start_$kind" "$node" "$dir" "${3:-}" >>"$dir/client.log" 2>&1
}

start_dhclient() {
    need dhclient isc-dhcp-client
    # a copy, since an AppArmor profile ties the original to its usual files
    [[ -x /run/lab/dhclient ]] || cp "$(command -v dhclient)" /run/lab/dhclient
    {
        echo 'timeout 10; also request tftp-server-name, bootfile-name;'
        [[ -z $3 ]] || echo "send dhcp-requested-address $3;"
    } >"$2/conf"
    touch "$2/leases"
    job "$1" /run/lab/dhclient -4 -1 -d -sf "$2/hook" -cf "$2/conf" -lf "$2/leases" -pf "$2/pid" "$1" &
    CLIENT_PIDS[$1]=$!
}

start_udhcpc() {
    need udhcpc udhcpc
    job "$1" udhcpc -f -n -t 5 -T 1 -A 2 -i "$1" -s "$2/hook" -O tftp -O bootfile ${3:+-r "$3"} &
    CLIENT_PIDS[$1]=$!
}

start_dhcpcd() {
    need dhcpcd dhcpcd-base
    rm -f "/var/lib/dhcpcd/$1.lease"
    # its own vendor class would name this machine's kernel
    printf '%s\n' 'option domain_name_servers, domain_name, tftp_server_name, bootfile_name' \
        'vendorclassid dhcpcd' >"$2/conf"
    # -A: no ARP probing, which takes 5 s; -B: do not go to the background
    job "$1" dhcpcd -4 -B -A -d -f "$2/conf" -c "$2/hook" ${3:+-r "$3"} "$1" &
    CLIENT_PIDS[$1]=$!
}
declare -A CLIENT_PIDS

# client_renew KIND NODE: now; dhclient cannot be told, it renews when half of the lease is over
client_renew() {
    case $1 in
        udhcpc) kill -USR1 "${CLIENT_PIDS[$2]}" ;;
        dhcpcd) on "$2" dhcpcd -4 -N "$2" >>"$CELL/$2/client.log" 2>&1 ;;
    esac
}

client_release() {
    local dir=$CELL/$2
    case $1 in
        udhcpc) kill -USR2 "${CLIENT_PIDS[$2]}" ;;
        dhcpcd) on "$2" dhcpcd -4 -k "$2" ;;
        dhclient) on "$2" /run/lab/dhclient -4 -r -sf "$dir/hook" -cf "$dir/conf" -lf "$dir/leases" \
            -pf "$dir/pid" "$2" ;;
    esac >>"$dir/client.log" 2>&1
}

# client_crash NODE: the machine loses power: no release, no memory, no address
client_crash() {
    kill -KILL "${CLIENT_PIDS[$1]}" 2>/dev/null || true
    wait "${CLIENT_PIDS[$1]}" 2>/dev/null || true
    local pid
    for pid in $(ip netns pids "$1"); do kill -KILL "$pid" 2>/dev/null || true; done
    rm -f "/run/dhcpcd/$1"* "$CELL/$1/pid" "$CELL/$1/lease"
    on "$1" ip addr flush dev "$1"
}

has_lease() { [[ -s $CELL/$1/lease ]]; }
must_have_lease() {
    wait_for 12 has_lease "$1" || fail "$1 has no lease after 12 s"
}

# lease NODE FIELD: address, mask, router, dns, domain, seconds, server, boot
lease() { sed -n "s/^$2=//p" "$CELL/$1/lease"; }

# events NODE: how often its client was given a lease, first or renewed
events() { wc -l <"$CELL/$1/events"; }
more_events() { (($(events "$1") > $2)); }
