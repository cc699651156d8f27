//! What is legal, and will probably not do what was meant: addresses that two have, rules that no
//! client can meet.

use std::net::Ipv4Addr;

use pxed_proto::dhcp::{
    Class, FirmwareKind, Group, HostKey, Mode, OptionSetting, Reservation, Subnet, Test,
};
use pxed_proto::wire::options::{self, code};
use pxed_proto::wire::pxe;

use super::document::{At, Table};
use super::report::Problem;
use super::rules::Ruled;
use super::settings::Said;
use super::subnets::Wanted;

/// Everything that a file says.
pub struct Parts<'a> {
    /// What the top says that clients are given.
    pub top: &'a Said,
    /// The subnets.
    pub wanted: &'a [Wanted],
    /// The groups.
    pub groups: &'a [Ruled<Group>],
    /// The classes.
    pub classes: &'a [Ruled<Class>],
    /// The reservations.
    pub reservations: &'a [Ruled<Reservation>],
}

/// Warns of everything.
pub fn check(top: &Table<'_>, parts: &Parts<'_>) {
    relays_are_somewhere(top, parts);
    hosts_are_not_leased(top, parts);
    reservations_are_not_of_routers(top, parts);
    gateways_are_near(top, parts);
    vendors_are_not_misread(top, parts);
    machines_have_one_boot(top, parts);
    everybody_has_a_pool(top, parts);
}

impl Parts<'_> {
    fn subnet_of(&self, address: Ipv4Addr) -> Option<&Subnet> {
        let mut subnets = self.wanted.iter().map(|wanted| &wanted.subnet);
        subnets.find(|subnet| subnet.net.contains_host(address))
    }

    /// Where the clients of a relay agent are. That of 0.0.0.0 is a switch.
    fn behind(&self, relay: Ipv4Addr) -> Vec<&Subnet> {
        let by_name = |subnet: &&Subnet| {
            subnet.relays.contains(&relay) || relay.is_unspecified() && subnet.trusts_option_82
        };
        let named = self.wanted.iter().map(|wanted| &wanted.subnet).filter(by_name);
        named.chain(self.subnet_of(relay)).collect()
    }

    /// What every layer says, but for those of machines that do not boot.
    fn layers_of_firmware(&self) -> impl Iterator<Item = &Said> {
        let others = self.classes.iter().filter(|class| !is_not_booting(&class.rule.test));
        self.layers_of_all()
            .chain(others.map(|ruled| &ruled.said))
            .chain(self.wanted.iter().map(|wanted| &wanted.said))
    }

    /// What the layers say that are neither a subnet's nor a class's.
    fn layers_of_all(&self) -> impl Iterator<Item = &Said> {
        let groups = self.groups.iter().map(|ruled| &ruled.said);
        let reservations = self.reservations.iter().map(|ruled| &ruled.said);
        groups.chain(reservations).chain([self.top])
    }

    /// What every layer says.
    fn layers(&self) -> impl Iterator<Item = &Said> {
        let classes = self.classes.iter().map(|ruled| &ruled.said);
        self.layers_of_all().chain(classes).chain(self.wanted.iter().map(|wanted| &wanted.said))
    }
}

fn is_not_booting(test: &Test) -> bool {
    match test {
        Test::Firmware(kind) => *kind == FirmwareKind::NotBooting,
        Test::All(tests) => tests.iter().any(is_not_booting),
        Test::Any(tests) => tests.iter().all(is_not_booting),
        _ => false,
    }
}

/// A relay agent is known by an address of the network that it serves.
fn relays_are_somewhere(top: &Table<'_>, parts: &Parts<'_>) {
    for Ruled { rule, at, .. } in parts.reservations {
        for key in &rule.keys {
            let (HostKey::Circuit(relay, _) | HostKey::Remote(relay, _)) = key else { continue };
            let here = parts.behind(*relay);
            let Some(first) = here.first() else {
                top.problem(nowhere(*relay, at.of("relay")));
                continue;
            };
            let Some(there) = rule.address.and_then(|own| parts.subnet_of(own)) else { continue };
            let same_wire = |here: &&Subnet| {
                let shared = here.shared_network.is_some();
                here.net == there.net || shared && here.shared_network == there.shared_network
            };
            if !here.iter().any(same_wire) {
                let text = format!(
                    "machines behind the relay agent {relay} are on {}, and get no address of {}",
                    first.net, there.net
                );
                top.problem(Problem::warning(at.of("address"), text));
            }
        }
    }
    for Ruled { rule, at, .. } in parts.classes {
        for relay in relays_of(&rule.test).filter(|relay| parts.behind(*relay).is_empty()) {
            top.problem(nowhere(relay, at.of("match")));
        }
    }
}

fn nowhere(relay: Ipv4Addr, span: std::ops::Range<usize>) -> Problem {
    let text = format!("the relay agent {relay} is in no subnet, so nobody behind it is answered");
    Problem::warning(span, text).help(
        "a relay agent is known by an address on its clients' network, or by relay = of the subnet",
    )
}

fn relays_of(test: &Test) -> Box<dyn Iterator<Item = Ipv4Addr> + '_> {
    match test {
        Test::Relay(relay) => Box::new(std::iter::once(*relay)),
        Test::All(tests) | Test::Any(tests) => Box::new(tests.iter().flat_map(relays_of)),
        _ => Box::new(std::iter::empty()),
    }
}

/// A server that clients are told of has its address for itself.
fn hosts_are_not_leased(top: &Table<'_>, parts: &Parts<'_>) {
    let leased = |address| {
        let mut pools = parts.wanted.iter().flat_map(|wanted| &wanted.subnet.pools);
        pools.any(|pool| pool.range.contains(address))
    };
    let reserved = |address| parts.reservations.iter().any(|r| r.rule.address == Some(address));
    for said in parts.layers() {
        for At { value: OptionSetting { code, value, .. }, span } in &said.options {
            let title = options::name(*code).unwrap_or("server");
            for host in options::hosts(*code, value) {
                // A subnet's own router is an error, and said.
                let own = *code == code::ROUTER
                    && parts.wanted.iter().any(|w| std::ptr::eq(&w.said, said));
                if leased(host) && !reserved(host) && !own {
                    let text =
                        format!("{host}, which clients are told of ({title}), is leased to them");
                    let problem = Problem::warning(span.clone(), text);
                    top.problem(
                        problem.help(format!("write exclude = [\"{host}\"] in its subnet")),
                    );
                }
            }
        }
    }
}

/// A machine with the router's address, or the relay agent's, would be in its place.
fn reservations_are_not_of_routers(top: &Table<'_>, parts: &Parts<'_>) {
    let routers = parts.layers().flat_map(|said| &said.options);
    let routers = routers.filter(|at| at.value.code == code::ROUTER);
    let routers = routers.flat_map(|at| options::hosts(code::ROUTER, &at.value.value));
    let keys = parts.reservations.iter().flat_map(|ruled| &ruled.rule.keys);
    let relays = keys.filter_map(|key| match key {
        HostKey::Circuit(relay, _) | HostKey::Remote(relay, _) => Some(*relay),
        _ => None,
    });
    let relays = relays.chain(parts.classes.iter().flat_map(|class| relays_of(&class.rule.test)));
    let named = parts.wanted.iter().flat_map(|wanted| &wanted.subnet.relays);
    let relays = relays.chain(named.copied());
    let known: Vec<(&str, Ipv4Addr)> = routers
        .map(|router| ("a router's", router))
        .chain(relays.map(|relay| ("a relay agent's", relay)))
        .collect();
    for Ruled { rule, at, .. } in parts.reservations {
        let own = known.iter().find(|(_, address)| rule.address == Some(*address));
        if let Some((whose, address)) = own {
            let text = format!("{address} is {whose} address");
            top.problem(Problem::warning(at.of("address"), text));
        }
    }
}

/// The router of a classless static route has to be on the client's own network.
fn gateways_are_near(top: &Table<'_>, parts: &Parts<'_>) {
    let gateways = |said: &Said| {
        let of = |at: &At<OptionSetting>| {
            let gateways = options::gateways(at.value.code, &at.value.value);
            gateways.into_iter().map(|gateway| (gateway, at.span.clone())).collect::<Vec<_>>()
        };
        said.options.iter().flat_map(of).collect::<Vec<_>>()
    };
    for Wanted { subnet, said, .. } in parts.wanted {
        for (gateway, span) in gateways(said) {
            if !subnet.net.contains_host(gateway) {
                let text = format!(
                    "clients of {} can not reach the router {gateway} of this route",
                    subnet.net
                );
                top.problem(Problem::warning(span, text));
            }
        }
    }
    let others = parts.layers_of_all().chain(parts.classes.iter().map(|ruled| &ruled.said));
    for (gateway, span) in others.flat_map(gateways) {
        if parts.subnet_of(gateway).is_none() {
            let text = format!("the router {gateway} of this route is in no subnet");
            top.problem(Problem::warning(span, text));
        }
    }
}

/// Sub-options of option 43 that are a vendor's own are read by PXE firmware as PXE's.
fn vendors_are_not_misread(top: &Table<'_>, parts: &Parts<'_>) {
    for At { value: number, span } in parts.layers_of_firmware().flat_map(|said| &said.misread) {
        let name = pxe::SPACE.definition(*number).map(|known| known.name).unwrap_or_default();
        let text = format!("PXE firmware reads sub-option {number} as its own {name}");
        let problem = Problem::warning(span.clone(), text);
        top.problem(problem.help(format!(
            "if that is meant, write {name} = ...; else say option 43 in a class with match = \
             {{ firmware = \"not-booting\" }}"
        )));
    }
}

/// Of two groups that say what a machine boots, the later one is heard.
fn machines_have_one_boot(top: &Table<'_>, parts: &Parts<'_>) {
    let boots = |ruled: &&Ruled<Group>| ruled.rule.settings.profile.is_some();
    let groups: Vec<&Ruled<Group>> = parts.groups.iter().filter(boots).collect();
    for (index, later) in groups.iter().enumerate() {
        for earlier in groups.iter().take(index) {
            let [one, other] = [&earlier.rule, &later.rule];
            let differ = one.settings.profile != other.settings.profile;
            if differ && have_a_machine(one, other, parts.reservations) {
                let text = format!(
                    "a machine is in the groups {} and {}: it boots what {} says",
                    one.name, other.name, other.name
                );
                let problem = Problem::warning(later.at.of("boot"), text);
                top.problem(problem.see(earlier.at.of("boot"), "this is not heard"));
            }
        }
    }
}

fn have_a_machine(one: &Group, other: &Group, reservations: &[Ruled<Reservation>]) -> bool {
    let named =
        |group: &Group, reservation: &Reservation| reservation.group.as_ref() == Some(&group.name);
    let known = |group: &Group, key: &HostKey| match key {
        HostKey::Mac(mac) => group.members.iter().any(|member| member.matches(*mac)),
        _ => false,
    };
    let both = |a: &Group, b: &Group| {
        let mut of_a = reservations.iter().filter(|ruled| named(a, &ruled.rule));
        of_a.any(|ruled| ruled.rule.keys.iter().any(|key| known(b, key)))
    };
    let mut pairs = one.members.iter().flat_map(|a| other.members.iter().map(move |b| (a, b)));
    pairs.any(|(a, b)| a.meets(b)) || both(one, other) || both(other, one)
}

/// Where all addresses are for classes, who belongs to none of them gets nothing.
fn everybody_has_a_pool(top: &Table<'_>, parts: &Parts<'_>) {
    let test_of = |name: &String| {
        parts.classes.iter().find(|class| class.rule.name == *name).map(|class| &class.rule.test)
    };
    for Wanted { subnet, at, .. } in parts.wanted {
        let classes: Option<Vec<&String>> =
            subnet.pools.iter().map(|pool| pool.class.as_ref()).collect();
        let Some(classes) = classes.filter(|classes| !classes.is_empty()) else { continue };
        let tests: Vec<&Test> = classes.into_iter().filter_map(test_of).collect();
        let opposite = |test: &&Test| match test {
            Test::Not(inner) => tests.contains(&&**inner),
            _ => false,
        };
        if subnet.mode == Mode::Full && !tests.iter().any(opposite) {
            let text = format!(
                "all pools of {} are for classes: other machines get no address",
                subnet.net
            );
            let problem = Problem::warning(at.table(), text);
            top.problem(problem.help("give the subnet a range of its own, if that is not meant"));
        }
    }
}
