//! Which clients look for a configuration by many names, and how many were not there so far.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use pxed_proto::Timestamp;
use pxed_proto::event::TftpEvent;
use pxed_proto::limits::{TFTP_SEARCH_PAUSE, TFTP_SEARCHES_MAX};
use pxed_proto::tftp::step;

/// The searches.
#[derive(Debug, Default)]
pub struct Searches(HashMap<Ipv4Addr, Search>);

#[derive(Clone, Copy, Debug)]
struct Search {
    names: u16,
    last: Timestamp,
}

impl Searches {
    /// The event with the names that went before it, if it is of a search.
    pub fn follow(&mut self, now: Timestamp, client: Ipv4Addr, event: TftpEvent) -> TftpEvent {
        if step(&event.file).is_none() {
            return event;
        }
        let before = self.0.remove(&client);
        let before = before.filter(|search| now.since(search.last) < TFTP_SEARCH_PAUSE);
        let searched = before.map_or(0, |search| search.names);
        if event.goes_on() {
            self.make_room();
            self.0.insert(client, Search { names: searched.saturating_add(1), last: now });
        }
        TftpEvent { searched, ..event }
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV4;

    use pxed_proto::event::TftpOutcome;
    use pxed_proto::wire::tftp::read_request;

    use super::super::exchange::unsent;
    use super::super::opening::Parties;
    use super::*;

    fn event(host: u32, file: &str, outcome: TftpOutcome) -> (Ipv4Addr, TftpEvent) {
        let address = Ipv4Addr::from_bits(host);
        let client = SocketAddrV4::new(address, 2070);
        let parties = Parties { client, machine: None, local: Ipv4Addr::LOCALHOST };
        (address, unsent(&parties, &read_request(file.as_bytes(), "octet", &[]), outcome))
    }

    /// How many names went before, and is it worth a line?
    fn follow(
        searches: &mut Searches,
        seconds: u64,
        (client, event): (Ipv4Addr, TftpEvent),
    ) -> (u16, bool) {
        let event = searches.follow(Timestamp::from_millis(seconds * 1000), client, event);
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
        assert!(searches.0.is_empty());
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
