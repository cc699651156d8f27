//! The kernel's filters (classic BPF) of DHCP sockets: what is for them, and under overload which
//! DISCOVERs are not even read.

use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_B, BPF_H, BPF_IND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JMP};
use libc::{BPF_JSET, BPF_K, BPF_LD, BPF_LDX, BPF_LEN, BPF_MSH, BPF_RET, BPF_W};
use socket2::SockFilter;

/// A datagram passes, whole.
const PASS: u32 = u32::MAX;
const DROP: u32 = 0;

/// What the kernel knows of a packet lies behind SKF_AD_OFF: SKF_AD_RANDOM.
const RANDOM: u32 = u32::MAX - 4095 + 56;

/// Where option 53 is, counted from the UDP header: the first option behind header, fixed fields and
/// cookie, as firmware sends it. Who sends it elsewhere is not dropped.
const OPTION_53: u32 = 8 + 240;

/// Without options.
const IP_HEADER: u32 = 20;

/// IPv4 UDP to 255.255.255.255 and `port`, in one packet or the first fragment of one (which is then
/// counted as such; the others have no port). Of DISCOVERs only those whose random number is below
/// `threshold`, if there is one.
pub(super) fn broadcasts_to(port: u16, threshold: Option<u16>) -> Vec<SockFilter> {
    let to_port = [
        load(BPF_W, 16),
        unless_equal(u32::MAX, 8),
        load(BPF_B, 9),
        unless_equal(17, 6),
        load(BPF_H, 6),
        filter(BPF_JMP | BPF_JSET | BPF_K, (4, 0), 0x1fff),
        filter(BPF_LDX | BPF_B | BPF_MSH, (0, 0), 0),
        filter(BPF_LD | BPF_H | BPF_IND, (0, 0), 2),
        unless_equal(u32::from(port), 1),
        filter(BPF_JMP | BPF_JA, (0, 0), 1),
        returned(DROP),
    ];
    let indirect = |size, offset| filter(BPF_LD | BPF_IND | size, (0, 0), offset);
    let rest = match threshold {
        Some(threshold) => share(threshold, IP_HEADER, indirect),
        None => vec![returned(PASS)],
    };
    to_port.into_iter().chain(rest).collect()
}

/// All that comes to a UDP socket, but of DISCOVERs only those whose random number is below `threshold`.
pub(super) fn share_of_discovers(threshold: u16) -> Vec<SockFilter> {
    share(threshold, 0, load)
}

/// `load_udp` finds what is so far behind the beginning of the UDP header, in front of which there are at
/// least so many octets. A message that ends before option 53 passes, to be counted as what it is.
fn share(
    threshold: u16,
    before: u32,
    load_udp: impl Fn(u32, u32) -> SockFilter,
) -> Vec<SockFilter> {
    let [code, length, discover] = [53, 1, 1];
    vec![
        filter(BPF_LD | BPF_W | BPF_LEN, (0, 0), 0),
        filter(BPF_JMP | BPF_JGE | BPF_K, (0, 7), before + OPTION_53 + 3),
        load_udp(BPF_H, OPTION_53),
        unless_equal(code << 8 | length, 5),
        load_udp(BPF_B, OPTION_53 + 2),
        unless_equal(discover, 3),
        load(BPF_W, RANDOM),
        filter(BPF_ALU | BPF_AND | BPF_K, (0, 0), 0xffff),
        filter(BPF_JMP | BPF_JGE | BPF_K, (1, 0), u32::from(threshold)),
        returned(PASS),
        returned(DROP),
    ]
}

fn load(size: u32, offset: u32) -> SockFilter {
    filter(BPF_LD | BPF_ABS | size, (0, 0), offset)
}

/// Jumps over so many, if what was loaded is not this.
fn unless_equal(value: u32, otherwise: u8) -> SockFilter {
    filter(BPF_JMP | BPF_JEQ | BPF_K, (0, otherwise), value)
}

fn returned(length: u32) -> SockFilter {
    filter(BPF_RET | BPF_K, (0, 0), length)
}

fn filter(code: u32, (then, otherwise): (u8, u8), value: u32) -> SockFilter {
    SockFilter::new(u16::try_from(code).unwrap_or_default(), then, otherwise, value)
}
