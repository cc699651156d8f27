# shellcheck shell=bash
# Faults that are planted in a network, and `pxed probe`, which has to find each and nothing else.

NET=192.168.77.

# The network: servers on srv and on other, which both have an eth0, and the probe on c1.
probed() {
    need dnsmasq dnsmasq-base
    network 1
    on c1 ip addr add ${NET}11/24 dev c1
    on srv ip addr add ${NET}3/24 dev eth0
    node other
    cable other eth0 02:77:00:00:00:02
    on other ip addr add ${NET}2/24 dev eth0
    install -d "$CELL/tftp"
    cp "$BOOT"/{undionly.kpxe,ipxe.efi} "$CELL/tftp"
    PLANTED=() FOUND=0
}

# dhcp NODE OPTION...: dnsmasq there. With PINGS empty it looks whether an address is free, for 3 s.
dhcp() {
    local node=$1
    shift
    job "$node" dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --user=root --pid-file= \
        ${PINGS---no-ping} --dhcp-leasefile="$CELL/$node.leases" --interface=eth0 --bind-dynamic "$@" \
        2>>"$CELL/$node-dnsmasq.log" &
    PLANTED+=($!)
    wait_for 5 has_port "$node" 67 || fail "dnsmasq does not start on $node"
}
has_port() { [[ -n $(on "$1" ss -Hlnu "sport = :$2") ]]; }

# leases NODE OPTION...: one that gives addresses, and answers proxy_dhcp
leases() { dhcp "$1" --dhcp-range=${NET}50,${NET}60,1h "${@:2}"; }
serves_files() { leases srv --enable-tftp --tftp-root="$CELL/tftp" "$@"; }

# rogue NODE ADDRESS KEY=VALUE...: lab/rogue there
rogue() {
    local log=$CELL/rogue.$((++ROGUES))
    job "$1" python3 "$LAB/rogue" "${@:2}" >"$log" 2>&1 &
    PLANTED+=($!)
    wait_for 5 grep -q ready "$log" || fail "lab/rogue does not start: $(tail -1 "$log")"
}
ROGUES=0

# finds CODES CLIENTS TEXT: the probe, as these clients, finds exactly these faults and says TEXT.
# What was planted is gone afterwards.
finds() {
    local codes status=0 pid expected=1
    step "$1"
    on c1 "$PXED" probe -i c1 --timeout 1s --as "$2" >"$CELL/probe.log" 2>&1 || status=$?
    cat "$CELL/probe.log"
    codes=$(sed -nE 's/.* \[([a-z-]+)\]$/\1/p' "$CELL/probe.log" | sort | paste -sd ' ')
    same "what the probe found ($3)" "$1" "$codes"
    grep -qE -- "$3" "$CELL/probe.log" || fail "the probe does not say '$3'"
    [[ -n $1 ]] || expected=0
    same "exit code of the probe" $expected $status
    [[ -z $1 ]] || FOUND=$((FOUND + 1))
    for pid in "${PLANTED[@]}"; do
        kill "$pid"
        wait_gone 5 "$pid" || fail "$pid does not end"
    done
    PLANTED=()
}

# Nothing is leased: an OFFER is a promise, and only a REQUEST takes it.
no_leases() {
    [[ ! -s $CELL/srv.leases && ! -s $CELL/other.leases ]] || fail "the probe has a lease"
    captured
    local requests
    requests=$(tcpdump -nr "$CELL/wire.pcap" 'udp dst port 67 and udp[8+242] != 1' 2>/dev/null | wc -l)
    same "messages to port 67 that are no DISCOVER" 0 "$requests"
}

cell_probe_servers() {
    probed
    finds no-answer bios,uefi,http,ipxe,plain 'nobody answers on c1'
    serves_files --dhcp-match=set:efi,93,7 --dhcp-match=set:http,93,16 --dhcp-userclass=set:ipxe,iPXE \
        --dhcp-boot=tag:efi,tag:!ipxe,ipxe.efi --dhcp-boot=tag:ipxe,hello.ipxe \
        --dhcp-boot=tag:!ipxe,tag:!efi,tag:!http,undionly.kpxe
    echo '#!ipxe' >"$CELL/tftp/hello.ipxe"
    finds "" bios,uefi,ipxe,plain "nothing wrong was found"
    serves_files --dhcp-boot=undionly.kpxe
    leases other --dhcp-boot=undionly.kpxe,,$SERVER
    finds two-dhcp-servers bios "2 DHCP servers give addresses: $SERVER at .* and ${NET}2 at "
    serves_files --dhcp-ignore=tag:efi --dhcp-match=set:efi,93,7 --dhcp-boot=undionly.kpxe
    finds not-answered bios,uefi "nobody answers it, though $SERVER answers others"
    leases srv
    finds no-boot-file bios,uefi,ipxe,plain 'BIOS PXE, UEFI PXE \(x64\) and iPXE: it gets an address and no'
    leases srv
    rogue other ${NET}2 60=PXEClient 43=hex:060108ff file=undionly.kpxe siaddr=$SERVER for=PXEClient
    finds tftp-no-server bios "nobody has the TFTP port on $SERVER, the next-server that ${NET}2 names"
    dhcp other --dhcp-range=${NET}0,proxy --pxe-service=x86PC,boot,undionly \
        --enable-tftp --tftp-root="$CELL/tftp"
    cp "$BOOT/undionly.kpxe" "$CELL/tftp/undionly.0"
    finds no-address plain,bios "no DHCP server gives it an address; only ${NET}2 answers"
    no_leases
    fact "$FOUND faults, each found and nothing else"
}


# What offers say, and whom they send machines to.
cell_probe_offers() {
    local whole="yiaddr=${NET}60 siaddr=$SERVER 1=255.255.255.0 51=hex:00000e10"
    probed
    # shellcheck disable=SC2086 # words
    whole() { rogue srv $SERVER $whole "$@"; }
    whole 54=none tftp=$SERVER file=x
    finds no-server-identifier bios "$SERVER at 02:77:00:00:00:01 has no server identifier"
    whole siaddr=0.0.0.0 tftp=$SERVER file=x
    finds no-next-server bios "names the boot file x and no server for it"
    whole siaddr=10.9.9.9 file=x
    finds no-router bios "is on 10.9.9.9, on another network than the address, and $SERVER"
    whole 60=PXEClient
    finds boot-server-silent bios,uefi \
        "$SERVER at .* says PXEClient \(option 60\) without option 43 .*nobody answers \[boot"
    whole 60=PXEClient 4011=$SERVER:4011
    finds boot-server-no-file uefi "$SERVER port 4011 answers without a boot file"
    leases other
    rogue srv $SERVER 60=PXEClient for=PXEClient 4011=${NET}3:4011
    finds boot-server-elsewhere bios,uefi "answers from ${NET}3:4011"
    whole file=x tftp=$SERVER
    rogue other ${NET}2 60=PXEClient for=PXEClient 43=hex:060108ff file=x siaddr=$SERVER
    finds two-boot-files bios "and so does the ProxyDHCP server ${NET}2"
    leases srv
    rogue srv ${NET}3 60=PXEClient for=PXEClient 43=hex:060108ff file=x siaddr=$SERVER tftp=$SERVER
    rogue other ${NET}2 60=PXEClient for=PXEClient 43=hex:060108ff file=y siaddr=$SERVER
    finds two-proxies bios "2 ProxyDHCP servers answer: ${NET}2 .*\(y by TFTP.* and ${NET}3 "
    leases srv
    rogue other ${NET}2 yiaddr=0.0.0.0 file=x siaddr=$SERVER
    finds "no-boot-file proxy-for-all proxy-without-pxeclient" bios,plain "does not say PXEClient"
    whole file=http://$SERVER/x.efi
    finds "no-httpclient url-for-pxe" uefi,http "names the URL http://$SERVER/x.efi to a PXE ROM"
    whole file=x.efi 60=HTTPClient
    finds no-url http "names x.efi, which is no absolute URL"
    no_leases
    fact "$FOUND faults, each found and nothing else"
}

# What boot files are, and who does not serve them.
cell_probe_files() {
    need busybox busybox-static
    probed
    serves_files --dhcp-boot=undionly.kpx
    finds tftp-refused bios "the TFTP server $SERVER does not serve undionly.kpx: error 1, "
    leases srv --dhcp-boot=undionly.kpxe
    finds tftp-no-server bios "nobody has the TFTP port on $SERVER"
    leases srv --dhcp-boot=undionly.kpxe
    rogue srv ${NET}3 silent=69
    finds tftp-silent bios "$SERVER does not answer by TFTP, where undionly.kpxe"
    leases srv --dhcp-boot=undionly.kpxe
    rogue srv $SERVER tftp=${NET}3
    finds tftp-elsewhere bios "the TFTP server $SERVER sends undionly.kpxe from another address, ${NET}3"
    serves_files --dhcp-boot=ipxe.efi
    finds wrong-architecture bios,uefi "BIOS PXE: ipxe.efi .* is a UEFI program for x64"
    serves_files --dhcp-boot=undionly.kpxe
    finds "chain-loop no-loader" bios,uefi,ipxe "gives iPXE undionly.kpxe .* iPXE again"
    : >"$CELL/tftp/empty.0"
    serves_files --dhcp-boot=empty.0
    finds empty-file bios "empty.0 by TFTP from $SERVER is empty"
    local to_http=(--dhcp-option-force=60,HTTPClient)
    job srv busybox httpd -f -p 8067 -h "$CELL/tftp" &
    local web=$!
    wait_for 5 bound tcp 8067 || fail "busybox httpd does not start"
    leases srv "${to_http[@]}" --dhcp-boot=http://$SERVER:8067/ipxe.efi
    finds "" http "ipxe.efi: .* a UEFI program for x64, as $SERVER says"
    leases srv "${to_http[@]}" --dhcp-boot=http://$SERVER:8067/undionly.kpxe
    finds no-loader http "which x64 UEFI can not run"
    leases srv "${to_http[@]}" --dhcp-boot=http://$SERVER:8067/absent
    finds http-refused http "absent can not be had: 404"
    leases srv "${to_http[@]}" --dhcp-boot=http://$SERVER:8068/ipxe.efi
    finds http-no-server http "nobody has that port"
    leases srv "${to_http[@]}" --dhcp-boot=http://${NET}99/ipxe.efi
    finds http-silent http "its server does not answer"
    kill $web
    no_leases
    fact "$FOUND faults, each found and nothing else"
}

# Who gives the addresses, where nobody said so: the network is asked when pxed starts.
cell_serve_chooses() {
    probed
    local alone=(-i eth0 --http-port 8067 --state-dir "$CELL/state" --boot-dir "$BOOT")
    local begun waited
    step "beside a DHCP server that looks first whether its address is free"
    PINGS="" dhcp other --dhcp-range=${NET}50,${NET}60,1h
    refuses_to_start "$PXED" serve "${alone[@]}" --range "$RANGE"
    refusal_says "eth0: another DHCP server gives addresses there: ${NET}2 at 02:77:00:00:00:02, and offers"
    refusal_says "leave out --range.*--mode full"
    step "the same, insisting"
    serve
    stop_server TERM
    step "without a range"
    kill "${PLANTED[@]}"
    PLANTED=()
    wait_for 5 not has_port other 67 || fail "dnsmasq does not end"
    leases other
    log_mark
    start_server "${alone[@]}"
    wait_for 10 log_since "INFO eth0: the DHCP server ${NET}2 at .* gives the addresses" ||
        fail "pxed does not say who gives the addresses"
    FOUND=0 finds "" bios,uefi "ProxyDHCP answer from $SERVER"
    stop_server TERM
    step "beside a ProxyDHCP server"
    dhcp other --dhcp-range=${NET}0,proxy --pxe-service=x86PC,boot,undionly
    begun=$(now_ms)
    log_mark
    start_server "${alone[@]}" --range "$RANGE"
    wait_for 10 log_since "INFO ready" || fail "pxed is not ready"
    waited=$(($(now_ms) - begun))
    log_since "no other DHCP server answers; pxed gives the addresses" || fail "it does not say so"
    stop_server TERM
    kill "${PLANTED[@]}"
    step "alone, without a range"
    log_mark
    start_server "${alone[@]}"
    wait_for 10 log_since "WARN eth0: no DHCP server answers, and pxed gives no addresses" ||
        fail "pxed does not say that nobody gives addresses"
    stop_server TERM
    fact "with --range and no --mode it is ready after $waited ms"
}

cell serve-chooses check 60 cell_serve_chooses
cell probe-servers check 60 cell_probe_servers
cell probe-offers check 60 cell_probe_offers
cell probe-files check 60 cell_probe_files
waits serve-chooses probe-servers probe-offers probe-files
