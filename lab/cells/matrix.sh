# shellcheck shell=bash
# The firmware matrix: every way in which pxed boots machines, times every firmware, from power-on
# to Linux.  docs/firmware.md is written from what these cells say.
#
#   full          pxed gives addresses            proxy        another server does, pxed says what to boot
#   relay         the same behind a relay agent   proxy-relay  the same behind a relay agent

# firmware NAME: sets MACHINE, LOADER (if it is not the one that pxed finds), OPTIONS (of DHCP, for that
# loader) and PATIENCE
firmware() {
    LOADER='' OPTIONS='' PATIENCE=150
    case $1 in
        bios-ipxe-rom) MACHINE=bios ;;
        bios-tftp) MACHINE=bios-plain PATIENCE=240 ;; # undionly.kpxe is slow without KVM
        uefi-pxe) MACHINE=uefi ;;
        uefi-http) MACHINE=uefi-http ;;
        uefi-snponly) MACHINE=uefi LOADER=uefi-x64=snponly.efi ;;
        uefi-grub) MACHINE=uefi LOADER=uefi-x64=grubnetx64.efi ;;
        uefi-grub-own) MACHINE=uefi LOADER=uefi-x64=grub-own-x64.efi ;;
        uefi-shim-grub) MACHINE=uefi LOADER=uefi-x64=shimx64.efi ;;
        uefi-http-grub) MACHINE=uefi-http LOADER=uefi-x64=grub-http-x64.efi PATIENCE=400 ;; # GRUB's TCP is slow
        # these fetch by the firmware's network stack, which is slow without KVM
        uefi-syslinux) MACHINE=uefi LOADER=uefi-x64=syslinux.efi PATIENCE=400 ;;
        bios-pxelinux) MACHINE=bios-plain LOADER=bios=pxelinux.0 PATIENCE=400 ;;
        bios-lpxelinux) MACHINE=bios-plain LOADER=bios=lpxelinux.0 PATIENCE=400
            OPTIONS="path-prefix = { value = \"$FILES_URL/\", always = true, booting-only = true }" ;;
        ipxe-usb) MACHINE=bios-usb ;;
        arm64-grub) MACHINE=arm64 LOADER=uefi-arm64=grubnetaa64.efi PATIENCE=480 ;;
        arm64-grub-own) MACHINE=arm64 LOADER=uefi-arm64=grub-own-arm64.efi PATIENCE=480 ;;
    esac
}

# cell_matrix WAY FIRMWARE [NEIGHBOUR plain|own]
cell_matrix() {
    local way=$1
    firmware "$2"
    result_of "$@"
    network
    if [[ $way == *relay ]]; then
        far_network
        SWITCH=br1
        relay_agent "$SERVER" ${3:+$NEIGHBOUR}
    fi
    [[ -z ${3:-} ]] || neighbour "$3" "$4"
    configure "$way" >"$CELL/pxed.toml"
    serve_file "$CELL/pxed.toml"
    step "power on"
    machine "$MACHINE"
    machine_shows "$PATIENCE" "LAB-LINUX-OK .*\]"
    machine_off
    step "every request answered"
    all_answered
    [[ $way == full || $way == relay ]] || gave_no_address
    linux_fact
}

# gave_no_address: nothing that pxed sent has a yiaddr (octets 16 to 19 of the message)
gave_no_address() {
    step "addresses are the neighbour's"
    same "addresses that pxed gave" 0 \
        "$(on_the_wire "ether src 02:77:00:00:00:01 and (src port 67 or src port 4011) and udp[24:4] != 0")"
}

# cell_form FORM FIRMWARE: pxed is told in which form to make its offers
cell_form() { FORM=$1 cell_matrix proxy "$2" dnsmasq plain; }
FORM=

cell_by_dnsmasq() { AGENT=dnsmasq cell_matrix "$@"; }

# linux_fact: the cell's line, and the times in its row
linux_fact() {
    echo "$FIRST_FILE $MACHINE_SECONDS" >"$CELL/seconds"
    fact "file after $FIRST_FILE s, Linux after $MACHINE_SECONDS s; $ANSWERED"
}

# result_of WAY FIRMWARE [NEIGHBOUR plain|own]: the first columns of its row in docs/firmware.md
result_of() {
    local gives=full link="its own" beside=-
    [[ $1 != proxy* ]] || gives=proxy
    [[ $1 != *relay ]] || link="behind $AGENT"
    [[ -z ${3:-} ]] || beside=$3
    [[ ${4:-} != own ]] || beside+=", with a wrong boot file"
    [[ -z $FORM ]] || beside+="; form $FORM"
    printf '%s\t' "$gives" "$link" "$beside" "$2" >"$CELL/row"
}

# configure WAY: the configuration file, the same boot on both links
configure() {
    local near="range = \"$RANGE\"" far="range = \"$FAR_RANGE\"
router = \"$FAR_ROUTER\""
    [[ $1 != proxy* ]] || near='mode = "proxy"' far='mode = "proxy"'
    cat <<FILE
state-dir = "$CELL/state"
boot-dir = "$BOOT"
boot = "lab"
${FORM:+proxy-form = \"$FORM\"}
${LOADER:+loader = { ${LOADER%=*} = \"${LOADER#*=}\" \}}
${OPTIONS:+options = { $OPTIONS \}}
[profile.lab]
kernel = "$BOOT/vmlinuz"
initrd = ["$BOOT/initrd.gz"]
append = "$ARGUMENTS"
[[subnet]]
interface = "eth0"
$near
[[subnet]]
network = "192.168.78.0/24"
$far
FILE
}

# What ./check boots beside the cells of firmware.sh: twelve in all, and every way, firmware and
# neighbour is among them.
CHECKED=" full-uefi-shim-grub relay-uefi-http proxy-kea-uefi-http proxy-dnsmasq-own-uefi-pxe proxy-isc-own-bios-ipxe-rom
 proxy-relay-dnsmasq-bios-ipxe-rom proxy-relay-kea-own-uefi-pxe "

# Loaders that are not iPXE, as docs/other-loaders.md says
OTHER_LOADERS="uefi-shim-grub uefi-http-grub uefi-syslinux bios-pxelinux bios-lpxelinux"

# matrix NAME ARGUMENT...: registers a cell
matrix() {
    local name=$1 set=full
    shift
    [[ $CHECKED != *" $name"[[:space:]]* ]] || set=check
    cell "$name" "$set" 600 cell_matrix "$@"
}

# beside WAY FIRMWARE NEIGHBOUR...: each as it is, and with a wrong boot file of its own
beside() {
    local way=$1 firmware=$2 kind
    for kind in "${@:3}"; do
        matrix "$way-$kind-$firmware" "$way" "$firmware" "$kind" plain
        matrix "$way-$kind-own-$firmware" "$way" "$firmware" "$kind" own
    done
}

for firmware in uefi-snponly uefi-grub ipxe-usb $OTHER_LOADERS; do
    matrix "full-$firmware" full "$firmware"
done
for firmware in bios-ipxe-rom bios-tftp uefi-pxe uefi-http uefi-snponly uefi-grub ipxe-usb; do
    matrix "relay-$firmware" relay "$firmware"
done
for firmware in bios-pxelinux uefi-syslinux; do
    matrix "proxy-dnsmasq-$firmware" proxy "$firmware" dnsmasq plain
done
for way in proxy proxy-relay; do
    for firmware in bios-ipxe-rom bios-tftp uefi-pxe uefi-http uefi-grub-own; do
        beside "$way" "$firmware" dnsmasq kea isc
    done
    beside "$way" uefi-snponly dnsmasq
    beside "$way" ipxe-usb dnsmasq
done
cell relay-by-dnsmasq-uefi-pxe full 600 cell_by_dnsmasq relay uefi-pxe
cell proxy-relay-by-dnsmasq-uefi-pxe full 600 cell_by_dnsmasq proxy-relay uefi-pxe kea plain
cell full-arm64-grub slow 600 cell_matrix full arm64-grub
cell proxy-dnsmasq-own-arm64-grub-own slow 600 cell_matrix proxy arm64-grub-own dnsmasq own
for form in redirect menu binl fields options unicast delayed; do
    for firmware in uefi-pxe bios-tftp; do
        cell "form-$form-$firmware" full 600 cell_form "$form" "$firmware"
    done
done
