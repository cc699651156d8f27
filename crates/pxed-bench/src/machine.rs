//! One machine's state: small, since there are hundreds of thousands.

use std::net::Ipv4Addr;

use pxed_proto::net::Mac;

/// What a machine waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: it is free for an exchange.
    Idle,
    /// An OFFER.
    Discover,
    /// The ACK of what it was offered.
    Request,
    /// The ACK of what it has.
    Renew,
}

/// A machine, found by its number.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// When its exchange was to begin.
    pub(crate) started: u64,
    /// When the message that it waits for an answer to was first to be sent.
    pub(crate) asked: u64,
    /// What it was offered or has; 0.0.0.0 is nothing.
    pub(crate) address: Ipv4Addr,
    pub(crate) server: Ipv4Addr,
    pub(crate) step: Step,
    /// How often the message was sent.
    pub(crate) attempt: u8,
    /// Counts exchanges, so that an answer to the one before is not taken for one to this.
    pub(crate) exchange: u8,
    /// Counts what was sent, so that a timer knows whether it still matters.
    pub(crate) sent: u16,
    /// How often it was refused in all.
    pub(crate) refused: u16,
    /// The exchange began in the time that is measured.
    pub(crate) measured: bool,
    /// It holds a lease on `address`.
    pub(crate) leased: bool,
}

impl Machine {
    pub(crate) const NEW: Self = Self {
        started: 0,
        asked: 0,
        address: Ipv4Addr::UNSPECIFIED,
        server: Ipv4Addr::UNSPECIFIED,
        step: Step::Idle,
        attempt: 0,
        exchange: 0,
        sent: 0,
        refused: 0,
        measured: false,
        leased: false,
    };
}

/// The MAC of the machine with this number: locally administered.
pub(crate) fn mac(number: u32) -> Mac {
    let [a, b, c, d] = number.to_be_bytes();
    Mac([0x02, 0xbe, a, b, c, d])
}
