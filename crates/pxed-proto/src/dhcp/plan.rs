//! What comes of a datagram: what it deserves, and what is to be done in the world.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::config::SubnetId;
use super::lease::{ClientKey, Lease};
use super::probe::{Probe, Question};
use super::quirks::{Evidence, Learned};
use super::rate::Charge;
use super::table::Hold;
use super::transmit::Transmit;
use crate::Few;
use crate::event::{Deed, DhcpEvent, Event};

/// What a datagram deserves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The fact, as it will be told once it is true.
    pub event: DhcpEvent,
    /// What becomes of the lease table.
    pub change: Change,
    /// What is sent.
    pub reply: Option<Transmit>,
    /// The other server whose offer the client takes.
    pub chosen: Option<(Ipv4Addr, Deed)>,
    /// What it costs those who are counted.
    pub charge: Charge,
}

/// What becomes of the lease table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// An address is held for an offer: in memory only.
    Hold {
        /// Where.
        subnet: SubnetId,
        /// What.
        address: Ipv4Addr,
        /// For whom, until when.
        hold: Hold,
    },
    /// The same, once an ARP probe has found nobody there: the offer is not made before.
    Probe {
        /// Where.
        subnet: SubnetId,
        /// What.
        address: Ipv4Addr,
        /// For whom, until when.
        hold: Hold,
        /// How long to wait for an answer.
        wait: Duration,
        /// What to answer then.
        question: Box<Question>,
    },
    /// What was held for the client is free again: it took another server's offer, or is offered
    /// what it has.
    DropHold {
        /// Where.
        subnet: SubnetId,
        /// Whose.
        client: ClientKey,
    },
    /// It shows something about the form of a proxy offer that the machine follows.
    See(Evidence),
    /// A lease is written: granted, released or declined. This must be durable.
    Put {
        /// What; its version is the one after that of the lease it replaces.
        lease: Lease,
        /// The client's lease of another address, which it gives up by this.
        freed: Option<Lease>,
    },
}

/// What is to be done in the world after one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Record this.
    pub event: Option<Event>,
    /// Send this.
    pub transmit: Option<Transmit>,
    /// Make these durable, and say so by [`Server::committed`](super::Server::committed); the event
    /// and the message that belong to them come out then.
    pub commits: Few<Commit>,
    /// Record this too: what was heard of another server, or that none is.
    pub other: Option<Event>,
    /// Ask who has this address, and say what came of it by
    /// [`Server::probed`](super::Server::probed); the event and the message come out then.
    pub probe: Option<Probe>,
    /// Keep these in mind, for [`Server::recall`](super::Server::recall) of the next run. Nobody waits
    /// for it, and nothing is wrong if it is lost.
    pub learned: Vec<Learned>,
}

/// Names a commit; later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitId(pub u64);

/// A lease change that must be durable. Commits are to be carried out in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Which one.
    pub id: CommitId,
    /// The row. It replaces the row of its address with the version before (0: no row), or fails.
    pub lease: Lease,
}

/// Why a commit failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// The store has another version of the row: this one (`None`: no row). It is taken over.
    Conflict(Option<Lease>),
    /// The store could not write.
    Failed,
}
