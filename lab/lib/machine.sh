# shellcheck shell=bash
# A diskless virtual machine on the switch.  It knows nothing about the server.

MACHINE_MAC=52:54:00:77:00:01
# the switch that it is on: br1 is behind the relay agent
SWITCH=br0
NIC=virtio-net-pci
CONSOLE=$CELL/console.log

# machine FIRMWARE [QEMU OPTION...]: switch it on.  FIRMWARE:
#   bios         SeaBIOS, iPXE in the card's option ROM (user class iPXE, architecture 0)
#   bios-plain   an iPXE that calls itself something else: the server takes it for the PXE
#                ROM of a card, and gives it a program by TFTP
#   bios-usb     an iPXE that was started from a medium of its own (user class iPXE)
#   uefi         OVMF's own PXE client (PXEClient, architecture 7)
#   uefi-http    OVMF's own HTTP Boot client (HTTPClient, architecture 16)
#   arm64, arm64-http    the same of AAVMF (architectures 11 and 19)
# $NIC is the card.
machine() {
    need qemu-system-x86_64 qemu-system-x86
    [[ -w /dev/net/tun ]] || skip "no /dev/net/tun: the tun module, or a privileged container"
    local firmware=$1 common
    shift
    ip tuntap add vm mode tap
    ip link set vm master "$SWITCH" up
    capture switch vm machine
    "$LAB/empty-ra" "$SWITCH" 2>"$CELL/empty-ra.log" &
    RA_PID=$!
    # a random number source, since newer OVMF does no networking without one
    # shellcheck disable=SC2054 # the commas are QEMU's
    common=(-accel "$(accelerator)" -m 512 -display none -no-reboot -nodefaults -monitor none
        -serial "file:$CONSOLE" -netdev "tap,id=net,ifname=vm,script=no,downscript=no"
        -object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng)
    : >"$CONSOLE"
    MACHINE_START=$(now_ms)
    "firmware_${firmware//-/_}" "${common[@]}" "$@"
}

# run_qemu OPTION...: the last call of every firmware_*
run_qemu() {
    "${QEMU:-qemu-system-x86_64}" "$@" 2>"$CELL/qemu.log" </dev/null &
    MACHINE_PID=$!
}

card() { echo "$NIC,netdev=net,mac=$MACHINE_MAC,bootindex=1"; }

firmware_bios() {
    need /usr/lib/ipxe/qemu/pxe-virtio.rom ipxe-qemu
    # graphics=off: SeaBIOS, and what prints through it, talk on the serial port
    run_qemu "$@" -machine pc,graphics=off -device "$(card)"
}

firmware_bios_plain() {
    need /usr/lib/ipxe/ipxe.lkrn ipxe
    printf '#!ipxe\nset user-class plain\nautoboot\n' >"$CELL/plain.ipxe"
    run_qemu "$@" -machine pc,graphics=off -device "$(card),romfile=" \
        -kernel /usr/lib/ipxe/ipxe.lkrn -initrd "$CELL/plain.ipxe"
}

firmware_bios_usb() {
    need /usr/lib/ipxe/ipxe.lkrn ipxe
    run_qemu "$@" -machine pc,graphics=off -device "$(card),romfile=" -kernel /usr/lib/ipxe/ipxe.lkrn
}

firmware_uefi() {
    need /usr/share/OVMF/OVMF_CODE_4M.fd ovmf
    cp /usr/share/OVMF/OVMF_VARS_4M.fd "$CELL/vars.fd"
    # romfile=: without iPXE's option ROM the firmware's own network stack is used
    run_qemu "$@" -machine q35 -device "$(card),romfile=" \
        -drive if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd \
        -drive "if=pflash,format=raw,unit=1,file=$CELL/vars.fd" \
        -fw_cfg name=opt/org.tianocore/IPv6PXESupport,string=n
}

firmware_uefi_http() {
    # without IPv4 PXE, the firmware's next network entry is HTTP Boot over IPv4
    firmware_uefi "$@" -fw_cfg name=opt/org.tianocore/IPv4PXESupport,string=n
}

firmware_arm64() {
    need qemu-system-aarch64 qemu-system-arm
    need /usr/share/AAVMF/AAVMF_CODE.fd qemu-efi-aarch64
    cp /usr/share/AAVMF/AAVMF_VARS.fd "$CELL/vars.fd"
    QEMU=qemu-system-aarch64 run_qemu "$@" -accel tcg -machine virt -cpu cortex-a57 -m 1024 \
        -device "$(card),romfile=" \
        -drive if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/AAVMF/AAVMF_CODE.fd \
        -drive "if=pflash,format=raw,unit=1,file=$CELL/vars.fd" \
        -fw_cfg name=opt/org.tianocore/IPv6PXESupport,string=n
}

firmware_arm64_http() {
    firmware_arm64 "$@" -fw_cfg name=opt/org.tianocore/IPv4PXESupport,string=n
}

# KVM only with the processor's help: inside a virtual machine that passes on neither vmx nor
# svm, /dev/kvm may be there and even work until the firmware runs
accelerator() {
    if [[ -n ${LAB_ACCEL:-} ]]; then echo "$LAB_ACCEL"; return; fi
    if [[ -w /dev/kvm ]] && grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo; then
        echo kvm
    else
        echo tcg
    fi
}

# console: without terminal control sequences
console() { sed 's/\x1b\[[0-9;=?]*[A-Za-z]//g; s/[\r\x00]//g' "$CONSOLE"; }
shows() { console | grep -aqE -- "$1"; }
shows_or_off() { shows "$1" || not running "$MACHINE_PID"; }

# machine_shows SECONDS REGEX: wait for a line on the console; sets MACHINE_SECONDS
machine_shows() {
    wait_for "$1" shows_or_off "$2" || fail "no '$2' on the console after $1 s: $(last_line)"
    shows "$2" || fail "the machine stopped: $(tail -1 "$CELL/qemu.log") $(last_line)"
    local ms=$(($(now_ms) - MACHINE_START))
    MACHINE_SECONDS=$((ms / 1000)).$((ms / 100 % 10))
}
last_line() { console | grep -av '^ *$' | tail -1 | cut -c1-100; }

machine_off() {
    kill "$MACHINE_PID" "$RA_PID" 2>/dev/null || true
    wait "$MACHINE_PID" "$RA_PID" 2>/dev/null || true
    ip link del vm
}

# all_answered: sets ANSWERED to lab/unanswered's count, and FIRST_FILE to the seconds from
# power-on to the first request for a file
all_answered() {
    need tshark tshark
    captured
    local status=0
    "$LAB/unanswered" "$CELL/machine.pcap" "$MACHINE_MAC" --since "${MACHINE_START::-3}.${MACHINE_START: -3}" \
        >"$CELL/unanswered.log" 2>&1 || status=$?
    FIRST_FILE=$(sed -n 's/^first file asked for after \(.*\) s$/\1/p' "$CELL/unanswered.log")
    ((status == 0)) ||
        fail "$(grep -m1 -v '^first file' "$CELL/unanswered.log") (all: unanswered.log)"
    ANSWERED=$(tail -1 "$CELL/unanswered.log")
}
