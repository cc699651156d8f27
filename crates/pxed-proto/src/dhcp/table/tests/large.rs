//! Pools of many thousands: what is found there, in which order, and what a lease costs.

use super::*;
use crate::machine::HardwareAddress;
use crate::net::Mac;

const FIRST: u32 = 0x0a80_0000;

fn nth(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST + number)
}

fn hardware(number: u32) -> HardwareAddress {
    let [a, b, c, d] = number.to_be_bytes();
    Mac([2, 0, a, b, c, d]).into()
}

/// A lease of the `number`th address by the `number`th machine.
fn nth_lease(number: u32, expires: u64) -> Lease {
    Lease { address: nth(number), hardware: hardware(number), ..lease(0, 0, expires) }
}

/// A pool of so many addresses.
fn large(addresses: u32) -> LeaseTable {
    let range = AddressRange::new(nth(0), nth(addresses - 1)).unwrap();
    table_of(vec![Pool::from(range)], BTreeSet::new(), RelayCaps::default())
}

/// What a machine that nobody knows is offered.
fn offered(table: &LeaseTable, now: Timestamp) -> Option<Ipv4Addr> {
    let newcomer = ClientKey::Hardware(hardware(u32::MAX));
    table.choose(&anybody(&newcomer), None, now)
}

/// A number for each step, of a random order in which each below `count` comes once; `count` is a
/// power of two.
fn shuffled(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(move |step| step.wrapping_mul(0x9e37_79b1) & (count - 1))
}

#[test]
fn the_holes_of_a_full_pool_are_found() {
    const POOL: u32 = 1 << 17;
    let holes = [3, 70_000, POOL - 1];
    let mut table = large(POOL);
    for number in shuffled(POOL).filter(|number| !holes.contains(number)) {
        table.put(nth_lease(number, 500), at(0));
    }
    for hole in holes {
        assert_eq!(offered(&table, at(1)), Some(nth(hole)));
        table.put(nth_lease(hole, 500), at(1));
    }
    assert_eq!(offered(&table, at(1)), None);
    table.put(nth_lease(77, 500).released(at(2)), at(2));
    assert_eq!(offered(&table, at(2)), Some(nth(77)));
}

/// A third is leased, a third was declined, and a third has expired or was given back.
#[test]
fn a_pool_full_of_what_is_over_gives_what_is_free_for_longest() {
    const POOL: u32 = 1 << 14;
    let mut table = large(POOL);
    let mut free = BTreeSet::new();
    for (step, number) in (0..).zip(shuffled(POOL)) {
        let end = 100 + step * 7919 % 5_000;
        let lease = nth_lease(number, end);
        match number % 3 {
            0 => drop(table.put(Lease { expires: at(90_000), ..lease }, at(0))),
            1 => {
                drop(table.put(
                    Lease { state: LeaseState::Declined, expires: at(80_000), ..lease },
                    at(0),
                ))
            }
            _ => {
                free.insert((at(end), nth(number)));
                // Half of them were over before they came, as in a store that is loaded.
                table.put(lease, if step % 2 == 0 { at(0) } else { at(6_000) });
            }
        }
    }
    expire(&mut table, at(6_000));
    for (step, (_, address)) in (0..).zip(free) {
        assert_eq!(offered(&table, at(6_000)), Some(address), "{step}");
        let client = ClientKey::Hardware(hardware(1_000_000 + step));
        // An offer that nobody takes leaves its address where it was.
        table.hold(address, hold(client, at(6_001)));
        assert_ne!(offered(&table, at(6_000)), Some(address));
        table.end_hold(address);
        assert_eq!(offered(&table, at(6_000)), Some(address), "{step}");
        table.put(Lease { address, ..nth_lease(1_000_000 + step, 95_000) }, at(6_000));
    }
    assert_eq!(offered(&table, at(6_000)), None);
    assert!(expire(&mut table, at(80_000)).is_empty(), "a probation that ends is no client's loss");
    assert_eq!(offered(&table, at(80_000)), Some(nth(1)));
}

#[test]
fn a_million_leases_are_loaded_and_listed_and_end() {
    const LEASES: u32 = 1 << 20;
    let mut table = large(LEASES + 1);
    for (step, number) in (0..).zip(shuffled(LEASES)) {
        table.put(nth_lease(number, 1_000 + step % 3_600), at(0));
    }
    assert_eq!(offered(&table, at(1)), Some(nth(LEASES)));
    assert_eq!((table.next_expiry(), table.active(at(1)).count()), (Some(at(1_000)), 1 << 20));
    let addresses = table.leases_after(None).map(|lease| lease.address);
    assert!(addresses.eq((0..LEASES).map(nth)));
    let page = table.leases_after(Some(nth(700_000))).take(100).map(|lease| lease.address);
    assert!(page.eq((700_001..700_101).map(nth)));
    for number in (0..LEASES).step_by(997) {
        let own = table.of(&ClientKey::Hardware(hardware(number)));
        assert_eq!(own.map(|lease| lease.address), Some(nth(number)));
    }
    let ended = expire(&mut table, at(1_001));
    assert!(ended.is_sorted_by_key(|lease| (lease.expires, lease.address)));
    assert_eq!(ended.len(), (0..LEASES).filter(|step| step % 3_600 < 2).count());
}

/// All indexes counted, with what is allocated and not used yet; not counted is what the allocator
/// keeps for itself.
#[test]
fn a_lease_takes_less_than_a_hundred_octets() {
    const LEASES: u32 = 100_000;
    let mut table = large(1 << 17);
    (0..LEASES).for_each(|number| drop(table.put(nth_lease(number, 500), at(0))));
    let [in_use, idle] = [0, 500].map(|seconds| {
        expire(&mut table, at(seconds));
        let pool = &table.pools[0];
        let indexes = table.expiries.octets() + pool.idle.octets() + pool.fresh.octets();
        (table.leases.octets() + indexes) as f64 / f64::from(LEASES)
    });
    assert!(in_use < 100.0 && idle < 100.0, "{in_use} {idle}");
}

/// What a client's place in the table is made from is drawn anew at each start: nothing that is seen
/// may depend on it.
#[test]
fn whatever_the_secret_everything_is_in_the_same_order() {
    let story = |secret| {
        let mut table = large(64);
        table.leases = Leases::new(Secret([secret; 16]));
        let mut seen = Vec::new();
        for step in 0..4_000_u32 {
            let number = step.wrapping_mul(0x9e37_79b1) >> 20;
            let (now, client) = (at(u64::from(step / 8)), ClientKey::Hardware(hardware(number)));
            let chosen = table.choose(&anybody(&client), None, now);
            if let Some(address) = chosen {
                let expires = now + std::time::Duration::from_secs(u64::from(number % 50));
                let lease = Lease { address, granted: now, expires, ..nth_lease(number, 0) };
                table.put(lease, now);
            }
            seen.push((chosen, expire(&mut table, now), table.next_expiry()));
        }
        let known: Vec<Lease> = table.leases_after(None).cloned().collect();
        (seen, known, table.into_leases().collect::<Vec<_>>())
    };
    assert!(story(1) == story(2));
}
