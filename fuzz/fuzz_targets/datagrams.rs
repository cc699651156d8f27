//! Any octets, one datagram after another, by any way: each is one event, and what a server has
//! promised stays true.

#![no_main]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use pxed_fuzz::Input;
use pxed_fuzz::shape::{POOL, RELAY, SERVER, Shape, address};
use pxed_fuzz::world::World;
use pxed_proto::dhcp::Arrival;

fuzz_target!(|octets: &[u8]| {
    let mut input = Input(octets);
    let Some(shape) = input.word() else { return };
    let mut world = World::new(Shape(shape));
    while let Some(how) = input.byte() {
        let (link, arrival) = arrival(how);
        world.hears(link, &arrival, input.slice(1500));
        if how & 0x80 == 0 {
            world.stores_all();
        }
        world.waits(Duration::from_secs(u64::from(how >> 6 & 1) * 100));
        world.wakes();
    }
    world.ends();
});

/// How a datagram comes: by which link, from where, to whom.
fn arrival(how: u8) -> (usize, Arrival) {
    let link = usize::from(how & 1);
    let source = match how >> 1 & 3 {
        0 => SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
        1 => SocketAddrV4::new(address(2, RELAY), 67),
        2 => SocketAddrV4::new(address(link, POOL), 68),
        _ => SocketAddrV4::new(Ipv4Addr::BROADCAST, 0),
    };
    let destination = match how >> 3 & 3 {
        0 | 1 => Ipv4Addr::BROADCAST,
        2 => address(link, SERVER),
        _ => address(1 - link, SERVER),
    };
    let port = if how & 0x20 == 0 { 67 } else { 4011 };
    let destination = SocketAddrV4::new(destination, port);
    (link, Arrival { source, destination, source_mac: None })
}
