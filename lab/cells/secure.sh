# shellcheck shell=bash
# HTTPS, and what UEFI HTTP Boot can load beside a program.

# secure_site CLASS-KEYS [MORE]: a file with HTTPS, and one class: firmware of HTTP Boot
secure_site() {
    cat >"$CELL/pxed.toml" <<TOML
state-dir = "$CELL/state"
boot-dir = "$FILES"
https = true
boot = "lab"

[[subnet]]
interface = "eth0"
range = ["$RANGE"]

[[class]]
name = "http-boot"
match = { firmware = "http-boot" }
$1

[profile.lab]
script = "$CELL/lab.ipxe"
${2:-}
TOML
    # shellcheck disable=SC2016 # for iPXE to expand
    printf '#!ipxe\necho LAB-SCRIPT-OK ${net0/ip}\n' >"$CELL/lab.ipxe"
    serve_file "$CELL/pxed.toml"
    # the port is there before the keys are made
    wait_for 60 grep -q "INFO ready" "$LOG" || fail "pxed is not ready: $(tail -1 "$LOG")"
}

# who trusts pxed's CA is served, who does not or can not is told apart in the log
cell_https() {
    need curl curl
    need openssl openssl
    network 1
    address_c1
    files
    secure_site ""
    local ca=$CELL/ca.pem url=https://$SERVER:8443/files
    step "the CA by plain HTTP, with the fingerprint of the log"
    fetch -f -o "$ca" "http://$SERVER:8067/ca.pem"
    fetch -f -o "$CELL/ca.der" "http://$SERVER:8067/ca.der"
    local print
    print=$(openssl x509 -in "$ca" -noout -fingerprint -sha256 | cut -d= -f2)
    grep -qF "$print" "$LOG" || fail "the log does not have $print"
    cmp <(openssl x509 -inform DER -in "$CELL/ca.der") "$ca" || fail "PEM and DER differ"
    local name
    for name in noise even sub/one; do
        step "GET $name"
        fetch -f --cacert "$ca" -o "$GOT/file" "$url/$name"
        same_file "$name"
    done
    same "status" 206 "$(fetch --cacert "$ca" -r 1000-1999 -o "$GOT/file" -w '%{http_code}' "$url/noise")"
    step "who does not trust it"
    openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=other -keyout "$CELL/other.key" -out "$CELL/other.pem" \
        -days 1 2>/dev/null
    refused "does not trust" fetch --cacert "$CELL/other.pem" "$url/noise"
    step "who is too old"
    refused "its TLS is too old: pxed speaks" tls_client -tls1_1 -cipher ALL@SECLEVEL=0
    refused "has? a cipher suite in common|to have a cipher suite" tls_client -tls1_2 -cipher AES256-SHA@SECLEVEL=0
    refused "no curve in common" tls_client -tls1_3 -groups ffdhe2048
    refused "no TLS" fetch "http://$SERVER:8443/files/noise"
    step "what firmware offers"
    tls_client -CAfile "$ca" -verify_return_error -tls1_2 -cipher DHE-RSA-AES256-GCM-SHA384 >"$CELL/dhe.log" 2>&1 ||
        fail "no DHE: $(tail -1 "$CELL/dhe.log")"
    grep -q "3072 bit" "$CELL/dhe.log" || fail "the server's key has not 3072 bits"
    step "one's own certificate, without a restart"
    openssl req -x509 -newkey rsa:3072 -nodes -subj /CN=own -addext "subjectAltName=IP:$SERVER" \
        -keyout "$CELL/own.key" -out "$CELL/own.pem" -days 1 2>/dev/null
    chmod a+r "$CELL/own.key"
    sed -i "s|^https = true|&\ncertificate = \"$CELL/own.pem\"\nkey = \"$CELL/own.key\"|" "$CELL/pxed.toml"
    kill -HUP "$SERVER_PID"
    wait_for 10 fetch -f --cacert "$CELL/own.pem" -o "$GOT/file" "$url/even" || fail "not served by the own certificate"
    same_file even
    fact "curl and openssl: served, and refused in five ways, each told"
}

tls_client() { on c1 timeout 20 openssl s_client -connect "$SERVER:8443" "$@" </dev/null; }

# refused REGEX COMMAND...: it fails, and a line of the log says why
refused() {
    log_mark
    not "${@:2}" >"$GOT/answer" 2>&1 || fail "it was served: ${*:2}"
    wait_for 5 log_since "no HTTPS for 192\.168\.77\.11:[0-9]+: .*($1)" || fail "the log does not say '$1'"
}

# OVMF boots by HTTPS: its CA comes as firmware's setup would keep it
cell_uefi_https() {
    need curl curl
    network
    firmware_files
    secure_site 'boot-scheme = "https"'
    step "the CA"
    on srv curl -sS -f --max-time 20 -o "$CELL/ca.der" "http://$SERVER:8067/ca.der"
    signature_list "$CELL/ca.der" >"$CELL/cacerts"
    step "power on"
    machine uefi-http -fw_cfg "name=etc/edk2/https/cacerts,file=$CELL/cacerts"
    machine_shows 150 "LAB-SCRIPT-OK 192\.168\.77\.1"
    machine_off
    said "HTTPS GET /machine/52-54-00-77-00-01/ipxe.efi" 200 || fail "ipxe.efi did not come by HTTPS"
    all_answered
    fact "script after $MACHINE_SECONDS s, ipxe.efi by HTTPS"
}

# Nothing is booted by firmware that does not have the CA. Where it has none at all it does not even connect
# (docs/quirks.md), so that nobody can tell why; where it has another one the log does.
cell_uefi_https_untrusted() {
    need openssl openssl
    network
    firmware_files
    secure_site 'boot-scheme = "https"'
    step "no CA"
    machine uefi-http
    machine_shows 150 "Could not retrieve NBP file size"
    machine_off
    same "frames to the port of HTTPS" 0 "$(on_the_wire 'tcp dst port 8443')"
    step "another CA"
    openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=other -days 1 -keyout "$CELL/other.key" -outform DER \
        -out "$CELL/other.der" 2>/dev/null
    signature_list "$CELL/other.der" >"$CELL/cacerts"
    machine uefi-http -fw_cfg "name=etc/edk2/https/cacerts,file=$CELL/cacerts"
    wait_for 150 log_since "no HTTPS for .*\(52:54:00:77:00:01\): " || fail "the log does not say why"
    machine_off
    fact "$(grep -m1 -o 'no HTTPS for .*' "$LOG" | cut -c1-150)"
}

# an ISO, and a disk image, become a RAM disk by their URL: as boot file, or as profile
cell_uefi_http_image() {
    local name=lab.$1
    need mcopy mtools
    need mkfs.vfat dosfstools
    need xorriso xorriso
    network
    firmware_files
    image "$FILES/lab.img"
    mkdir "$CELL/iso"
    mv "$FILES/lab.img" "$CELL/iso/efi.img"
    if [[ $1 == iso ]]; then
        xorriso -as mkisofs -quiet -o "$FILES/lab.iso" -e efi.img -no-emul-boot "$CELL/iso"
    else
        cp "$CELL/iso/efi.img" "$FILES/lab.img"
    fi
    chmod a+r "$FILES"/*
    if [[ ${2:-} == profile ]]; then
        name=profile/live/lab.$1
        secure_site 'boot = "live"' "[profile.live]
image = \"$FILES/lab.$1\""
    else
        secure_site "bootfile = \"lab.$1\""
    fi
    step "power on"
    machine uefi-http
    machine_shows 150 "LAB-SCRIPT-OK 192\.168\.77\.1"
    machine_off
    said "HTTP GET /machine/52-54-00-77-00-01/$name" 200 || fail "$name was not fetched"
    all_answered
    fact "script after $MACHINE_SECONDS s, by the iPXE of lab.$1"
}

firmware_files() {
    FILES=$CELL/files
    mkdir -p "$FILES"
    cp "$BOOT/ipxe.efi" "$FILES"
    chmod -R a+rX "$FILES"
}

# image FILE: a file system that firmware boots from, with iPXE on it
image() {
    truncate -s 4M "$1"
    mkfs.vfat "$1" >/dev/null
    mmd -i "$1" ::/EFI ::/EFI/BOOT
    mcopy -i "$1" "$BOOT/ipxe.efi" ::/EFI/BOOT/BOOTX64.EFI
}

# signature_list DER: as UEFI keeps certificates (EFI_SIGNATURE_LIST of EFI_CERT_X509_GUID)
signature_list() {
    python3 - "$1" <<'PY'
import struct, sys, uuid
der = open(sys.argv[1], "rb").read()
kind = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072").bytes_le
size = 16 + len(der)
sys.stdout.buffer.write(kind + struct.pack("<III", 28 + size, 0, size) + bytes(16) + der)
PY
}

cell https check 60 cell_https
cell uefi-https check 240 cell_uefi_https
cell uefi-https-untrusted full 400 cell_uefi_https_untrusted
cell uefi-http-iso check 240 cell_uefi_http_image iso
cell uefi-http-img full 240 cell_uefi_http_image img
cell uefi-http-profile full 240 cell_uefi_http_image iso profile
