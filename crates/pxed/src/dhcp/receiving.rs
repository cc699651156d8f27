//! What comes in: into the backlog first, and out of it what is answered next.

use std::net::Ipv4Addr;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{LinkId, Probe, Shed};
use pxed_proto::limits::COMMITS_MAX;
use pxed_proto::net::Mac;
use tracing::{Level, enabled};

use super::Worker;
use crate::net::{DhcpSockets, Inlet, Received};

/// How many are answered before the sockets are looked at again.
const ROUND: usize = 64;

/// How many batches of one socket are read before those of others are: all that its buffer holds, so that
/// it is the backlog that decides what is lost, and not the kernel.
const BATCHES: usize = 64;

impl Worker {
    /// Empties the sockets that have something.
    pub(super) fn receive(&mut self, now: Timestamp) {
        let mut place = 0;
        while let Some(ready) = self.readiness.ready(place) {
            match ready {
                Some((link, Inlet::Arp)) => self.receive_arp(link, now),
                Some((link, Inlet::Overheard)) => self.overhear(link, now),
                Some((link, inlet)) => self.receive_datagrams(link, inlet, now),
                None => {}
            }
            place += 1;
        }
    }

    fn receive_datagrams(&mut self, link: LinkId, inlet: Inlet, now: Timestamp) {
        let Self { sockets, backlog, shedding, notebook, server, .. } = self;
        let Some(Some(sockets)) = sockets.get_mut(link.0) else { return };
        let mut each = |received: Received<'_>| match received {
            Ok((arrival, datagram)) => {
                if enabled!(Level::DEBUG) {
                    notebook.received(&arrival, datagram);
                }
                let shed = &mut |shed: Shed| {
                    notebook.shed(&shed);
                    shedding.shed(&shed);
                };
                let kind = backlog.push(now, (link, arrival), datagram, shed);
                shedding.heard(kind);
            }
            Err(damage) => {
                let output = server.damaged(link, damage);
                output.event.into_iter().for_each(|event| notebook.event(event));
            }
        };
        let mut batches = 0..BATCHES;
        while sockets.receive(inlet, &mut each) && batches.next().is_some() {}
    }

    /// Answers the most urgent of what waits.
    pub(super) fn answer(&mut self, now: Timestamp) {
        for _ in 0..ROUND {
            let is_store_behind = self.is_store_behind(now);
            let Self { backlog, shedding, notebook, server, booting, .. } = self;
            let shed = &mut |shed: Shed| {
                notebook.shed(&shed);
                shedding.shed(&shed);
            };
            let Some(waiting) = backlog.take(now, is_store_behind, shed) else { return };
            let plan = server.plan(now, waiting.link, &waiting.arrival, &waiting.datagram);
            booting.hear(&plan, (waiting.link, waiting.arrival), &waiting.datagram);
            let output = server.apply(plan, now);
            self.carry_out(output, now);
        }
    }

    /// Would a change wait for the store for longer than its client for the answer?
    pub(super) fn is_store_behind(&self, now: Timestamp) -> bool {
        // A lease may come with another one that is given up.
        self.store_lag.is_behind(now) || self.server.commits_waiting() + 2 > COMMITS_MAX
    }

    /// Tells the kernel which share of DISCOVERs to drop, where that is another one now.
    pub(super) fn shed_in_kernel(&mut self, now: Timestamp) {
        if let Some(share) = self.shedding.adjust(now) {
            self.sockets.iter_mut().flatten().for_each(|sockets| sockets.shed(share));
        }
    }

    /// Asks who has an address. If that can not be sent, nobody can answer.
    pub(super) fn probe(&mut self, probe: Probe, now: Timestamp) {
        let sockets = self.sockets.get(probe.link.0).and_then(Option::as_ref);
        match sockets.map(|sockets| sockets.probe(probe.address)) {
            Some(Ok(())) => return self.probes.sent(probe, now),
            Some(Err(error)) => {
                if let Some(link) = self.server.config().links.get(probe.link.0) {
                    self.notebook.send_failed(link.name.clone(), error);
                }
            }
            // The interface is gone.
            None => {}
        }
        let output = self.server.not_probed(&probe, now);
        self.carry_out(output, now);
    }

    fn receive_arp(&mut self, link: LinkId, now: Timestamp) {
        let Some(Some(sockets)) = self.sockets.get_mut(link.0) else { return };
        let mut found: Vec<(Probe, Mac)> = Vec::new();
        let (probes, server) = (&mut self.probes, &self.server);
        sockets.receive_arp(|holder, address: Ipv4Addr| {
            let probe = probes.answered(link, address);
            let probe = probe.or_else(|| server.silent_probe(link, address, now));
            found.extend(probe.map(|probe| (probe, holder)));
        });
        for (probe, holder) in found {
            let output = self.server.probed(&probe, Some(holder), now);
            self.carry_out(output, now);
        }
    }

    /// What other servers say to their clients.
    fn overhear(&mut self, link: LinkId, now: Timestamp) {
        let Some(Some(sockets)) = self.sockets.get_mut(link.0) else { return };
        let server = &mut self.server;
        let mut outputs = Vec::new();
        sockets.receive(Inlet::Overheard, |received| {
            outputs.push(match received {
                Ok((arrival, datagram)) => server.overheard(link, &arrival, datagram, now),
                Err(damage) => server.damaged(link, damage),
            });
        });
        outputs.into_iter().for_each(|output| self.carry_out(output, now));
    }

    /// Nobody has answered for long enough.
    pub(super) fn end_probes(&mut self, now: Timestamp) {
        while let Some(probe) = self.probes.next_silent(now) {
            let output = self.server.probed(&probe, None, now);
            self.carry_out(output, now);
        }
    }

    /// An interface is gone, or there again.
    pub(super) fn replace_sockets(&mut self, link: LinkId, sockets: Option<DhcpSockets>) {
        let Some(place) = self.sockets.get_mut(link.0) else { return };
        if let Some(mut old) = std::mem::replace(place, sockets) {
            self.overflowed_before += old.overflowed();
        }
        if let Some(new) = place {
            new.shed(self.shedding.share());
            if let Err(error) = self.readiness.watch(link, new) {
                tracing::warn!("an interface is not heard: {error}");
            }
        }
    }
}
