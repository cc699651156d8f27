//! What other threads ask of the DHCP thread: they leave a word and wake it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use nix::sys::eventfd::EventFd;
use pxed_proto::Timestamp;
use pxed_proto::dhcp::{
    AddressState, Census, Config, KnownAddress, KnownServer, Lease, LinkId, NotReleased, Quirk,
    Server, Signature, SubnetUse, Told, Votes,
};
use pxed_proto::net::{Ipv4Net, Mac};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::booting::{Asks, Boots};
use crate::explain::{Inquiry, Unscripted};
use crate::net::DhcpSockets;
use crate::store::{Lag, News};

/// How long a question waits: the thread never waits for anything but datagrams, and the store for
/// a disk that is busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many addresses are looked at for one question: a long list must not keep the thread from its
/// datagrams for more than a millisecond.
const PAGE: usize = 1024;

/// How many leases are counted for a status at once: a third of a millisecond of looks.
pub(super) const CENSUS: usize = 8192;

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<T>;

/// What the thread is told by others.
pub(super) enum Word {
    Store(News),
    /// Counts on, and says how it stands once all is counted.
    Status(Box<Census>, Reply<Result<Status, Box<Census>>>),
    Addresses(Wanted, Option<Ipv4Addr>, Reply<Page>),
    Release(Ipv4Addr, Reply<Result<Lease, ReleaseError>>),
    Boots(Asks, Reply<Boots>),
    Explain(Inquiry, Reply<Result<Unscripted, String>>),
    /// A file is fetched: by a URL that names a machine, from an address.
    Fetched(Option<Mac>, Ipv4Addr),
    Quirks(Reply<Quirks>),
    Forget(Option<Mac>, Reply<usize>),
    Reconfigure(Arc<Config>, Reply<()>),
    /// A link's sockets from now on; none while its interface is gone.
    Sockets(LinkId, Option<Box<DhcpSockets>>, Reply<()>),
    Mtu(LinkId, usize, Reply<()>),
    Stop,
    /// What a bug would do.
    #[cfg(test)]
    Panic,
}

/// How the DHCP server stands.
#[derive(Clone, Debug)]
pub struct Status {
    /// The configuration that is in force.
    pub config: Arc<Config>,
    /// How full the pools are: one for each subnet of the configuration.
    pub pools: Vec<SubnetUse>,
    /// Leases that clients have.
    pub active_leases: usize,
    /// Offers that are held.
    pub offers: usize,
    /// Other DHCP servers that were heard.
    pub others: Vec<OtherServer>,
    /// Datagrams that the kernel had no room for.
    pub overflowed: u64,
    /// Datagrams that wait to be answered.
    pub waiting: usize,
    /// About how many DISCOVERs the kernel dropped, as it was told to under overload.
    pub dropped: u64,
    /// The store can not write.
    pub store_fails: bool,
    /// How far the database is behind the leases.
    pub store_lag: Lag,
}

/// Another DHCP server.
#[derive(Clone, Debug)]
pub struct OtherServer {
    /// Where it was heard.
    pub link: Arc<str>,
    /// Its server identifier.
    pub address: Ipv4Addr,
    /// What it does.
    pub known: KnownServer,
}

/// Which addresses are asked for: those that all of these fit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Of this machine.
    pub mac: Option<Mac>,
    /// This one.
    pub ip: Option<Ipv4Addr>,
    /// In this network.
    pub subnet: Option<Ipv4Net>,
    /// That stand so.
    pub state: Option<AddressState>,
}

/// A part of a list of addresses.
#[derive(Clone, Debug)]
pub struct Page {
    /// What was asked for, of what was looked at.
    pub addresses: Vec<KnownAddress>,
    /// The last that was looked at, if there may be more behind it.
    pub next: Option<Ipv4Addr>,
}

/// Why a lease was not freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseError {
    /// There is nothing to free.
    Nothing(NotReleased),
    /// It could not be stored, and so the client still has it.
    NotDurable,
}

/// What was learned of the forms of proxy offers.
#[derive(Clone, Debug, Default)]
pub struct Quirks {
    /// Of machines.
    pub machines: Vec<Quirk>,
    /// What machines of one firmware follow.
    pub firmwares: Vec<(Signature, Votes)>,
    /// What the quirks file says.
    pub told: Told,
}

/// How many fetches may wait to be told. One that is lost costs a form a success: nothing more, and
/// a machine that boots fetches several files.
const FETCHES_MAX: usize = 1024;

/// Reaches the thread.
#[derive(Clone)]
pub struct Mailbox {
    pub(super) words: Sender<Word>,
    pub(super) wake: Arc<EventFd>,
    pub(super) fetches: Arc<Fetches>,
}

/// Whether the thread wants to hear of fetches, and how many it has not heard of yet.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    pub(super) wanted: AtomicBool,
    pub(super) waiting: AtomicUsize,
}

impl Mailbox {
    pub(super) fn leave(&self, word: Word) {
        // The thread is gone only when pxed stops; nobody needs the word then.
        if self.words.send(word).is_ok() {
            let _ = self.wake.write(1);
        }
    }

    /// How the server stands; `None` if the thread does not answer.
    pub async fn status(&self) -> Option<Status> {
        let mut census = Box::default();
        loop {
            match self.ask(|reply| Word::Status(census, reply)).await? {
                Ok(status) => return Some(status),
                Err(more) => census = more,
            }
        }
    }

    /// A part of the addresses that clients have, had, or are offered: what comes after `after`.
    pub async fn addresses(&self, wanted: Wanted, after: Option<Ipv4Addr>) -> Option<Page> {
        self.ask(|reply| Word::Addresses(wanted, after, reply)).await
    }

    /// Frees a lease; the answer is its last row, and comes when that is durable.
    pub async fn release(&self, address: Ipv4Addr) -> Option<Result<Lease, ReleaseError>> {
        self.ask(|reply| Word::Release(address, reply)).await
    }

    /// What would become of a datagram now; the error is an interface that is not served.
    pub async fn explain(&self, inquiry: Inquiry) -> Option<Result<Unscripted, String>> {
        self.ask(|reply| Word::Explain(inquiry, reply)).await
    }

    /// What a machine is to boot that asks for a file whose name does not say it; `None` if the thread
    /// does not answer.
    pub async fn boots(&self, asks: Asks) -> Option<Boots> {
        self.ask(|reply| Word::Boots(asks, reply)).await
    }

    /// A machine fetches a file: the one that its URL names, or whoever has the address. Never waits.
    pub fn fetched(&self, machine: Option<Mac>, from: SocketAddr) {
        let IpAddr::V4(from) = from.ip().to_canonical() else { return };
        if !self.fetches.wanted.load(Ordering::Relaxed) {
            return;
        }
        if self.fetches.waiting.fetch_add(1, Ordering::Relaxed) < FETCHES_MAX {
            self.leave(Word::Fetched(machine, from));
        } else {
            self.fetches.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// What was learned of the forms of proxy offers.
    pub async fn quirks(&self) -> Option<Quirks> {
        self.ask(Word::Quirks).await
    }

    /// Forgets what was learned of a machine, or of all; how many that were.
    pub async fn forget(&self, machine: Option<Mac>) -> Option<usize> {
        self.ask(|reply| Word::Forget(machine, reply)).await
    }

    /// Takes another configuration, on the same links; `None` if the thread does not answer.
    pub async fn reconfigure(&self, config: Arc<Config>) -> Option<()> {
        self.ask(|reply| Word::Reconfigure(config, reply)).await
    }

    /// Gives the thread a link's sockets, in place of those that it had, which are closed when this
    /// returns; `None` if the thread does not answer.
    pub async fn replace_sockets(&self, link: LinkId, sockets: Option<DhcpSockets>) -> Option<()> {
        self.ask(|reply| Word::Sockets(link, sockets.map(Box::new), reply)).await
    }

    /// Replies on the link are at most so long from now on.
    pub async fn set_mtu(&self, link: LinkId, mtu: usize) -> Option<()> {
        self.ask(|reply| Word::Mtu(link, mtu, reply)).await
    }

    async fn ask<T>(&self, word: impl FnOnce(Reply<T>) -> Word) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        self.leave(word(sender));
        timeout(PATIENCE, receiver).await.ok()?.ok()
    }
}

impl Wanted {
    fn fits(&self, known: &KnownAddress) -> bool {
        let mac = known.hardware.and_then(|hardware| hardware.mac());
        self.mac.is_none_or(|wanted| mac == Some(wanted))
            && self.ip.is_none_or(|wanted| known.address == wanted)
            && self.subnet.is_none_or(|wanted| wanted.contains(known.address))
            && self.state.is_none_or(|wanted| known.state == wanted)
    }

    /// The first that is worth a look: the one before where it is.
    fn begins_after(&self) -> Option<Ipv4Addr> {
        let first = self.ip.or(self.subnet.map(Ipv4Net::network))?;
        first.to_bits().checked_sub(1).map(Ipv4Addr::from_bits)
    }

    fn is_over(&self, address: Ipv4Addr) -> bool {
        let last = self.ip.or(self.subnet.map(Ipv4Net::broadcast));
        last.is_some_and(|last| address >= last)
    }
}

/// Looks at so many addresses after `after`.
pub(super) fn page(
    server: &Server,
    wanted: &Wanted,
    after: Option<Ipv4Addr>,
    now: Timestamp,
) -> Page {
    let (mut addresses, mut last) = (Vec::new(), None);
    let after = after.max(wanted.begins_after());
    for (looked_at, known) in server.known_addresses(after, now).enumerate() {
        let address = known.address;
        addresses.extend(wanted.fits(&known).then_some(known));
        if wanted.is_over(address) {
            break;
        }
        if looked_at + 1 == PAGE {
            last = Some(address);
            break;
        }
    }
    Page { addresses, next: last }
}

/// Everything that was learned: bounded, and copied in less than a millisecond.
pub(super) fn quirks(server: &Server) -> Quirks {
    let firmwares = server.quirks().firmwares();
    Quirks {
        machines: server.quirks().machines().collect(),
        firmwares: firmwares.map(|(firmware, votes)| (firmware.clone(), votes.clone())).collect(),
        told: server.config().policy.quirks.clone(),
    }
}
