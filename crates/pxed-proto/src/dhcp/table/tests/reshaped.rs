//! A table that is kept under another configuration is as good as one that is made anew.

use super::*;

const HOSTS: u8 = 12;

/// Steps of a generator that is the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, bound: u8) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        u8::try_from(self.0 >> 40 & 0xff).unwrap() % bound
    }

    fn one_in(&mut self, many: u8) -> bool {
        self.roll(many) == 0
    }
}

type Shape = (Vec<Pool>, BTreeSet<Ipv4Addr>, RelayCaps);

/// Some pools of the hosts, in any order, with holes; some are for a class. Some hosts are reserved.
fn shape(dice: &mut Dice) -> Shape {
    let (mut pools, mut first) = (Vec::new(), 1 + dice.roll(3));
    while first <= HOSTS {
        let last = HOSTS.min(first + dice.roll(6));
        let class = dice.one_in(3).then(|| "c".to_owned());
        pools.insert(
            usize::from(dice.roll(4)).min(pools.len()),
            Pool { class, ..pool(first, last) },
        );
        first = last + 1 + dice.roll(2);
    }
    let reserved = (1..=HOSTS).filter(|_| dice.one_in(6)).map(ip).collect();
    let mut cap = |most| dice.one_in(2).then_some(most);
    (pools, reserved, RelayCaps { remote_id: cap(2), circuit_id: cap(1) })
}

fn made_anew(before: &LeaseTable, (pools, reserved, caps): Shape, now: Timestamp) -> LeaseTable {
    let mut table = table_of(pools, reserved, caps);
    let (leases, holds) = (before.leases_after(None), &before.holds);
    leases.for_each(|lease| drop(table.put(lease.clone(), now)));
    holds.iter().for_each(|(address, hold)| table.hold_again(*address, hold.clone(), now));
    table
}

fn kept(mut table: LeaseTable, (pools, reserved, caps): Shape, now: Timestamp) -> LeaseTable {
    let holds = table.take_holds();
    table.reshape(pools, reserved, caps);
    holds.into_iter().for_each(|(address, hold)| table.hold_again(address, hold, now));
    table
}

/// What is in a table, of which only the way there may be another: by which lease a client is found, that
/// has several.
fn content(table: &LeaseTable) -> impl PartialEq + std::fmt::Debug {
    let slots = &table.leases.slots;
    let addresses = |queue: &Queue| -> BTreeSet<Ipv4Addr> {
        let all = queue.until(Timestamp::FOREVER);
        all.map(|number| slots.get(number).unwrap().address).collect()
    };
    let pool = |state: &PoolState| {
        let fresh = state.pool.range.iter().filter(|address| state.fresh.contains(*address));
        let first = state.idle.first().map(|(since, number)| (since, slots.get(number).cloned()));
        let places = (fresh.collect::<Vec<_>>(), state.fresh.first(), addresses(&state.idle));
        (state.pool.clone(), places, first)
    };
    (
        table.pools.iter().map(pool).collect::<Vec<_>>(),
        table.reserved.clone(),
        table.leases_after(None).cloned().collect::<Vec<Lease>>(),
        addresses(&table.expiries),
        format!("{:?} {:?}", table.marks, table.behind),
        (table.holds.clone(), table.hold_ends.clone(), table.port_hold_ends.clone()),
    )
}

/// Something that happens to an address.
fn goes_on(table: &mut LeaseTable, dice: &mut Dice, now: Timestamp) {
    let (host, number, behind) = (1 + dice.roll(HOSTS), dice.roll(5), port(dice.roll(4)));
    let expires = now + std::time::Duration::from_secs(u64::from(dice.roll(40)));
    let client = client(number);
    match dice.roll(6) {
        0 => drop(expire(table, now)),
        1 if table.get(ip(host)).is_some() => table.restore(ip(host), None, now),
        1..=3 => {
            let state = [LeaseState::Leased, LeaseState::Declined, LeaseState::Released];
            let state = state[usize::from(dice.roll(3))];
            let said = Said::new(&client, None, behind.as_ref());
            let lease = lease(host, number, 0);
            table.put(Lease { state, granted: now, expires, said, ..lease }, now);
        }
        _ => {
            let reserved = Some(ip(host)).filter(|_| dice.one_in(4));
            let who = Applicant { reserved, admitted: &|_| true, ..anybody(&client) };
            if let Some(address) = table.choose(&who, Some(ip(host)), now) {
                table.hold(address, Hold { relay: behind, ..hold(client.clone(), expires) });
            }
        }
    }
}

#[test]
fn what_is_kept_is_as_good_as_new() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let (pools, reserved, caps) = shape(&mut dice);
        let both = |caps: RelayCaps| caps.remote_id.and(caps.circuit_id).is_some();
        let mut both_are_capped = both(caps);
        let mut table = table_of(pools, reserved, caps);
        for step in 0..400 {
            let now = at(step / 4);
            goes_on(&mut table, &mut dice, now);
            if dice.one_in(8) {
                let next = shape(&mut dice);
                is_as_good_as_new(&table, &next, now);
                both_are_capped = both(next.2);
                table = kept(table, next, now);
            }
            check(&table);
            if both_are_capped {
                check_behind(&table, now);
            }
        }
    }
}

fn is_as_good_as_new(table: &LeaseTable, next: &Shape, now: Timestamp) {
    let mut new = made_anew(table, next.clone(), now);
    let mut old = kept(table.clone(), next.clone(), now);
    check_lapsed(&old, now);
    assert_eq!(old.active_count(now), new.active_count(now));
    for number in 0..5 {
        let (client, found) = (client(number), |table: &LeaseTable| {
            table.of(&client(number)).map(|lease| lease.address)
        });
        assert_eq!(found(&old), found(table), "the lease that it was found by");
        assert_eq!(old.held_for(&client, now), new.held_for(&client, now));
        assert_eq!(old.declined_by(&client, now), new.declined_by(&client, now));
    }
    // What is over comes to a new table as what was over long ago.
    let told = expire(&mut old, now).len();
    expire(&mut new, now);
    assert_eq!(told, expire(&mut table.clone(), now).len(), "nobody's end is forgotten");
    assert_eq!(format!("{:#?}", content(&old)), format!("{:#?}", content(&new)));
}

/// Whatever becomes of its range, a pool that is there again has what it had.
#[test]
fn there_and_back() {
    let mut table = table(1, 100);
    (1..=40).for_each(|host| drop(table.put(lease(host, host, u64::from(host)), at(20))));
    let before = format!("{:?}", content(&table));
    let shapes = [vec![], vec![pool(1, 100)], vec![pool(60, 120), pool(2, 30)], vec![pool(10, 10)]];
    for pools in shapes {
        table = kept(table, (pools, BTreeSet::new(), RelayCaps::default()), at(20));
        check(&table);
        let whole = (vec![pool(1, 100)], BTreeSet::new(), RelayCaps::default());
        table = kept(table, whole, at(20));
        assert_eq!(format!("{:?}", content(&table)), before);
    }
}
