//! What others ask of the thread, and what it answers.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pxed_proto::dhcp::{Census, KnownServer};

use super::mailbox::{self, OtherServer, ReleaseError, Status, Word};
use super::{ReleaseReply, Worker};
use crate::explain::explain;
use crate::net::DhcpSockets;

impl Worker {
    /// Does what others asked for. What the store lets go leaves at once.
    pub(super) fn hear_words(&mut self) {
        let _ = self.wake.read();
        while let Ok(word) = self.inbox.try_recv() {
            self.hear(word);
        }
        self.flush();
    }

    fn hear(&mut self, word: Word) {
        let now = self.clock.now();
        match word {
            Word::Store(news) => self.hear_store(news),
            Word::Status(mut census, reply) => {
                let is_whole = self.server.count_pools(&mut census, mailbox::CENSUS, now);
                drop(reply.send(if is_whole { Ok(self.status(*census)) } else { Err(census) }));
            }
            Word::Addresses(wanted, after, reply) => {
                drop(reply.send(mailbox::page(&self.server, &wanted, after, now)));
            }
            Word::Release(address, reply) => self.release(address, reply),
            Word::Boots(asks, reply) => {
                drop(reply.send(self.booting.decide(&self.server, asks, now)));
            }
            Word::Explain(inquiry, reply) => {
                drop(reply.send(explain(&self.server, &inquiry, now)));
            }
            Word::Fetched(machine, from) => {
                self.fetches.waiting.fetch_sub(1, Ordering::Relaxed);
                let output = self.server.fetched(machine, from, now);
                self.carry_out(output, now);
            }
            Word::Quirks(reply) => drop(reply.send(mailbox::quirks(&self.server))),
            Word::Forget(machine, reply) => {
                let output = self.server.forget(machine);
                let _ = reply.send(output.learned.len());
                self.carry_out(output, now);
            }
            Word::Reconfigure(config, done) => {
                self.server.reconfigure(config, now);
                self.fetches.wanted.store(self.server.learns(), Ordering::Relaxed);
                let _ = done.send(());
            }
            Word::Sockets(link, sockets, done) => {
                self.replace_sockets(link, sockets.map(|sockets| *sockets));
                let _ = done.send(());
            }
            Word::Mtu(link, mtu, done) => {
                self.server.set_mtu(link, mtu);
                let _ = done.send(());
            }
            Word::Stop => self.stopping = true,
            #[cfg(test)]
            Word::Panic => panic!("a bug"),
        }
    }

    /// Frees a lease; whoever asked is answered when that is durable.
    fn release(&mut self, address: Ipv4Addr, reply: ReleaseReply) {
        let now = self.clock.now();
        match self.server.release(address, now) {
            Ok(output) => {
                let commit = output.commits.first();
                let waiting = commit.map(|commit| (commit.id, (commit.lease.clone(), reply)));
                self.releases.extend(waiting);
                self.carry_out(output, now);
            }
            Err(nothing) => drop(reply.send(Err(ReleaseError::Nothing(nothing)))),
        }
    }

    fn status(&mut self, census: Census) -> Status {
        let now = self.clock.now();
        let overflowed = self.sockets.iter_mut().flatten().map(DhcpSockets::overflowed);
        Status {
            config: self.server.config().clone(),
            pools: census.into_subnets(),
            active_leases: self.server.active_count(now),
            offers: self.server.offers(),
            others: self.server.other_servers().map(other_server).collect(),
            overflowed: overflowed.sum::<u64>() + self.overflowed_before,
            waiting: self.backlog.len(),
            dropped: self.shedding.dropped(),
            store_fails: self.server.store_fails(),
            store_lag: self.store.lag(),
        }
    }
}

fn other_server((link, address, known): (&Arc<str>, Ipv4Addr, &KnownServer)) -> OtherServer {
    OtherServer { link: link.clone(), address, known: known.clone() }
}
