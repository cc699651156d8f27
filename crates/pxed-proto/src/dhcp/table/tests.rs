//! The table of one subnet, its places and its indexes.

mod large;
mod reshaped;

use super::super::lease::testing::*;

use super::*;
use crate::dhcp::lease::Said;
use crate::dhcp::relay::RelayAgent;
use crate::limits;
use crate::net::AddressRange;

fn pool(first: u8, last: u8) -> Pool {
    Pool::from(AddressRange::new(ip(first), ip(last)).unwrap())
}

fn table_of(pools: Vec<Pool>, reserved: BTreeSet<Ipv4Addr>, caps: RelayCaps) -> LeaseTable {
    LeaseTable::new(pools, reserved, caps, Secret::default())
}

fn table(first: u8, last: u8) -> LeaseTable {
    table_of(vec![pool(first, last)], BTreeSet::new(), RelayCaps::default())
}

fn hold(client: ClientKey, until: Timestamp) -> Hold {
    Hold { client, relay: None, until, most: limits::OFFERS_MAX }
}

/// A client that may have what everybody may have.
fn anybody(client: &ClientKey) -> Applicant<'_> {
    let ClientKey::Hardware(hardware) = client else { panic!("{client:?}") };
    Applicant { client, hardware, reserved: None, admitted: &|pool| pool.class.is_none() }
}

/// Puts away all that is over.
fn expire(table: &mut LeaseTable, now: Timestamp) -> Vec<Lease> {
    table.expire(now, &mut { usize::MAX })
}

/// Every address of the pools is in exactly one place, but that one which runs may be held as well;
/// and every index agrees.
fn check(table: &LeaseTable) {
    for state in &table.pools {
        check_pool(table, state);
    }
    for (address, hold) in &table.holds {
        assert_eq!(table.hold_of.get(&hold.client), Some(address));
        assert!(table.hold_ends.contains(&(hold.until, *address)));
    }
    assert_eq!(table.holds.len(), table.hold_of.len());
    assert_eq!(table.holds.len(), table.hold_ends.len());
    let of_ports: usize = table.port_hold_ends.values().map(BTreeSet::len).sum();
    assert_eq!(table.holds.len(), of_ports);
    assert!(table.port_hold_ends.values().all(|ends| !ends.is_empty()));
    for lease in table.leases_after(None) {
        let client = lease.client();
        let newest = table.of(&client);
        assert!(newest.is_none_or(|newest| newest.is_of(&client) && !newest.is_mark()));
        let number = table.leases.number(lease.address).unwrap();
        let out_of_use = lease.is_mark() && table.is_running(number);
        assert_eq!(table.marks.has(lease), out_of_use);
        let told = table.next_expiry().is_some_and(|next| next <= lease.expires);
        assert!(told || !table.is_running(number), "nobody looks when it ends: {table:?}");
    }
}

/// One of three ports, the last two of one switch; or none.
fn port(number: u8) -> Option<RelayAgent> {
    let information = match number {
        0 => return None,
        1 => vec![1, 1, 7],
        number => vec![2, 1, 9, 1, 1, number],
    };
    Some(RelayAgent { address: ip(254), information: information.into() })
}

/// What is in use behind each place, found the long way.
fn check_behind(table: &LeaseTable, now: Timestamp) {
    for agent in (1..=3).filter_map(port) {
        for place in agent.remote().into_iter().chain(agent.circuit()) {
            let at = |agent: Option<&RelayAgent>| {
                agent.is_some_and(|a| [a.remote(), a.circuit()].contains(&Some(place.clone())))
            };
            let leased =
                table.leases_after(None).filter(|l| l.is_running(now) && at(l.relay().as_ref()));
            let held = table.holds.iter().filter(|(_, h)| h.until > now && at(h.relay.as_ref()));
            let held = held.map(|(address, _)| *address);
            let all: BTreeSet<Ipv4Addr> = leased.map(|l| l.address).chain(held).collect();
            let extra = table.behind(&place, now) - all.len();
            // An offer by one port of what another leases, just ended, counts until it is put away.
            assert!(extra == 0 || table.lapsed(now).next().is_some(), "{place:?}: {table:?}");
        }
    }
}

/// What is over says what it says when it is put away.
fn check_lapsed(table: &LeaseTable, now: Timestamp) {
    let mut tidy = table.clone();
    expire(&mut tidy, now);
    for number in 0..5 {
        let client = client(number);
        let who = who(number, &client);
        for host in 1..=11 {
            let standing = |table: &LeaseTable| table.standing(ip(host), &who, now);
            assert_eq!(standing(table), standing(&tidy), "{host} {number}: {table:?}");
        }
        let answers =
            |table: &LeaseTable| (table.held_for(&client, now), table.declined_by(&client, now));
        assert_eq!(answers(table), answers(&tidy), "{number}: {table:?}");
        let [chosen, later] = [table, &tidy].map(|table| table.choose(&who, None, now));
        assert!(chosen.is_some() || later.is_none(), "{number}: {table:?}");
        let is_free = |address| tidy.standing(address, &who, now) == Standing::Available;
        assert!(chosen.is_none_or(is_free), "{number}: {table:?}");
    }
    for many in 1..4 {
        let declines = |table: &LeaseTable| {
            let beside = |lease| table.has_declines_beside(lease, many, now);
            let beside = table.leases_after(None).map(beside).collect::<Vec<bool>>();
            (table.has_declines(many, now), beside)
        };
        assert_eq!(declines(table), declines(&tidy), "{many}: {table:?}");
    }
    assert_eq!(table.active_count(now), tidy.active_count(now));
}

/// Of one pool. What is reserved is in no order of addresses that anybody can have.
fn check_pool(table: &LeaseTable, state: &PoolState) {
    for address in state.pool.range.iter() {
        let number = table.leases.number(address);
        let running = number.is_some_and(|number| table.is_running(number));
        let held = table.holds.contains_key(&address);
        let idle = number.is_some_and(|number| state.idle.has(number, &table.leases.slots));
        let reserved = table.reserved.contains(&address);
        let fresh = state.fresh.contains(address);
        assert!(!(fresh && table.get(address).is_some()), "{address} was leased: {table:?}");
        // What is held and runs is somebody's in either way: it counts once, and is never idle.
        let places = [running || held, idle, fresh];
        let places = places.into_iter().filter(|place| *place).count();
        assert!(places == 1 || places == 0 && reserved, "{address} in {places}: {table:?}");
    }
    for number in state.idle.until(Timestamp::FOREVER) {
        let address = table.leases.slots.get(number).unwrap().address;
        assert!(state.pool.range.contains(address) && !table.reserved.contains(&address));
    }
}

#[test]
fn an_address_is_chosen_in_the_order_of_the_rfc() {
    let mut table = table(1, 9);
    let choose =
        |table: &LeaseTable| table.choose(&anybody(&client(1)), Some(ip(5)), at(100)).unwrap();
    table.put(lease(1, 9, 500), at(0));
    assert_eq!(choose(&table), ip(5), "its wish");
    table.put(lease(2, 1, 50), at(0));
    expire(&mut table, at(100));
    assert_eq!(choose(&table), ip(2), "the one that it had");
    table.hold(ip(3), hold(client(1), at(130)));
    assert_eq!(choose(&table), ip(3), "the one that it was offered");
    table.put(Lease { granted: at(1), ..lease(4, 1, 500) }, at(100));
    assert_eq!(choose(&table), ip(4), "its own");
    assert_eq!(
        table.choose(&anybody(&client(2)), Some(ip(4)), at(100)),
        Some(ip(3)),
        "a fresh one: it was only offered"
    );
    check(&table);
}

#[test]
fn an_offer_that_nobody_takes_leaves_nothing_behind() {
    let mut table = table(1, 200);
    table.put(lease(9, 9, 500), at(0));
    for round in 0..10_u64 {
        let (now, until) = (at(round * 40), at(round * 40 + 30));
        for number in 1..=60_u8 {
            // Some wish for addresses all over the pool.
            let wish = Some(ip(number.wrapping_mul(37) | 1)).filter(|_| number % 2 == 0);
            let client = client(number);
            let address = table.choose(&anybody(&client), wish, now).unwrap();
            table.hold(address, hold(client, until));
        }
        check(&table);
        expire(&mut table, until);
        check(&table);
        let PoolState { fresh, idle, .. } = &table.pools[0];
        assert_eq!((fresh.count(), idle.len(), table.offers()), (199, 0, 0));
        assert!(table.port_hold_ends.is_empty());
    }
}

#[test]
fn the_oldest_offer_of_a_port_gives_way() {
    let mut table = table(1, 20);
    for (number, behind) in [(1, 1), (2, 2), (3, 1), (4, 1)] {
        let until = at(u64::from(number) + 30);
        let hold = Hold { relay: port(behind), most: 2, ..hold(client(number), until) };
        table.hold(ip(number), hold);
        check(&table);
    }
    let held = |number| table.held_for(&client(number), at(0)).is_some();
    assert_eq!([1, 2, 3, 4].map(held), [false, true, true, true]);
}

#[test]
fn how_an_address_stands() {
    let mut table = table(1, 9);
    table.put(lease(1, 1, 500), at(0));
    table.put(Lease { state: LeaseState::Declined, ..lease(2, 1, 500) }, at(0));
    table.hold(ip(3), hold(client(1), at(30)));
    for (host, of_holder, of_another) in [
        (1, Standing::Available, Standing::InUse),
        (2, Standing::Declined, Standing::Declined),
        (3, Standing::Available, Standing::InUse),
        (4, Standing::Available, Standing::Available),
        (10, Standing::NotInPool, Standing::NotInPool),
    ] {
        let standing = |number| table.standing(ip(host), &anybody(&client(number)), at(10));
        assert_eq!((standing(1), standing(2)), (of_holder, of_another), "{host}");
    }
    for host in 1..=3 {
        let later = table.standing(ip(host), &anybody(&client(2)), at(500));
        assert_eq!(later, Standing::Available, "{host}: over, though no timer ran");
    }
}

#[test]
fn a_client_has_one_hold_and_an_address_one_client() {
    let mut table = table(1, 9);
    table.hold(ip(1), hold(client(1), at(30)));
    table.hold(ip(2), hold(client(1), at(31)));
    table.hold(ip(2), hold(client(2), at(32)));
    assert_eq!(table.offers(), 1);
    let held = |number| table.held_for(&client(number), at(10));
    assert_eq!((held(1), held(2)), (None, Some(ip(2))));
    assert_eq!(table.held_for(&client(2), at(32)), None, "over, though no timer ran");
    check(&table);
    table.put(lease(5, 2, 500), at(10));
    assert_eq!(table.offers(), 0, "it has an address now");
    check(&table);
}

#[test]
fn of_two_leases_of_one_moment_the_one_that_runs_is_the_clients() {
    for released_last in [true, false] {
        let mut table = table(1, 9);
        let (given_up, own) = (lease(1, 1, 500).released(at(0)), lease(2, 1, 500));
        let mut order = [own, given_up];
        if !released_last {
            order.reverse();
        }
        order.into_iter().for_each(|lease| drop(table.put(lease, at(0))));
        assert_eq!(table.of(&client(1)).map(|lease| lease.address), Some(ip(2)));
        check(&table);
    }
}

#[test]
fn what_ends_is_told_in_order() {
    let mut table = table(1, 9);
    table.put(lease(1, 1, 20), at(0));
    table.put(lease(2, 2, 10), at(0));
    table.put(Lease { state: LeaseState::Declined, ..lease(3, 3, 15) }, at(0));
    table.hold(ip(4), hold(client(4), at(5)));
    assert_eq!(table.next_expiry(), Some(at(5)));
    let expired: Vec<Ipv4Addr> = expire(&mut table, at(20)).iter().map(|l| l.address).collect();
    assert_eq!(expired, [ip(2), ip(1)], "a probation that ends is no client's loss");
    assert_eq!((table.next_expiry(), table.offers()), (None, 0));
    check(&table);
}

#[test]
fn what_could_not_be_stored_is_taken_back() {
    let mut table = table(1, 1);
    let first = lease(1, 1, 500);
    assert_eq!(table.put(first.clone(), at(0)), None);
    let released = Lease { state: LeaseState::Released, expires: at(5), ..first.clone() };
    assert_eq!(table.put(released, at(5)), Some(first.clone()));
    table.hold(ip(1), hold(client(2), at(35)));
    table.restore(ip(1), Some(first), at(6));
    assert_eq!((table.offers(), table.active(at(6)).count()), (0, 1));
    check(&table);
    table.restore(ip(1), None, at(7));
    assert!(table.get(ip(1)).is_none() && table.of(&client(1)).is_none());
    assert_eq!(table.choose(&anybody(&client(3)), None, at(7)), Some(ip(1)));
    check(&table);
}

/// What is renewed stays where it stands until it comes first: that wakes somebody for nothing, and
/// ends nothing too early or too late.
#[test]
fn a_lease_ends_when_it_was_last_said_to() {
    for ends in [[100, 200, 300], [300, 200, 100], [200, 300, 100], [200, 100, 300]] {
        let mut table = table(1, 9);
        table.put(lease(2, 2, 150), at(0));
        for (version, end) in (1..).zip(ends) {
            table.put(Lease { version, ..lease(1, 1, end) }, at(0));
            check(&table);
        }
        let [.., last] = ends;
        let mut over = Vec::new();
        let mut woken = 0;
        while let Some(next) = table.next_expiry() {
            over.extend(expire(&mut table, next).into_iter().map(|lease| (lease.address, next)));
            check(&table);
            woken += 1;
        }
        let mut expected = [(ip(2), at(150)), (ip(1), at(last))];
        expected.sort_by_key(|(_, end)| *end);
        assert_eq!(over, expected);
        assert!(woken <= 3, "{ends:?}");
    }
}

/// Whichever of the two is over first, the address is idle only when both are.
#[test]
fn a_lease_that_is_held_ends_in_its_time() {
    for (lease_end, hold_end) in [(10, 20), (20, 10), (10, 10)] {
        let mut table = table(1, 1);
        table.put(lease(1, 1, lease_end), at(0));
        table.hold(ip(1), hold(client(1), at(hold_end)));
        check(&table);
        for end in [10, 20] {
            let expired = expire(&mut table, at(end));
            assert_eq!(expired.len(), usize::from(end == lease_end), "{lease_end} {hold_end}");
            check(&table);
            let free = table.choose(&anybody(&client(2)), None, at(end));
            let both_are_over = lease_end.max(hold_end) <= end;
            assert_eq!(free, both_are_over.then_some(ip(1)), "{lease_end} {hold_end}");
        }
    }
}

#[test]
fn an_offer_survives_what_is_taken_back_unless_the_address_is_anothers() {
    for (before, stays) in [
        (None, true),
        (Some(lease(1, 2, 500)), true),
        (Some(lease(1, 3, 50)), true),
        (Some(lease(1, 3, 500)), false),
        (Some(Lease { state: LeaseState::Declined, ..lease(1, 2, 500) }), false),
    ] {
        let mut table = table(1, 2);
        table.put(lease(1, 1, 90), at(0));
        table.hold(ip(1), hold(client(2), at(130)));
        table.restore(ip(1), before.clone(), at(100));
        assert_eq!(table.held_for(&client(2), at(100)).is_some(), stays, "{before:?}");
        check(&table);
    }
}

#[test]
fn what_was_declined_is_counted_while_it_is_out_of_use() {
    let mut table = table(1, 9);
    for host in 1..=3 {
        let expires = u64::from(host) * 10;
        table.put(Lease { state: LeaseState::Declined, ..lease(host, 1, expires) }, at(0));
    }
    let count = |table: &LeaseTable, seconds| table.declined_by(&client(1), at(seconds));
    assert_eq!([0, 10, 20, 30].map(|seconds| count(&table, seconds)), [3, 2, 1, 0]);
    table.put(lease(3, 2, 500), at(15));
    assert_eq!((count(&table, 15), table.declined_by(&client(2), at(15))), (1, 0));
    check(&table);
}

#[test]
fn what_is_reserved_is_its_owners_alone() {
    let mut table = table_of(vec![pool(1, 3)], [ip(1), ip(9)].into(), RelayCaps::default());
    let (one, two) = (client(1), client(2));
    let owner = Applicant { reserved: Some(ip(9)), ..anybody(&one) };
    assert_eq!(table.standing(ip(9), &owner, at(0)), Standing::Available, "outside the pools");
    for host in [1, 9] {
        assert_eq!(table.standing(ip(host), &anybody(&two), at(0)), Standing::Reserved);
        assert_eq!(table.choose(&anybody(&two), Some(ip(host)), at(0)), Some(ip(2)));
    }
    assert_eq!(table.choose(&owner, Some(ip(3)), at(0)), Some(ip(9)), "before its wish");
    table.put(lease(9, 7, 500), at(0));
    assert_eq!(table.standing(ip(9), &owner, at(0)), Standing::InUse);
    assert_eq!(table.choose(&owner, Some(ip(3)), at(0)), Some(ip(3)), "taken for now");
    expire(&mut table, at(500));
    assert_eq!(table.choose(&owner, Some(ip(3)), at(500)), Some(ip(9)));
    check(&table);
}

#[test]
fn a_pool_is_for_whom_it_admits() {
    let members = Pool { class: Some("c".to_owned()), ..pool(1, 2) };
    let mut table = table_of(vec![members, pool(5, 5)], BTreeSet::new(), RelayCaps::default());
    let (one, two) = (client(1), client(2));
    let member = Applicant { admitted: &|pool| pool.class.is_some(), ..anybody(&one) };
    assert_eq!(table.choose(&member, Some(ip(5)), at(0)), Some(ip(1)), "not its wish");
    assert_eq!(table.standing(ip(1), &anybody(&two), at(0)), Standing::NotInPool);
    table.put(lease(5, 3, 10), at(0));
    assert_eq!(table.choose(&anybody(&two), None, at(0)), None, "its own pool is full");
    table.hold(ip(1), hold(one.clone(), at(5)));
    assert_eq!(table.choose(&anybody(&two), None, at(10)), Some(ip(5)), "though no timer ran");
    table.put(lease(1, 1, 9), at(0));
    assert_eq!(table.choose(&anybody(&two), None, at(10)), Some(ip(5)), "not the first that ended");
    expire(&mut table, at(10));
    assert_eq!(table.choose(&anybody(&two), None, at(10)), Some(ip(5)));
    check(&table);
}

/// Does client 1 or 2 have this address for itself?
fn is_reserved_for(number: u8, host: u8) -> bool {
    matches!((number, host), (1, 3) | (2, 11))
}

/// Even clients belong to the class of the second pool; address 3 and 11 are reserved.
fn who(number: u8, client: &ClientKey) -> Applicant<'_> {
    let reserved = (1..=11).find(|host| is_reserved_for(number, *host)).map(ip);
    let admitted: &dyn Fn(&Pool) -> bool =
        if number.is_multiple_of(2) { &|_| true } else { &|pool| pool.class.is_none() };
    Applicant { reserved, admitted, ..anybody(client) }
}

#[test]
fn whatever_happens_each_address_is_in_one_place() {
    let members = Pool { class: Some("c".to_owned()), ..pool(6, 9) };
    let caps = RelayCaps { remote_id: Some(2), circuit_id: Some(1) };
    let mut table = table_of(vec![pool(1, 5), members], [ip(3), ip(11)].into(), caps);
    let mut dice = 1u64;
    let (mut chosen_reserved, mut held_and_running) = (0, 0);
    for step in 0..20_000u64 {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step);
        let mut roll = |bound: u8| {
            dice = dice.rotate_left(13).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            u8::try_from(dice >> 32 & 0xff).unwrap() % bound
        };
        let now = at(step / 8);
        // Two hosts are in no pool.
        let (host, number) = (1 + roll(11), roll(5));
        let states = [LeaseState::Leased, LeaseState::Declined, LeaseState::Released];
        let state = states[usize::from(roll(3))];
        let expires = now + std::time::Duration::from_secs(u64::from(roll(40)));
        let said = Said::new(&client(number), None, port(roll(4)).as_ref());
        let lease = Lease { state, granted: now, expires, said, ..lease(host, number, 0) };
        match roll(6) {
            0 => {
                let before = table.put(lease, now);
                table.restore(ip(host), before, now);
            }
            1 if table.get(ip(host)).is_some() => table.restore(ip(host), None, now),
            1 | 2 => drop(table.put(lease, now)),
            3 => {
                let over = |lease: &&Lease| {
                    let number = table.leases.number(lease.address).unwrap();
                    table.is_running(number) && lease.expires <= now
                };
                let over = table.leases_after(None).filter(over);
                let mut lost: Vec<Lease> =
                    over.filter(|l| l.state == LeaseState::Leased).cloned().collect();
                lost.sort_by_key(|lease| (lease.expires, lease.address));
                let room = [usize::MAX, 1, 2][usize::from(roll(3))];
                let part = table.expire(now, &mut { room });
                assert!(part.len() == lost.len() || room < usize::MAX);
                assert!(lost.starts_with(&part));
            }
            _ => {
                let client = client(number);
                let who = who(number, &client);
                let chosen = table.choose(&who, Some(ip(host)), now);
                if let Some(address) = chosen {
                    assert_eq!(table.standing(address, &who, now), Standing::Available);
                    chosen_reserved += u32::from(who.reserved == chosen);
                }
                if let Some(address) = chosen {
                    let hold = Hold { relay: port(roll(4)), ..hold(client.clone(), expires) };
                    table.hold(address, hold);
                    let running = table.get(address).is_some_and(|lease| lease.is_running(now));
                    held_and_running += u32::from(running);
                }
            }
        }
        check(&table);
        assert_eq!(table.active_count(now), table.active(now).count());
        check_behind(&table, now);
        check_lapsed(&table, now);
    }
    assert!(chosen_reserved > 500, "{chosen_reserved}");
    assert!(held_and_running > 500, "{held_and_running}");
}
