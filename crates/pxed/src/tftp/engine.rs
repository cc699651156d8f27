//! The thread that owns every TFTP socket and every transfer.
//!
//! It waits for all of them at once, and does a bounded amount for each that has something: one batch
//! of requests, one answer of a client and the window that follows from it. What may wait for a disk
//! is done elsewhere, and comes back as a [`Word`].

mod requests;
mod transfers;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use pxed_proto::Timestamp;
use pxed_proto::event::TftpOutcome;
use tokio::runtime::Handle;

use super::cache::Cache;
use super::ids::IdMap;
use super::mailbox::{Letters, Mailbox, Word};
use super::searches::Searches;
use super::table::Table;
use super::timers::Timers;
use super::vigil::Vigil;
use super::{Change, Listener, Server};
use crate::net::{TftpBatch, TftpSocket, take_short_turns};

/// The mailbox's bell among what is waited for.
const BELL: u64 = 0;

/// Listeners are numbered from 1, requests from here.
const FIRST_REQUEST: u64 = 1 << 32;

/// How many sockets one wait tells of; the others come next.
const EVENTS: usize = 64;

/// The server on one interface.
struct Link {
    socket: Arc<TftpSocket>,
    interface: Arc<str>,
    mtu: u32,
    /// Its card or driver has not refused segments.
    segments: bool,
    /// Transfers that wait for room in the socket, which they share.
    blocked: Vec<u64>,
}

/// The thread's state.
pub struct Engine {
    server: Server,
    epoll: Epoll,
    mailbox: Mailbox,
    letters: Letters,
    /// Where files are opened and read.
    jobs: Handle,
    links: BTreeMap<u64, Link>,
    last_link: u64,
    table: Table,
    last_request: u64,
    timers: Timers,
    searches: Searches,
    cache: Cache,
    /// Chunks that are being read, and who waits for them.
    reading: IdMap<(u64, u32), Vec<u64>>,
    vigil: Vigil,
    /// Octets of all texts that are being sent.
    texts: usize,
    /// How many transfers may still have sockets of their own.
    own_ports_left: usize,
    began: Instant,
    now: Timestamp,
    /// When what still runs is broken off.
    end: Option<Timestamp>,
    /// Listeners may still come.
    may_change: bool,
}

impl Engine {
    /// Without a listener.
    pub fn new(server: Server, mailbox: Mailbox, letters: Letters) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&letters, EpollEvent::new(EpollFlags::EPOLLIN, BELL))?;
        let table = Table::new(server.running.clone());
        Ok(Self {
            epoll,
            mailbox,
            letters,
            jobs: Handle::current(),
            links: BTreeMap::new(),
            last_link: 0,
            table,
            last_request: FIRST_REQUEST,
            timers: Timers::default(),
            searches: Searches::default(),
            cache: Cache::default(),
            reading: IdMap::default(),
            vigil: Vigil::default(),
            texts: 0,
            own_ports_left: server.own_ports,
            began: Instant::now(),
            now: Timestamp::EPOCH,
            end: None,
            may_change: true,
            server,
        })
    }

    /// Serves until it was told to stop and all has ended, or until nobody can ask any more.
    pub fn run(mut self) -> io::Result<()> {
        take_short_turns();
        let mut batch = TftpBatch::new();
        let mut events = [EpollEvent::empty(); EVENTS];
        while !self.is_over() {
            let count = match self.wait(&mut events) {
                Err(Errno::EINTR) => 0,
                result => result?,
            };
            self.now = self.clock();
            for event in events.iter().take(count) {
                self.handle(event.data(), event.events(), &mut batch);
            }
            self.handle_timeouts();
        }
        Ok(())
    }

    fn wait(&mut self, events: &mut [EpollEvent]) -> nix::Result<usize> {
        let epoll = &self.epoll;
        match self.vigil.keep(|| epoll.wait(events, EpollTimeout::ZERO))? {
            0 => self.epoll.wait(events, self.patience()),
            found => Ok(found),
        }
    }

    fn is_over(&self) -> bool {
        let deaf = self.end.is_some() || self.links.is_empty() && !self.may_change;
        deaf && self.table.is_empty()
    }

    fn clock(&self) -> Timestamp {
        Timestamp::EPOCH + self.began.elapsed()
    }

    /// Until something is due.
    fn patience(&self) -> EpollTimeout {
        let next = self.timers.next().into_iter().chain(self.end).min();
        let wait = next.map(|next| next.since(self.clock()));
        wait.map_or(EpollTimeout::NONE, |wait| wait.try_into().unwrap_or(EpollTimeout::MAX))
    }

    fn handle(&mut self, id: u64, ready: EpollFlags, batch: &mut TftpBatch) {
        if ready.contains(EpollFlags::EPOLLOUT) {
            self.room(id);
        }
        if !ready.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLERR) {
            return;
        }
        match id {
            BELL => {
                let words: Vec<Word> = self.letters.take().collect();
                words.into_iter().for_each(|word| self.obey(word));
            }
            1..FIRST_REQUEST => self.hear_requests(id, batch),
            _ => self.hear_client(id),
        }
    }

    fn obey(&mut self, word: Word) {
        match word {
            Word::Change(Change::Gone(interface)) => self.let_go(&interface),
            Word::Change(Change::Back(listener)) => {
                let interface = listener.interface.clone();
                if let Err(error) = self.listen(listener) {
                    tracing::warn!("{interface}: TFTP is not served there: {error}");
                }
            }
            Word::Change(Change::Mtu(interface, mtu)) => {
                let mut links = self.links.values_mut();
                if let Some(link) = links.find(|link| link.interface == interface) {
                    link.mtu = mtu;
                }
            }
            Word::NoMoreChanges => self.may_change = false,
            Word::Stop => self.stop(self.server.grace),
            Word::End => self.stop(Duration::ZERO),
            Word::Opened { id, found } => self.begin(id, found),
            Word::Read { content, index, octets } => self.take_chunk(content, index, octets),
        }
    }
}

/// Interfaces come and go.
impl Engine {
    /// In place of the one that the interface had, if it had one.
    pub fn listen(&mut self, listener: Listener) -> io::Result<()> {
        let Listener { socket, interface, mtu } = listener;
        self.let_go(&interface);
        if self.end.is_some() {
            return Ok(());
        }
        let socket = Arc::new(TftpSocket::of_listener(socket)?);
        self.last_link += 1;
        self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, self.last_link))?;
        let link = Link { socket, interface, mtu, segments: true, blocked: Vec::new() };
        self.links.insert(self.last_link, link);
        Ok(())
    }

    /// The port is free for whoever comes next. Transfers with sockets of their own may try on.
    fn let_go(&mut self, interface: &str) {
        let mut links = self.links.iter();
        let Some((&id, _)) = links.find(|(_, link)| *link.interface == *interface) else { return };
        for request in self.table.sharing(id) {
            self.finish(request, TftpOutcome::Failed(format!("{interface} is gone")));
        }
        self.links.remove(&id);
        self.timers.forget(id);
    }

    /// No more requests; what still runs after `grace` is broken off. Listeners that transfers share
    /// stay for the clients' answers.
    fn stop(&mut self, grace: Duration) {
        self.end = Some(self.now + grace);
        let table = &self.table;
        self.links.retain(|id, _| !table.sharing(*id).is_empty());
    }

    fn break_off(&mut self) {
        for id in self.table.ids() {
            self.tell(id, "the server is stopped");
            self.finish(id, TftpOutcome::Stopped);
        }
    }
}

/// Time passes, and sockets have room again.
impl Engine {
    fn handle_timeouts(&mut self) {
        while let Some(id) = self.timers.take_due(self.now) {
            match id {
                ..FIRST_REQUEST => self.watch(id, EpollFlags::EPOLLIN),
                _ => self.handle_timeout(id),
            }
        }
        if self.end.is_some_and(|end| end <= self.now) {
            self.break_off();
        }
    }

    /// What the socket of a listener or of a transfer is waited for.
    fn watch(&self, id: u64, what: EpollFlags) {
        let of_transfer = || self.table.get(id).and_then(|exchange| exchange.outlet.as_ref());
        let socket = match self.links.get(&id) {
            Some(link) => &link.socket,
            None => match of_transfer() {
                Some(outlet) => &outlet.socket,
                None => return,
            },
        };
        // It can not fail: the socket is among those that are waited for.
        let _ = self.epoll.modify(socket, &mut EpollEvent::new(what, id));
    }

    /// A socket has room again.
    fn room(&mut self, id: u64) {
        self.watch(id, EpollFlags::EPOLLIN);
        let blocked = match self.links.get_mut(&id) {
            Some(link) => std::mem::take(&mut link.blocked),
            None => vec![id],
        };
        blocked.into_iter().for_each(|id| self.go_on(id));
    }

    /// A socket has none: its own, or the listener's.
    fn wait_for_room(&mut self, id: u64) {
        let Some(exchange) = self.table.get(id) else { return };
        let both = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT;
        match self.links.get_mut(&exchange.link).filter(|_| exchange.shares_port()) {
            Some(link) => {
                if !link.blocked.contains(&id) {
                    link.blocked.push(id);
                }
                self.watch(exchange.link, both);
            }
            None => self.watch(id, both),
        }
    }
}
