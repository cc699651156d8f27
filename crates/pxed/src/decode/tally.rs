//! What was not shown, and why: counted, never silent.

use std::collections::BTreeMap;
use std::fmt;

/// Why a frame is in nobody's conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skipped {
    /// Nothing that has to do with booting, or nothing new of it.
    OtherProtocol,
    /// DHCPv6, which is not decoded.
    Dhcpv6,
    /// A part of an IP packet.
    Fragment,
    /// It ends before its headers say so, though all of it was captured, or its sums are wrong.
    Damaged,
    /// The capture kept too little of it.
    Cut,
    /// On a DHCP port, and no DHCP message.
    NotDhcp,
    /// A link type that is not known here.
    LinkType(u16),
    /// The same packet, heard on another interface.
    Copy,
    /// There are more machines than are kept.
    TooManyMachines,
    /// There are more transfers and requests at once than are kept.
    TooManyTransfers,
    /// Of a machine that was not asked for.
    NotAskedFor,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherProtocol => "of other protocols or without news",
            Self::Dhcpv6 => "of DHCPv6, which is not decoded",
            Self::Fragment => "IP fragments, which are not put together",
            Self::Damaged => "damaged",
            Self::Cut => "captured in part only (capture with tcpdump -s 0)",
            Self::NotDhcp => "on a DHCP port and no DHCP message",
            Self::LinkType(number) => {
                return write!(f, "of link type {number}, which is not known here");
            }
            Self::Copy => "heard a second time on another interface",
            Self::TooManyMachines => "of machines beyond the most that are kept",
            Self::TooManyTransfers => "of transfers beyond the most that are kept at once",
            Self::NotAskedFor => "of other machines",
        })
    }
}

/// How many of each.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<Skipped, u64>);

impl Tally {
    /// One more.
    pub fn count(&mut self, skipped: Skipped) {
        // Link types are 65536 at most, and a file has few.
        *self.0.entry(skipped).or_default() += 1;
    }
}

impl fmt::Display for Tally {
    /// `3 damaged, 1 of DHCPv6, which is not decoded`; empty if nothing was left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(i, (skipped, count))| {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{count} {skipped}")
        })
    }
}
