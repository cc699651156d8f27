//! The requests that are being served: how many, whose, and which of them are repeated.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pxed_proto::Timestamp;
use pxed_proto::limits::{
    TFTP_COPY, TFTP_SILENCE_MAX, TFTP_TRANSFERS_MAX, TFTP_TRANSFERS_PER_CLIENT_MAX,
    TFTP_UNANSWERED_PER_CLIENT,
};

use super::exchange::Exchange;
use super::ids::IdMap;

/// All requests that are being served.
#[derive(Debug)]
pub struct Table {
    exchanges: IdMap<u64, Exchange>,
    /// The last request of a client's port, by link.
    latest: HashMap<(u64, SocketAddrV4), u64>,
    clients: HashMap<Ipv4Addr, Count>,
    /// For those who ask.
    running: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Count {
    exchanges: usize,
    /// Those of them whose client has not answered.
    unanswered: usize,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is to be served.
    Granted,
    /// It is being served already.
    Repeated,
    /// It is to be served in place of this one, whose client has fallen silent.
    Instead(u64),
    /// Too many are being served, in all or of this client.
    Full,
}

impl Table {
    /// An empty one, which counts here.
    pub fn new(running: Arc<AtomicUsize>) -> Self {
        let (exchanges, latest) = Default::default();
        Self { exchanges, latest, clients: HashMap::new(), running }
    }

    /// Is it a new request, and is there room for it?
    ///
    /// Until the client has answered, it does not know the transfer's TID, and repeats its request;
    /// and for a moment longer, the network may. What looks the same later is a machine that was
    /// switched off and on, whose ROM takes the same port each time.
    pub fn admit(
        &self,
        now: Timestamp,
        link: u64,
        client: SocketAddrV4,
        datagram: &[u8],
    ) -> Admission {
        if let Some(running) = self.latest(link, client).and_then(|id| self.exchanges.get(&id)) {
            let copied = !running.is_answered() || now.since(running.began) < TFTP_COPY;
            if copied && *running.datagram == *datagram {
                return Admission::Repeated;
            }
        }
        let of_client = self.clients.get(client.ip()).map_or(0, |count| count.exchanges);
        match self.exchanges.len() {
            _ if of_client >= TFTP_TRANSFERS_PER_CLIENT_MAX => Admission::Full,
            TFTP_TRANSFERS_MAX.. => self.stalest(now).map_or(Admission::Full, Admission::Instead),
            _ => Admission::Granted,
        }
    }

    /// The transfer whose client has been silent for longest, and was asked again at least once.
    fn stalest(&self, now: Timestamp) -> Option<u64> {
        let silent = |exchange: &Exchange| match &exchange.sending {
            Some(sending) => sending.transfer.attempts() > 0,
            // Its disk does not answer.
            None => now.since(exchange.began) >= TFTP_SILENCE_MAX,
        };
        let silent = self.exchanges.iter().filter(|(_, exchange)| silent(exchange));
        let stalest = silent.min_by_key(|(id, exchange)| {
            let attempts = exchange.sending.as_ref().map(|sending| sending.transfer.attempts());
            (std::cmp::Reverse(attempts), **id)
        });
        stalest.map(|(id, _)| *id)
    }

    /// Takes a request that was admitted.
    pub fn insert(&mut self, id: u64, exchange: Exchange) {
        self.latest.insert((exchange.link, exchange.parties.client), id);
        let count = self.clients.entry(*exchange.parties.client.ip()).or_default();
        count.exchanges += 1;
        count.unanswered += 1;
        self.exchanges.insert(id, exchange);
        self.running.store(self.exchanges.len(), Ordering::Relaxed);
    }

    /// Gives up its place.
    pub fn remove(&mut self, id: u64) -> Option<Exchange> {
        let exchange = self.exchanges.remove(&id)?;
        self.running.store(self.exchanges.len(), Ordering::Relaxed);
        let client = exchange.parties.client;
        if self.latest(exchange.link, client) == Some(id) {
            self.latest.remove(&(exchange.link, client));
        }
        if let Some(count) = self.clients.get_mut(client.ip()) {
            count.exchanges -= 1;
            count.unanswered -= usize::from(!exchange.counted_as_answered);
            if count.exchanges == 0 {
                self.clients.remove(client.ip());
            }
        }
        Some(exchange)
    }

    /// Notes that the client has answered, if it has.
    pub fn note_answer(&mut self, id: u64) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        if exchange.is_answered() && !exchange.counted_as_answered {
            exchange.counted_as_answered = true;
            if let Some(count) = self.clients.get_mut(exchange.parties.client.ip()) {
                count.unanswered -= 1;
            }
        }
    }

    /// Is so much of this address unanswered that it may be somebody else who asks?
    pub fn is_doubtful(&self, client: Ipv4Addr) -> bool {
        let unanswered = self.clients.get(&client).map_or(0, |count| count.unanswered);
        unanswered > TFTP_UNANSWERED_PER_CLIENT
    }

    /// The same, if its packets come to the listener.
    pub fn sharing_latest(&self, link: u64, client: SocketAddrV4) -> Option<u64> {
        let id = self.latest(link, client)?;
        self.get(id).is_some_and(Exchange::shares_port).then_some(id)
    }

    /// The last request that came from there.
    pub fn latest(&self, link: u64, client: SocketAddrV4) -> Option<u64> {
        self.latest.get(&(link, client)).copied()
    }

    /// One request.
    pub fn get(&self, id: u64) -> Option<&Exchange> {
        self.exchanges.get(&id)
    }

    /// One request.
    pub fn get_mut(&mut self, id: u64) -> Option<&mut Exchange> {
        self.exchanges.get_mut(&id)
    }

    /// All of them.
    pub fn ids(&self) -> Vec<u64> {
        self.exchanges.keys().copied().collect()
    }

    /// Those that use this listener's socket.
    pub fn sharing(&self, link: u64) -> Vec<u64> {
        let sharing = |exchange: &Exchange| exchange.link == link && exchange.shares_port();
        let sharing = self.exchanges.iter().filter(|(_, exchange)| sharing(exchange));
        sharing.map(|(id, _)| *id).collect()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pxed_proto::tftp::{Settings, Transfer};
    use pxed_proto::wire::tftp::Packet;

    use super::super::opening::Parties;
    use super::super::sending::{Sending, Source};
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(50_000);
    const LINK: u64 = 1;

    fn client(host: u32, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new((0x0a00_0000 + host).into(), port)
    }

    fn exchange(client: SocketAddrV4, datagram: &[u8]) -> Exchange {
        let parties = Parties { client, local: Ipv4Addr::LOCALHOST };
        Exchange::new(LINK, parties, datagram, NOW)
    }

    /// Its transfer has begun.
    fn begin(table: &mut Table, id: u64) -> &mut Transfer {
        let transfer = Transfer::new(NOW, 9999, Settings::default());
        let exchange = table.get_mut(id).unwrap();
        let sending = Sending::new(transfer, Source::Text(Vec::new()), 1500, true);
        &mut exchange.sending.insert(sending).transfer
    }

    fn answer(table: &mut Table, id: u64) {
        let transfer = begin(table, id);
        while transfer.poll_transmit().is_some() {}
        transfer.handle_packet(NOW, &Packet::Ack(1));
        table.note_answer(id);
        table.note_answer(id);
    }

    #[test]
    fn a_request_is_repeated_until_the_client_has_answered_and_a_moment_longer() {
        let mut table = Table::new(Arc::default());
        let later = |millis| NOW + Duration::from_millis(millis);
        table.insert(7, exchange(client(1, 2070), b"a"));
        let admit = |table: &Table, millis, link, client, datagram| {
            table.admit(later(millis), link, client, datagram)
        };
        assert_eq!(admit(&table, 9000, LINK, client(1, 2070), b"a"), Admission::Repeated);
        // Another file, another port, another machine, another interface.
        for (link, client, datagram) in [
            (LINK, client(1, 2070), b"b"),
            (LINK, client(1, 2071), b"a"),
            (LINK, client(2, 2070), b"a"),
            (2, client(1, 2070), b"a"),
        ] {
            assert_eq!(admit(&table, 0, link, client, datagram), Admission::Granted);
        }
        answer(&mut table, 7);
        assert_eq!(admit(&table, 999, LINK, client(1, 2070), b"a"), Admission::Repeated);
        assert_eq!(admit(&table, 1000, LINK, client(1, 2070), b"a"), Admission::Granted);
        // The later one of the two is what is asked for now, whichever ends first.
        table.insert(8, exchange(client(1, 2070), b"a"));
        assert_eq!(table.latest(LINK, client(1, 2070)), Some(8));
        table.remove(7);
        assert_eq!(table.latest(LINK, client(1, 2070)), Some(8));
        table.remove(8);
        assert!(table.is_empty() && table.latest.is_empty() && table.clients.is_empty());
    }

    #[test]
    fn there_is_room_for_so_many_and_who_is_silent_gives_way() {
        let running = Arc::new(AtomicUsize::new(0));
        let mut table = Table::new(running.clone());
        let mut ids = 1..;
        let mut insert = |table: &mut Table, client| {
            let id = ids.next().unwrap();
            table.insert(id, exchange(client, b"a"));
            id
        };
        for port in 1..=u16::try_from(TFTP_TRANSFERS_PER_CLIENT_MAX).unwrap() {
            assert_eq!(table.admit(NOW, LINK, client(1, port), b"a"), Admission::Granted);
            insert(&mut table, client(1, port));
        }
        assert_eq!(table.admit(NOW, LINK, client(1, 999), b"a"), Admission::Full);
        assert_eq!(table.admit(NOW, LINK, client(1, 1), b"a"), Admission::Repeated);
        for host in 2.. {
            match table.admit(NOW, LINK, client(host, 1), b"a") {
                Admission::Granted => insert(&mut table, client(host, 1)),
                _ => break,
            };
        }
        assert_eq!(running.load(Ordering::Relaxed), TFTP_TRANSFERS_MAX);
        let admit = |table: &Table, now| table.admit(now, LINK, client(0, 1), b"a");
        // All are busy.
        (1..=TFTP_TRANSFERS_MAX as u64).for_each(|id| answer(&mut table, id));
        assert_eq!(admit(&table, NOW), Admission::Full);
        let later = NOW + Duration::from_secs(1);
        for id in [500, 400] {
            begin(&mut table, id).handle_timeout(later);
        }
        assert_eq!(admit(&table, NOW), Admission::Instead(400));
        table.remove(400);
        assert_eq!(admit(&table, NOW), Admission::Granted);
    }

    #[test]
    fn a_disk_that_never_answers_gives_way_too() {
        let mut table = Table::new(Arc::default());
        for id in 1..=TFTP_TRANSFERS_MAX as u64 {
            table.insert(id, exchange(client(u32::try_from(id).unwrap(), 1), b"a"));
        }
        let admit = |now| table.admit(now, LINK, client(0, 1), b"a");
        assert_eq!(admit(NOW), Admission::Full);
        assert_eq!(admit(NOW + TFTP_SILENCE_MAX), Admission::Instead(1));
    }

    #[test]
    fn many_unanswered_transfers_of_one_address_are_in_doubt() {
        let mut table = Table::new(Arc::default());
        let address = *client(1, 0).ip();
        let max = TFTP_UNANSWERED_PER_CLIENT as u64;
        for id in 1..=max + 1 {
            assert!(!table.is_doubtful(address));
            table.insert(id, exchange(client(1, u16::try_from(id).unwrap()), b"a"));
        }
        assert!(table.is_doubtful(address) && !table.is_doubtful(*client(2, 0).ip()));
        answer(&mut table, 1);
        assert!(!table.is_doubtful(address));
        // What was answered is not counted twice when it ends.
        table.remove(1);
        table.insert(99, exchange(client(1, 99), b"a"));
        assert!(table.is_doubtful(address));
    }
}
