//! What is counted, told and kept.

use std::net::Ipv4Addr;

use pxed_proto::boot::Boot;
use pxed_proto::dhcp::RequestState;
use pxed_proto::event::{DhcpEvent, Outcome, Request, StoreEvent};
use pxed_proto::limits;
use pxed_proto::machine::{Firmware, Machine};
use pxed_proto::wire::dhcp::MessageType;

use super::state::shortened;
use super::*;
use crate::store::{News, StoreError};

const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

fn expired(number: u32) -> Event {
    let machine = Machine::from(MAC);
    Event::Expired { address: Ipv4Addr::from_bits(number), machine }
}

fn acked(address: Ipv4Addr) -> Event {
    let request = Request {
        message_type: Some(MessageType::Request),
        xid: 1,
        machine: Machine::from(MAC),
        firmware: Firmware::Pxe(None),
        relay: None,
    };
    let (state, lease_time) = (RequestState::Selecting, Duration::from_secs(60));
    let outcome = Outcome::Acked { address, lease_time, state, boot: Boot::Nothing };
    let (link, left_out) = (Arc::from("eth1"), Vec::new());
    Event::Dhcp(DhcpEvent { link, request: Some(request), outcome, left_out })
}

fn number(record: &Record) -> u32 {
    let Event::Expired { address, .. } = record.event else { panic!("{record:?}") };
    address.to_bits()
}

#[test]
fn the_history_has_an_end_and_goes_on_where_it_ends() {
    let journal = Journal::new(LogFormat::Text);
    (0..1500).for_each(|number| journal.record(expired(number)));
    let (history, mut listener) = journal.listen();
    let numbers: Vec<u32> = history.iter().map(|record| number(record)).collect();
    assert_eq!(numbers, (500..1500).collect::<Vec<_>>());
    journal.record(expired(1500));
    drop(journal.up_to_date());
    assert_eq!(number(&listener.try_recv().unwrap()), 1500);
    assert_eq!(journal.tally().done, BTreeMap::from([("expired", 1501)]));
}

#[test]
fn a_listener_that_is_slow_loses_the_oldest() {
    let journal = Journal::new(LogFormat::Text);
    let (_, mut listener) = journal.listen();
    (0..1500).for_each(|number| journal.record(expired(number)));
    drop(journal.up_to_date());
    let lagged = broadcast::error::TryRecvError::Lagged(1500 - LISTENER_LAG as u64);
    assert_eq!(listener.try_recv().unwrap_err(), lagged);
    assert_eq!(number(&listener.try_recv().unwrap()), 1500 - u32::try_from(LISTENER_LAG).unwrap());
}

#[test]
fn what_has_no_room_is_counted_and_who_has_an_address_is_kept() {
    let journal = Arc::new(Journal::new(LogFormat::Text));
    let mut notebook = Notebook::new(journal.clone());
    let max = u32::try_from(limits::EVENTS_QUEUE).unwrap();
    (0..max).for_each(|number| notebook.event(expired(number)));
    assert!(notebook.hand_over());
    let address = Ipv4Addr::new(10, 0, 0, 9);
    notebook.event(acked(address));
    notebook.event(expired(max));
    assert!(notebook.hand_over());
    let done = journal.tally().done;
    assert_eq!([done["expired"], done["ACK"], done["events lost"]], [u64::from(max) + 1, 1, 2]);
    let (history, _) = journal.listen();
    assert_eq!(number(history.last().unwrap()), max - 1);
    assert_eq!(journal.state().machines.at(address), Some(MAC));
    // The memory of the burst is given back.
    let kept = [&journal.state().empty, &*journal.queue.hold()].map(|it| it.entries.capacity());
    assert!(kept.iter().all(|kept| *kept <= limits::EVENTS_ROOM), "{kept:?}");
}

#[test]
fn who_waits_for_nobody_keeps_what_it_has_while_another_has_the_queue() {
    let journal = Arc::new(Journal::new(LogFormat::Text));
    let mut notebook = Notebook::new(journal.clone());
    notebook.event(expired(1));
    let queue = journal.queue.hold();
    assert!(!notebook.hand_over());
    drop(queue);
    assert!(notebook.hand_over());
    notebook.event(expired(2));
    drop(notebook);
    let (history, _) = journal.listen();
    let numbers: Vec<u32> = history.iter().map(|record| number(record)).collect();
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn a_thread_tells_what_waits() {
    let journal = Arc::new(Journal::new(LogFormat::Text));
    let (_, mut listener) = journal.listen();
    let telling = Telling::start(journal.clone()).unwrap();
    journal.record(expired(1));
    assert_eq!(number(&listener.blocking_recv().unwrap()), 1);
    journal.record(expired(2));
    drop(telling);
    assert_eq!(number(&listener.try_recv().unwrap()), 2);
}

#[test]
fn what_a_client_says_is_kept_no_longer_than_it_is_read() {
    assert_eq!(shortened("é".repeat(10_000)).len(), limits::FILE_NAME_MAX);
    assert_eq!(shortened("/boot.ipxe".to_owned()), "/boot.ipxe");
}

/// Once for each change, counted where it is trouble, and kept for who asks.
#[test]
fn news_of_the_store_are_events() {
    let journal = Arc::new(Journal::new(LogFormat::Text));
    let mut notebook = Notebook::new(journal.clone());
    let after = Duration::from_secs(3);
    notebook.store(News::Fails(StoreError::WriterDied));
    notebook.store(News::Works(after));
    assert!(notebook.hand_over());
    let (history, _) = journal.listen();
    let events: Vec<&Event> = history.iter().map(|record| &record.event).collect();
    let error = StoreError::WriterDied.to_string();
    let expected = [StoreEvent::Fails { error }, StoreEvent::Works { after }].map(Event::Store);
    assert_eq!(events, expected.iter().collect::<Vec<_>>());
    assert_eq!(journal.tally().done, BTreeMap::from([("store troubles", 1)]));
}
