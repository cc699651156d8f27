# shellcheck shell=bash
# Machines with real firmware, from power-on to Linux, and every packet on the way.

# no_timer_check: a busy host emulates the timer too late, and Linux would give up
ARGUMENTS="console=ttyS0 panic=-1 quiet no_timer_check"

# cell_boots FIRMWARE yes|no [CARD]: as the flags say, to Linux userland; yes: with a second initrd.
# The first column of the firmware matrix (cells/matrix.sh).
cell_boots() {
    local more=$2 initrds=(--initrd "$BOOT/initrd.gz") token=lab.token=$RANDOM$RANDOM
    firmware "$1"
    [[ -n ${3:-} ]] || result_of full "$1"
    [[ $more == no ]] || initrds+=(--initrd "$BOOT/more.gz")
    network
    serve --boot-dir "$BOOT" --kernel "$BOOT/vmlinuz" "${initrds[@]}" --append "$ARGUMENTS $token"
    step "power on"
    NIC=${3:-$NIC} machine "$MACHINE"
    machine_shows "$PATIENCE" "LAB-LINUX-OK .*\]"
    step "what Linux says"
    shows "LAB-LINUX-OK more=$more " || fail "more=$more is not on the console: $(last_line)"
    shows "LAB-LINUX-OK .*$token" || fail "--append did not arrive: $(last_line)"
    machine_off
    aftermath "$MACHINE"
    linux_fact
}

# To pxed's script only: undionly.kpxe takes too long for a kernel without KVM.
cell_script() {
    network
    # shellcheck disable=SC2016 # for iPXE to expand
    printf '#!ipxe\necho LAB-SCRIPT-OK ${net0/ip}\n' >"$CELL/lab.ipxe"
    serve --boot-dir "$BOOT" --script "$CELL/lab.ipxe"
    step "power on"
    machine "$1"
    machine_shows 90 "LAB-SCRIPT-OK 192\.168\.77\.1"
    machine_off
    aftermath "$1"
    fact "script after $MACHINE_SECONDS s; $ANSWERED"
}

# Debian's GRUB as --bootfile: its configuration and its module for HTTP by TFTP, DHCP of its own, kernel and
# initrd by HTTP.
cell_grub() {
    network
    mkdir -p "$CELL/files/grub"
    cp "$BOOT"/{grubnetx64.efi,vmlinuz,initrd.gz} "$CELL/files"
    cp -r "$BOOT/grub/x86_64-efi" "$CELL/files/grub"
    {
        # shellcheck disable=SC2016 # for GRUB to expand
        printf '%s\n' net_bootp 'echo LAB-GRUB-OK $net_default_ip $net_default_server'
        cat "$BOOT/grub/http.cfg"
    } >"$CELL/files/grub/grub.cfg"
    chmod -R a+rX "$CELL/files"
    serve --boot-dir "$CELL/files" --bootfile grubnetx64.efi
    step "power on"
    machine uefi
    machine_shows 400 "LAB-LINUX-OK .*\]"
    shows "LAB-GRUB-OK 192\.168\.77\.1[0-9]+ $SERVER" || fail "GRUB has no address of its own: $(last_line)"
    machine_off
    all_answered
    linux_fact
}

# The same GRUB without a configuration of its own: it boots its machine's profile, all by TFTP.
cell_grub_profile() {
    network
    mkdir -p "$CELL/files"
    cp "$BOOT/grubnetx64.efi" "$CELL/files"
    cat >"$CELL/pxed.toml" <<TOML
state-dir = "$CELL/state"
boot-dir = "$CELL/files"
loader = { uefi-x64 = "grubnetx64.efi" }

[[subnet]]
interface = "eth0"
range = ["$RANGE"]

[[reservation]]
mac = "$MACHINE_MAC"
boot = "lab"

[profile.lab]
kernel = "$BOOT/vmlinuz"
initrd = ["$BOOT/initrd.gz"]
append = "$ARGUMENTS"
TOML
    chmod -R a+rX "$CELL/files"
    serve_file "$CELL/pxed.toml"
    step "power on"
    machine uefi
    machine_shows 400 "LAB-LINUX-OK .*\]"
    machine_off
    said "TFTP /grub/grub.cfg" "$MACHINE_MAC" || fail "grub.cfg was not fetched"
    said "TFTP /profile/lab/initrd.gz" "$MACHINE_MAC" || fail "the initrd did not come by TFTP"
    all_answered
    linux_fact
}

# PXELINUX looks for the configuration of a machine, of its address, of its network: what is not there is
# answered at once, and what is there is found.
cell_pxelinux_search() {
    network
    mkdir -p "$CELL/files/pxelinux.cfg"
    cp "$BOOT"/{pxelinux.0,ldlinux.c32} "$CELL/files"
    printf '%s\n' 'SAY LAB-PXELINUX-OK' 'PROMPT 1' >"$CELL/files/pxelinux.cfg/C0A84D"
    chmod -R a+rX "$CELL/files"
    serve --boot-dir "$CELL/files" --bootfile pxelinux.0
    step "power on"
    machine bios-plain
    machine_shows 150 LAB-PXELINUX-OK
    machine_off
    all_answered
    step "where it looked"
    same "asked for" "01-${MACHINE_MAC//:/-} C0A84D64 C0A84D6 C0A84D" "$(asked_for pxelinux.cfg/)"
    fact "configuration after $MACHINE_SECONDS s; $ANSWERED"
}

# asked_for FOLDER: what the machine asked for there by TFTP, in order, repetitions once
asked_for() {
    tshark -r "$CELL/machine.pcap" -Y tftp.opcode==1 -T fields -e tftp.source_file 2>/dev/null |
        sed -n "s|^/*$1||p" | uniq | paste -sd ' '
}

# aftermath FIRMWARE: what the wire and the server's log say about the boot
aftermath() {
    step "every request answered"
    all_answered
    step "the way to the first program"
    case $1 in
        bios-plain | uefi) [[ $ANSWERED == *TFTP* ]] || fail "TFTP was not used: $ANSWERED" ;;
        *) [[ $ANSWERED != *TFTP* ]] || fail "TFTP was used: $ANSWERED" ;;
    esac
    step "what the server says"
    milestones
    [[ $ANSWERED != *TFTP* ]] || must_say TFTP "$MACHINE_MAC"
}

# milestones: the life of a boot, in the server's log
milestones() {
    local word
    for word in DISCOVER OFFER REQUEST ACK HTTP; do must_say "$word" "$MACHINE_MAC"; done
    grep -qE 'ACK.*(http://|tftp://|ipxe\.efi|undionly)' "$LOG" || fail "no ACK with a boot file in the log"
}

cell full-bios-ipxe-rom check 300 cell_boots bios-ipxe-rom yes
cell full-uefi-pxe check 300 cell_boots uefi-pxe yes
cell full-uefi-http check 300 cell_boots uefi-http no
cell full-bios-tftp full 600 cell_boots bios-tftp no
cell bios-tftp check 150 cell_script bios-plain
cell uefi-grub full 600 cell_grub
cell uefi-grub-profile full 600 cell_grub_profile
cell pxelinux-search check 180 cell_pxelinux_search
cell bios-e1000 full 300 cell_boots bios-ipxe-rom no e1000
