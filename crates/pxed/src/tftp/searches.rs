//! Which clients look for a configuration by many names, and how many were not there so far.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use pxed_proto::Timestamp;
use pxed_proto::event::{TftpEvent, TftpOutcome};
use pxed_proto::limits::{TFTP_COPY, TFTP_SEARCH_PAUSE, TFTP_SEARCHES_MAX};
use pxed_proto::tftp::step;

/// The searches.
#[derive(Debug, Default)]
pub struct Searches(HashMap<Ipv4Addr, Search>);

#[derive(Debug)]
struct Search {
    names: u16,
    last: Timestamp,
    /// The name that was not there last, and the port that asked for it.
    latest: (u16, Vec<u8>),
    /// No other name comes after it.
    is_over: bool,
}

impl Searches {
    /// The event with the names that went before it, if it is of a search; nothing where the client has
    /// asked twice, before it heard that the name is not there: pxelinux does so with its first.
    pub fn follow(
        &mut self,
        now: Timestamp,
        client: Ipv4Addr,
        event: TftpEvent,
    ) -> Option<TftpEvent> {
        if step(&event.file).is_none() {
            return Some(event);
        }
        if self.0.get(&client).is_some_and(|search| search.is_repeated(now, &event)) {
            return None;
        }
        let before = self.0.remove(&client);
        let before = before.filter(|search| search.goes_on(now));
        let searched = before.map_or(0, |search| search.names);
        if event.outcome == TftpOutcome::NotFound {
            self.make_room();
            let latest = (event.client.port(), event.file.clone());
            let (names, is_over) = (searched.saturating_add(1), !event.goes_on());
            self.0.insert(client, Search { names, last: now, latest, is_over });
        }
        Some(TftpEvent { searched, ..event })
    }

    fn make_room(&mut self) {
        if self.0.len() < TFTP_SEARCHES_MAX {
            return;
        }
        let oldest = self.0.iter().min_by_key(|(client, search)| (search.last, **client));
        if let Some(client) = oldest.map(|(client, _)| *client) {
            self.0.remove(&client);
        }
    }
}

impl Search {
    fn goes_on(&self, now: Timestamp) -> bool {
        !self.is_over && now.since(self.last) < TFTP_SEARCH_PAUSE
    }

    fn is_repeated(&self, now: Timestamp, event: &TftpEvent) -> bool {
        let (port, name) = &self.latest;
        event.outcome == TftpOutcome::NotFound
            && now.since(self.last) < TFTP_COPY
            && (*port, &**name) == (event.client.port(), &*event.file)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV4;

    use pxed_proto::wire::tftp::read_request;

    use super::super::exchange::unsent;
    use super::super::opening::Parties;
    use super::*;

    fn event(host: u32, file: &str, outcome: TftpOutcome) -> (Ipv4Addr, TftpEvent) {
        let address = Ipv4Addr::from_bits(host);
        let client = SocketAddrV4::new(address, 2070);
        let parties = Parties { client, local: Ipv4Addr::LOCALHOST };
        (address, unsent(&parties, &read_request(file.as_bytes(), "octet", &[]), outcome))
    }

    /// How many names went before, and is it worth a line?
    fn follow(
        searches: &mut Searches,
        seconds: u64,
        (client, event): (Ipv4Addr, TftpEvent),
    ) -> (u16, bool) {
        let event = searches.follow(Timestamp::from_millis(seconds * 1000), client, event).unwrap();
        (event.searched, !event.goes_on())
    }

    #[test]
    fn a_search_is_told_of_once() {
        use TftpOutcome::{Completed, NotFound};
        let mut searches = Searches::default();
        for (seconds, host, file, outcome, expected) in [
            (0, 1, "pxelinux.0", Completed, (0, true)),
            (0, 1, "pxelinux.cfg/b8945908-d6a6-41a9-611d-74a6ab80b83d", NotFound, (0, false)),
            (1, 1, "pxelinux.cfg/01-88-99-aa-bb-cc-dd", NotFound, (1, false)),
            (1, 2, "pxelinux.cfg/01-88-99-aa-bb-cc-de", NotFound, (0, false)),
            (1, 1, "pxelinux.cfg/C0A8025B", Completed, (2, true)),
            (2, 1, "pxelinux.cfg/default", NotFound, (0, true)),
            (2, 2, "vmlinuz", NotFound, (0, true)),
            (60, 2, "pxelinux.cfg/default", NotFound, (1, true)),
            (61, 2, "grub.cfg-C0A8", NotFound, (0, false)),
            (121, 2, "grub.cfg", Completed, (0, true)),
        ] {
            let told = follow(&mut searches, seconds, event(host, file, outcome));
            assert_eq!(told, expected, "{file}");
        }
        // Nothing came after the one's last name; the other's was there.
        assert!(searches.0.values().all(|search| search.is_over) && searches.0.len() == 1);
    }

    /// Of a request that came twice the second is not told.
    #[test]
    fn a_name_that_is_asked_for_twice_is_one() {
        let mut searches = Searches::default();
        for (millis, port, file, told) in [
            (0, 2070, "pxelinux.cfg/01-88-99-aa-bb-cc-dd", Some(0)),
            (40, 2070, "pxelinux.cfg/01-88-99-aa-bb-cc-dd", None),
            (999, 2070, "pxelinux.cfg/01-88-99-aa-bb-cc-dd", None),
            (1000, 2070, "pxelinux.cfg/01-88-99-aa-bb-cc-dd", Some(1)),
            (1001, 2071, "pxelinux.cfg/01-88-99-aa-bb-cc-dd", Some(2)),
            (1002, 2071, "pxelinux.cfg/C0A8025B", Some(3)),
            (1003, 2072, "pxelinux.cfg/default", Some(4)),
            (1004, 2072, "pxelinux.cfg/default", None),
            (1005, 2073, "pxelinux.cfg/default", Some(0)),
        ] {
            let (client, event) = event(1, file, TftpOutcome::NotFound);
            let event = TftpEvent { client: (client, port).into(), ..event };
            let event = searches.follow(Timestamp::from_millis(millis), client, event);
            assert_eq!(event.map(|event| event.searched), told, "{millis}");
        }
    }

    #[test]
    fn the_oldest_search_is_forgotten() {
        let mut searches = Searches::default();
        let max = u32::try_from(TFTP_SEARCHES_MAX).unwrap();
        for host in 0..=max {
            let step = event(host, "grub.cfg-C", TftpOutcome::NotFound);
            follow(&mut searches, u64::from(host / 100), step);
        }
        assert_eq!(searches.0.len(), TFTP_SEARCHES_MAX);
        assert!(!searches.0.contains_key(&Ipv4Addr::from_bits(0)));
    }
}
