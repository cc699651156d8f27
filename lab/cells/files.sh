# shellcheck shell=bash
# Files by TFTP and HTTP, with other people's clients.

# files: the server's folder, and one outside it
files() {
    FILES=$CELL/files GOT=$CELL/got
    mkdir -p "$FILES/sub" "$GOT"
    cp "$BOOT/noise" "$FILES/noise"
    head -c 65536 "$BOOT/noise" >"$FILES/even"  # a multiple of 512: the last block is empty
    head -c 1 "$BOOT/noise" >"$FILES/sub/one"
    : >"$FILES/empty"
    echo secret-of-the-host >"$CELL/outside"
    ln -s ../outside "$FILES/link"
    chmod -R a+rX "$FILES"
}

# same_file NAME: as served, and as it arrived in $GOT/file
same_file() {
    [[ $(sha256sum <"$FILES/$1") == "$(sha256sum <"$GOT/file")" ]] || fail "$1 differs"
    rm "$GOT/file"
}

address_c1() { on c1 ip addr add 192.168.77.11/24 dev c1; }
fetch() { on c1 curl -sS --max-time 20 "$@"; }
tftp_hpa() { (cd "$GOT" && timeout 20 ip netns exec c1 tftp -m binary "$SERVER" -c "$@"); }

cell_tftp() {
    need tftp tftp-hpa
    need curl curl
    network 1
    address_c1
    files
    serve --boot-dir "$FILES"
    local name
    for name in noise even empty sub/one; do
        step "tftp-hpa $name"
        tftp_hpa get "$name" file
        same_file "$name"
    done
    for name in noise even sub/one; do # not empty: curl 7.88 loses its way there
        step "curl $name"
        fetch -o "$GOT/file" --tftp-blksize 1468 "tftp://$SERVER/$name"
        same_file "$name"
    done
    step "curl without options"
    fetch -o "$GOT/file" --tftp-no-options "tftp://$SERVER/even"
    same_file even
    step "a file that is not there"
    not fetch -o "$GOT/file" "tftp://$SERVER/absent" || fail "absent was served"
    fact "noise, even, empty, sub/one: by tftp-hpa and curl"
}

cell_http() {
    need curl curl
    network 1
    address_c1
    files
    serve --boot-dir "$FILES"
    local name size
    for name in noise even empty sub/one; do
        step "GET $name"
        fetch -f -o "$GOT/file" "$FILES_URL/$name"
        [[ -e $GOT/file ]] || : >"$GOT/file" # curl creates nothing for an empty file
        same_file "$name"
        step "HEAD $name"
        size=$(stat -c %s "$FILES/$name")
        fetch -f -I "$FILES_URL/$name" | tr -d '\r' | grep -qix "content-length: $size" ||
            fail "no content-length: $size"
    done
    step "Range"
    same "status" 206 "$(fetch -r 1000-1999 -o "$GOT/file" -w '%{http_code}' "$FILES_URL/noise")"
    cmp -n 1000 -i 1000:0 "$FILES/noise" "$GOT/file" || fail "the range differs"
    step "a range behind the end"
    same "status" 416 "$(fetch -r 9000000- -o "$GOT/file" -w '%{http_code}' "$FILES_URL/noise")"
    step "a file that is not there"
    same "status" 404 "$(fetch -o "$GOT/file" -w '%{http_code}' "$FILES_URL/absent")"
    fact "GET, HEAD, Range"
}

# What pxed writes for who asks, by TFTP and by HTTP: for a machine that took its address as firmware does, and
# for one that nobody knows.
cell_written() {
    need tftp tftp-hpa
    need curl curl
    need dhclient isc-dhcp-client
    network 1
    files
    mkdir -p "$FILES/own"
    echo "# the operator's own" >"$FILES/own/grub.cfg"
    cat >"$CELL/pxed.toml" <<TOML
state-dir = "$CELL/state"
boot-dir = "$FILES"

[[subnet]]
interface = "eth0"
range = ["$RANGE"]

[[class]]
name = "arm64"
match = { arch = "uefi-arm64" }
boot = "lab"

[profile.lab]
kernel = "$FILES/noise"
initrd = ["$FILES/even"]
append = "mac={{ mac }} ip={{ ip }}"
TOML
    serve_file "$CELL/pxed.toml"
    step "an address, as UEFI of arm64 asks for it"
    printf '%s\n' 'option arch code 93 = unsigned integer 16;' 'send arch 11;' \
        'send vendor-class-identifier "PXEClient:Arch:00011:UNDI:003016";' >"$CELL/arm64.conf"
    on c1 dhclient -1 -cf "$CELL/arm64.conf" -lf "$CELL/arm64.leases" -pf "$CELL/arm64.pid" c1 2>"$CELL/dhclient.log" ||
        fail "no address: $(tail -1 "$CELL/dhclient.log")"
    local mac ip tftp http
    mac=$(on c1 cat /sys/class/net/c1/address)
    ip=$(on c1 ip -4 -o addr show dev c1 | awk '{ sub("/.*", "", $4); print $4 }')
    tftp="(tftp,$SERVER)/profile/lab" http="(http,$SERVER:8067)/machine/${mac//:/-}/profile/lab"
    step "grub.cfg"
    tftp_hpa get grub/grub.cfg by-tftp
    fetch -f -o "$GOT/by-http" "$FILES_URL/grub/grub.cfg"
    same "by TFTP" "if linux $tftp/noise mac=$mac ip=$ip; then" "$(sed -n 2p "$GOT/by-tftp")"
    same "by TFTP" "    if initrd $tftp/even; then" "$(sed -n 3p "$GOT/by-tftp")"
    sed "s|$tftp|$http|" "$GOT/by-tftp" | cmp - "$GOT/by-http" || fail "by HTTP it differs in more than the device"
    step "the kernel that it names"
    tftp_hpa get /profile/lab/noise file
    same_file noise
    step "boot.ipxe"
    tftp_hpa get boot.ipxe by-tftp
    fetch -f -o "$GOT/by-http" "http://$SERVER:8067/machine/${mac//:/-}/boot.ipxe?profile=lab"
    cmp "$GOT/by-tftp" "$GOT/by-http" || fail "boot.ipxe differs"
    grep -q "mac=$mac ip=$ip" "$GOT/by-tftp" || fail "it is not the machine's"
    step "one's own wins"
    tftp_hpa get own/grub.cfg file
    same_file own/grub.cfg
    step "who is not known"
    on c1 ip addr flush dev c1
    address_c1
    log_mark
    tftp_hpa get grub.cfg file >"$GOT/answer" 2>&1 || true
    wait_for 3 log_since "the machine has no profile to boot" || fail "the log does not say why"
    fact "grub.cfg and boot.ipxe, for $ip as by HTTP"
}

# Nobody writes to a boot server.
cell_write_refused() {
    need tftp tftp-hpa
    network 1
    address_c1
    files
    chmod a+w "$FILES" "$FILES"/*
    serve --boot-dir "$FILES"
    echo intruder >"$GOT/new"
    step "TFTP write"
    tftp_hpa put new new >"$GOT/answer" 2>&1 || true
    grep -qi error "$GOT/answer" || fail "no error for a write request: $(tail -1 "$GOT/answer")"
    tftp_hpa put new noise >"$GOT/answer" 2>&1 || true
    local method
    for method in PUT POST DELETE; do
        step "HTTP $method"
        [[ $(fetch -X $method --data-binary @"$GOT/new" -o "$GOT/answer" -w '%{http_code}' "$FILES_URL/noise") =~ ^(4..|501)$ ]] ||
            fail "$method was not refused"
    done
    [[ ! -e $FILES/new ]] || fail "a file was written"
    cmp "$BOOT/noise" "$FILES/noise" || fail "a file was changed"
    fact "TFTP put, HTTP PUT, POST, DELETE"
}

# Names lead nowhere but to the boot folder.
cell_outside_names() {
    need tftp tftp-hpa
    network 1
    address_c1
    files
    serve --boot-dir "$FILES"
    local name tried=0
    for name in ../outside sub/../../outside ../../../../../../etc/passwd /etc/passwd "$CELL/outside" \
        '..\outside' '\etc\passwd' link .; do
        step "TFTP $name"
        tftp_hpa get "$name" file >/dev/null 2>&1 || true
        got_nothing
        tried=$((tried + 1))
    done
    for name in ../outside sub/../../outside %2e%2e/outside ..%2foutside %2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd \
        /etc/passwd //etc/passwd '..%5coutside' link noise%00.txt; do
        step "HTTP $name"
        [[ $(fetch --path-as-is -o "$GOT/file" -w '%{http_code}' "$FILES_URL/$name") == 4* ]] || fail "not refused"
        got_nothing
        tried=$((tried + 1))
    done
    step "and still serves"
    fetch -f -o "$GOT/file" "$FILES_URL/noise"
    same_file noise
    fact "$tried names refused"
}
got_nothing() {
    [[ ! -e $GOT/file ]] || not grep -aqE 'secret-of-the-host|^root:' "$GOT/file" || fail "it was served"
    rm -f "$GOT/file"
}

# Two thousand requests whose clients fall silent, with fewer files than that: the others are served, and
# nothing is left of it.
cell_tftp_stalled() {
    need curl curl
    network 1
    address_c1
    files
    serve_with_files 300 --boot-dir "$FILES"
    local before meanwhile host
    for host in {50..69}; do on c1 ip addr add 192.168.77.$host/24 dev c1; done
    step "a file before"
    fetch -o "$GOT/file" --tftp-blksize 1468 "tftp://$SERVER/noise"
    same_file noise
    before=$(resident)
    step "2,000 requests, half of them answered once"
    on c1 python3 - "$SERVER" <<'PY'
import socket, sys
for host in range(50, 70):
    for port in range(10):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((f"192.168.77.{host}", 0))
        s.settimeout(2)
        for n in range(10):
            s.sendto(b"\0\1noise\0octet\0timeout\0%d\0windowsize\0" % (n + 1) + b"16\0", (sys.argv[1], 69))
            try:
                packet, server = s.recvfrom(2000)
            except TimeoutError:
                continue
            if n % 2 and packet[1] == 6:
                s.sendto(b"\0\4\0\0", server)
PY
    step "another file meanwhile"
    fetch -o "$GOT/file" --tftp-blksize 1468 "tftp://$SERVER/noise"
    same_file noise
    fetch -f -o "$GOT/file" "$FILES_URL/noise"
    same_file noise
    meanwhile=$(resident)
    step "all places are free again"
    wait_for 60 nobody_is_served || fail "transfers that do not end"
    (($(resident) < before + 8192)) || fail "memory: $before kB before, $(resident) kB afterwards"
    fact "memory: $before kB before, $meanwhile kB meanwhile, $(resident) kB afterwards"
}
nobody_is_served() { on srv "$PXED" status --state-dir "$CELL/state" --json | grep -q '"tftp_transfers":0'; }

cell tftp check 60 cell_tftp
cell tftp-stalled full 120 cell_tftp_stalled
cell http check 60 cell_http
cell written check 60 cell_written
cell write-refused check 60 cell_write_refused
cell outside-names check 60 cell_outside_names
