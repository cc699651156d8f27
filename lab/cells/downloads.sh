# shellcheck shell=bash
# The clients that people have: each downloads every size at which a transfer can end in an odd way,
# with the options that it offers.

# around blocks of 512 octets (RFC 1350) and of 1468, what an Ethernet frame holds
SIZES=(0 1 511 512 513 1467 1468 1469 14680 14681)
# 65,537 blocks of 512, so that the block number goes through 65,535 to 0, and one octet
WRAP=33554433

# sized: the server's folder, with a file of each size under its size
sized() {
    FILES=$CELL/files GOT=$CELL/got
    mkdir -p "$FILES" "$GOT"
    head -c $WRAP /dev/urandom >"$FILES/$WRAP"
    local size
    for size in "${SIZES[@]}"; do head -c "$size" "$BOOT/noise" >"$FILES/$size"; done
    cp "$BOOT/noise" "$FILES"
    # all that netascii changes (RFC 764), also across the ends of blocks; and what it comes to
    python3 -c 'print("".join(f"{n}\n\r\r\n\n" + "x" * (n % 7) for n in range(900)), end="\r")' >"$FILES/text"
    python3 -c 'import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()
        .replace(b"\r", b"\r\0").replace(b"\n", b"\r\n"))' <"$FILES/text" >"$FILES/netascii"
}

by_hpa() { tftp_hpa get "$1" file; }
by_atftp() { on c1 timeout 60 atftp --get -r "$1" -l "$GOT/file" "${@:2}" "$SERVER"; }
by_busybox() { on c1 timeout 60 busybox tftp -g -r "$1" -l "$GOT/file" "${@:2}" "$SERVER"; }
by_curl() { fetch -o "$GOT/file" "${@:2}" "tftp://$SERVER/$1"; }

# downloads NAME BY [OPTION...]: the function BY gets it as it is served
downloads() {
    step "$2 $1 ${*:3}"
    "$2" "$1" "${@:3}" || fail "exit code $?"
    same_file "$1"
    DOWNLOADED=$((DOWNLOADED + 1))
}
DOWNLOADED=0

cell_tftp_clients() {
    need tftp tftp-hpa
    need atftp atftp
    need curl curl
    need busybox busybox-static
    need tshark tshark
    network 1
    address_c1
    sized
    serve --boot-dir "$FILES"
    local name
    for name in "${SIZES[@]}" noise; do
        downloads "$name" by_hpa
        downloads "$name" by_atftp --option "blksize 1468" --option "windowsize 16" --option tsize --option "timeout 3"
        downloads "$name" by_busybox -b 1432
        [[ $name == 0 ]] || downloads "$name" by_curl --tftp-blksize 1400 # 7.88 loses its way in an empty file
    done
    for name in 512 1469 noise; do
        downloads "$name" by_atftp
        downloads "$name" by_busybox
        downloads "$name" by_curl --tftp-no-options
    done
    as_text
    captured
    # tshark knows an OACK by its request; the blocks would only take it long
    tcpdump -nr "$CELL/wire.pcap" -w "$CELL/options.pcap" 'udp port 69 or udp[8:2] = 6' 2>/dev/null
    agreed atftp blksize=1468 windowsize=16 timeout=3 tsize=3000017
    agreed busybox blksize=1432 tsize=3000017
    agreed curl blksize=1400 tsize=3000017
    fact "$DOWNLOADED files: tftp-hpa, atftp, busybox, curl"
}

# All from port 69; and a client whose firewall knows nothing of TFTP.
cell_tftp_single_port() {
    need tftp tftp-hpa
    need atftp atftp
    need curl curl
    need busybox busybox-static
    need tcpdump tcpdump
    network 1
    address_c1
    sized
    serve --boot-dir "$FILES" --tftp-single-port
    local name at_once=()
    for name in "${SIZES[@]}" noise; do
        downloads "$name" by_hpa
        downloads "$name" by_atftp --option "blksize 1468" --option "windowsize 16" --option tsize
        downloads "$name" by_busybox -b 1432
        [[ $name == 0 ]] || downloads "$name" by_curl --tftp-blksize 1400
    done
    step "ten at once"
    for name in {1..10}; do
        fetch -o "$GOT/$name" --tftp-blksize 1400 "tftp://$SERVER/noise" &
        at_once+=($!)
    done
    for name in "${at_once[@]}"; do wait "$name" || fail "one of ten: exit code $?"; done
    for name in {1..10}; do cmp "$FILES/noise" "$GOT/$name" || fail "one of ten differs"; done
    captured
    same "packets from another port" 0 "$(on_the_wire "udp and src host $SERVER and not src port 69")"
    fact "$DOWNLOADED files: tftp-hpa, atftp, busybox, curl"
}

# More blocks than there are numbers.
cell_tftp_wrap() {
    need tftp tftp-hpa
    need atftp atftp
    network 1
    captured # this is too much for a capture
    address_c1
    sized
    serve --boot-dir "$FILES"
    local by
    for by in by_hpa "${@}"; do downloads $WRAP "$by"; done
    fact "65,537 blocks: $*"
}

# as_text: by netascii.  curl writes what came, the others the text.
as_text() {
    step "netascii by tftp-hpa"
    (cd "$GOT" && on c1 timeout 20 tftp -m ascii "$SERVER" -c get text file)
    same_file text
    step "netascii by atftp"
    by_atftp text --option "mode netascii"
    same_file text
    step "netascii by curl"
    by_curl "text;mode=netascii"
    same_file netascii
}

# agreed CLIENT OPTION=VALUE...: there is an OACK with all of these
agreed() {
    local client=$1 option filter=tftp.opcode==6
    shift
    for option; do filter+=" && tftp.option.name == ${option%=*} && tftp.option.value == ${option#*=}"; done
    step "what $client asks for is agreed to: $*"
    [[ -n $(tshark -r "$CELL/options.pcap" -Y "$filter" 2>/dev/null) ]] || fail "no such OACK"
}

by_wget() { on c1 wget -nv --timeout 20 --tries 1 -O "$GOT/file" "${@:2}" "$FILES_URL/$1"; }
by_busybox_wget() { on c1 timeout 60 busybox wget -q -O "$GOT/file" "${@:2}" "$FILES_URL/$1"; }
by_aria2() { on c1 timeout 60 aria2c -q --allow-overwrite -d "$GOT" -o file "${@:2}" "$FILES_URL/$1"; }
by_http_curl() {
    [[ -e $GOT/file ]] || : >"$GOT/file" # curl creates nothing for an empty file
    fetch -f -o "$GOT/file" "${@:2}" "$FILES_URL/$1"
}

cell_http_clients() {
    need wget wget
    need aria2c aria2
    need curl curl
    need busybox busybox-static
    network 1
    address_c1
    sized
    serve --boot-dir "$FILES"
    local name by
    for name in "${SIZES[@]}" noise; do
        for by in by_wget by_busybox_wget by_aria2 by_http_curl; do downloads "$name" $by; done
    done
    log_mark
    downloads $WRAP by_aria2 -x 8 -s 8 -k 1M # eight connections
    wait_for 3 log_since ': 206, ' || fail "no ranges were asked for"
    resumed by_http_curl -C -
    resumed by_wget -c
    resumed by_busybox_wget -c
    resumed by_aria2 -c
    by_parts
    fact "$DOWNLOADED files: wget, busybox, aria2, curl"
}

# resumed BY OPTION...: what a broken connection left is completed, and only the rest is sent; aria2
# begins at the start of 16 KiB of its own
resumed() {
    head -c 1000003 "$FILES/noise" >"$GOT/file"
    log_mark
    downloads noise "$@"
    wait_for 3 log_since ': 206, 2000[0-9]{3} bytes' || fail "not resumed: $(tail -1 "$LOG")"
}

# by_parts: ranges of every form that curl offers, put together
by_parts() {
    step "ranges"
    local range
    for range in 0-0 1-511 512-1467 1468-2999999 -17; do
        fetch -f -r "$range" "$FILES_URL/noise"
    done >"$GOT/file"
    same_file noise
}

cell tftp-clients check 120 cell_tftp_clients
cell tftp-single-port check 120 cell_tftp_single_port
cell tftp-wrap check 60 cell_tftp_wrap by_hpa
cell tftp-wrap-all full 120 cell_tftp_wrap by_hpa by_atftp by_busybox by_curl
cell http-clients check 120 cell_http_clients
