//! Why a client was refused, and why a datagram was not answered.

use std::fmt;

use crate::machine::Architecture;
use crate::text::place_of;
use crate::wire::dhcp::{Malformed, MessageType};
use crate::wire::udp;

/// The client's state when it sent its REQUEST (RFC 2131 section 4.3.2 and figure 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestState {
    /// It has no address, and takes one without an offer (RFC 4039): a DISCOVER with option 80.
    RapidCommit,
    /// It takes an offer: option 54 names the server.
    Selecting,
    /// It remembers an address: option 50, no option 54.
    InitReboot,
    /// It prolongs its lease: `ciaddr`, sent to the server alone.
    Renewing,
    /// It prolongs its lease with any server: `ciaddr`, sent by broadcast.
    Rebinding,
}

impl fmt::Display for RequestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RapidCommit => "rapid commit",
            Self::Selecting => "selecting",
            Self::InitReboot => "init-reboot",
            Self::Renewing => "renewing",
            Self::Rebinding => "rebinding",
        })
    }
}

/// Why a REQUEST was answered with DHCPNAK. Its text goes to the client in option 56.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NakReason {
    /// The REQUEST names no address.
    NoAddress,
    /// The address belongs to another network than the client is on.
    WrongNetwork,
    /// The address is on this network, but not for clients to have.
    NotInPool,
    /// The address is kept for another machine.
    Reserved,
    /// Another client has it, or it is held for another.
    InUse,
    /// This client has another address.
    NotYours,
    /// A client found it in use by a stranger.
    Declined,
}

impl NakReason {
    /// The words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAddress => "no address was asked for",
            Self::WrongNetwork => "the address is not on this network",
            Self::NotInPool => "the address is in no pool",
            Self::Reserved => "the address is reserved for another machine",
            Self::InUse => "another client has the address",
            Self::NotYours => "the client has another address",
            Self::Declined => "the address was declined",
        }
    }
}

impl fmt::Display for NakReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl NakReason {
    /// A name for programs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NoAddress => "no-address",
            Self::WrongNetwork => "wrong-network",
            Self::NotInPool => "not-in-pool",
            Self::Reserved => "reserved",
            Self::InUse => "in-use",
            Self::NotYours => "not-yours",
            Self::Declined => "declined",
        }
    }
}

/// Why a datagram was not answered. Every one is counted under its [`Ignored::label`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ignored {
    /// No UDP datagram: a wrong checksum, lengths that contradict each other.
    Damaged(udp::Malformed),
    /// No DHCP message at all.
    Malformed(Malformed),
    /// `op` is not BOOTREQUEST: a server's or relay agent's own message.
    NotARequest,
    /// A BOOTP client that nothing is reserved for, where those are not answered.
    Bootp,
    /// A BOOTP client that wants to boot from another server: `sname` names it.
    OtherServerName,
    /// Option 53 says something that no client says to a server.
    MessageType,
    /// A server's message (OFFER, ACK, NAK) on the server's port.
    FromServer(MessageType),
    /// `htype` 0, or `hlen` longer than `chaddr`.
    Hardware,
    /// `chaddr` is a group address, which no machine has.
    GroupAddress,
    /// Neither a hardware address nor a client identifier.
    NoIdentity,
    /// It is not booting, and whoever is not booting is another server's client: on a subnet that
    /// is served by proxy, and at the boot server's port.
    NotBooting,
    /// It would boot, and there is no loader for its architecture.
    NoLoader(Option<Architecture>),
    /// Addresses are another server's on a subnet that is served by proxy.
    Proxy,
    /// Not what comes to a boot server's port: REQUEST and INFORM do.
    BootServerMessage,
    /// A boot item (43.71) that is in no menu of this server's.
    BootItem,
    /// It asks the boot server from an address that is not on the subnet.
    OffSubnet,
    /// No subnet is configured for where it came from.
    NoSubnet,
    /// The subnet is switched off.
    SubnetOff,
    /// This server stands by for another, and the client has not asked for long enough.
    StandingBy,
    /// `giaddr` can not be a relay agent's.
    RelayAddress,
    /// The subnet has its relay agents, and this is none of them.
    UnknownRelay,
    /// The relay agent (82.5) or the client (118) selects a subnet that is not configured.
    UnknownLink,
    /// As many addresses are in use behind the client's circuit or remote ID as may be.
    RelayCap,
    /// The store is far behind: one change more than may wait for it.
    Busy,
    /// The store can not write, and this is a change, or a newcomer.
    StoreFails,
    /// No pool has addresses for clients like it.
    NoPool,
    /// Every address of the pools that are open to it is in use.
    PoolExhausted,
    /// One address after the other was found in use by a probe; the next DISCOVER goes on.
    Conflicts,
    /// A later DISCOVER was answered in its place: the address was being probed still.
    Superseded,
    /// The client takes another server's offer.
    OtherServer,
    /// The client remembers an address that there is no record of here; another server may know.
    UnknownClient,
    /// RELEASE or DECLINE of an address that this client does not have.
    NotHolder,
    /// RELEASE or DECLINE without option 54, or for another server.
    NotForUs,
    /// RELEASE that comes neither from the address released nor by the relay agent of its lease:
    /// it may be anybody's.
    SpoofedSource,
    /// DECLINE long after the ACK: the client has had its time to probe.
    LateDecline,
    /// DECLINE by a client that has too many addresses out of use already.
    TooManyDeclines,
    /// DECLINE where half of the pools is out of use by DECLINE already.
    PoolDeclines,
    /// DECLINE from a link or relay agent's port that has too many addresses out of use already.
    SourceDeclines,
    /// One machine sends more than it may.
    MachineRate,
    /// Newcomers of the subnet send more than they may: known machines are served.
    NewcomerRate,
    /// The same behind one port of a relay agent.
    PortRate,
    /// More INFORMs than are answered.
    InformRate,
    /// INFORM that says no address, or one that is not on this network.
    InformAddress,
    /// More comes than can be answered, and others were more urgent or had waited less.
    Overload,
    /// The same message came again before it was looked at: the later one is answered.
    Repeated,
    /// It had waited longer than its client does.
    Stale,
}

/// The name of each reason for programs, and its number, by one list.
macro_rules! labels {
    ($($reason:pat => $label:literal,)*) => {
        impl Ignored {
            /// The names of all reasons, by their [numbers](Self::number).
            pub const LABELS: &[&str] = &[$($label),*];

            /// A name for programs.
            pub const fn label(self) -> &'static str {
                match self {
                    $($reason => $label,)*
                }
            }

            /// Its place in [`Self::LABELS`], for who counts them.
            pub const fn number(self) -> usize {
                match self {
                    $($reason => const { place_of(Self::LABELS, $label) },)*
                }
            }
        }
    };
}

labels! {
    Ignored::Damaged(_) => "damaged",
    Ignored::Malformed(Malformed::TooShort) => "too-short",
    Ignored::NotARequest => "not-a-request",
    Ignored::Bootp => "bootp",
    Ignored::OtherServerName => "other-server-name",
    Ignored::MessageType => "message-type",
    Ignored::FromServer(_) => "from-server",
    Ignored::Hardware => "hardware",
    Ignored::GroupAddress => "group-address",
    Ignored::NoIdentity => "no-identity",
    Ignored::NotBooting => "not-booting",
    Ignored::NoLoader(_) => "no-loader",
    Ignored::Proxy => "proxy",
    Ignored::BootServerMessage => "boot-server-message",
    Ignored::BootItem => "boot-item",
    Ignored::OffSubnet => "off-subnet",
    Ignored::NoSubnet => "no-subnet",
    Ignored::SubnetOff => "subnet-off",
    Ignored::StandingBy => "standing-by",
    Ignored::RelayAddress => "relay-address",
    Ignored::UnknownRelay => "unknown-relay",
    Ignored::UnknownLink => "unknown-link",
    Ignored::RelayCap => "relay-cap",
    Ignored::Busy => "busy",
    Ignored::StoreFails => "store-fails",
    Ignored::NoPool => "no-pool",
    Ignored::PoolExhausted => "pool-exhausted",
    Ignored::Conflicts => "conflicts",
    Ignored::Superseded => "superseded",
    Ignored::OtherServer => "other-server",
    Ignored::UnknownClient => "unknown-client",
    Ignored::NotHolder => "not-holder",
    Ignored::NotForUs => "not-for-us",
    Ignored::SpoofedSource => "spoofed-source",
    Ignored::LateDecline => "late-decline",
    Ignored::TooManyDeclines => "too-many-declines",
    Ignored::PoolDeclines => "pool-declines",
    Ignored::SourceDeclines => "source-declines",
    Ignored::MachineRate => "machine-rate",
    Ignored::NewcomerRate => "newcomer-rate",
    Ignored::PortRate => "port-rate",
    Ignored::InformRate => "inform-rate",
    Ignored::InformAddress => "inform-address",
    Ignored::Overload => "overload",
    Ignored::Repeated => "repeated",
    Ignored::Stale => "stale",
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Damaged(damage) => return write!(f, "damaged on its way: {damage:?}"),
            Self::Malformed(Malformed::TooShort) => "shorter than a DHCP message",
            Self::NotARequest => "not a client's message (op is not BOOTREQUEST)",
            Self::Bootp => "a BOOTP client, for which there is no address here",
            Self::OtherServerName => "the BOOTP client wants another server: sname",
            Self::MessageType => "a message type that no client sends to a server",
            Self::FromServer(message_type) => {
                return write!(f, "{message_type} is a server's message");
            }
            Self::Hardware => "impossible hardware type or address length",
            Self::GroupAddress => "the hardware address is a group's",
            Self::NoIdentity => "neither a hardware address nor a client identifier",
            Self::NotBooting => "it is not booting, and another server's client",
            Self::NoLoader(None) => "nothing to boot: it does not say its architecture",
            Self::NoLoader(Some(arch)) => {
                return write!(f, "nothing to boot: no loader for {arch}");
            }
            Self::Proxy => "addresses are another server's here",
            Self::BootServerMessage => "nothing that a boot server is asked for",
            Self::BootItem => "a boot item that is in no menu here",
            Self::OffSubnet => "the client's address is not on the subnet",
            Self::NoSubnet => "no subnet is configured for where it came from",
            Self::SubnetOff => "the subnet is switched off",
            Self::StandingBy => "standing by: the client has not asked for long enough",
            Self::RelayAddress => "giaddr can not be a relay agent's address",
            Self::UnknownRelay => "the relay agent is none of the subnet's",
            Self::UnknownLink => "the subnet that is selected is not configured",
            Self::RelayCap => "its circuit or remote ID has as many addresses as it may have",
            Self::Busy => "busy: too many changes wait for the store",
            Self::StoreFails => "the store can not write, so that nothing is leased anew",
            Self::NoPool => "no pool is open to this client",
            Self::PoolExhausted => "every address of the pool is in use",
            Self::Conflicts => "one address after the other is in use by a stranger",
            Self::Superseded => "a later DISCOVER is answered in its place",
            Self::OtherServer => "the client takes another server's offer",
            Self::UnknownClient => "no record of this client, another server may have one",
            Self::NotHolder => "the address is not this client's",
            Self::NotForUs => "option 54 does not name this server",
            Self::SpoofedSource => {
                "neither from the address that it gives back nor by its relay agent"
            }
            Self::LateDecline => "the address was given out too long ago to be declined",
            Self::TooManyDeclines => "the client has declined too many addresses",
            Self::PoolDeclines => "half of the addresses is declined already",
            Self::SourceDeclines => "too many addresses are declined from there already",
            Self::MachineRate => "the machine sends more than machine-rate allows",
            Self::NewcomerRate => "unknown machines ask more often than newcomer-rate allows",
            Self::PortRate => "unknown machines ask more often than port-rate allows on one port",
            Self::InformRate => "more INFORMs than inform-rate allows",
            Self::InformAddress => "the client's address is not on this network",
            Self::Overload => "more is asked than can be answered",
            Self::Repeated => "it was asked again meanwhile, and that is answered",
            Self::Stale => "it had waited for longer than the client does",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_number_of_its_own() {
        let reasons = [
            Ignored::Malformed(Malformed::TooShort),
            Ignored::NoLoader(None),
            Ignored::FromServer(MessageType::Ack),
            Ignored::Busy,
            Ignored::Stale,
        ];
        for reason in reasons {
            assert_eq!(Ignored::LABELS[reason.number()], reason.label());
        }
        let labels: std::collections::BTreeSet<&str> = Ignored::LABELS.iter().copied().collect();
        assert_eq!(labels.len(), Ignored::LABELS.len());
    }
}
