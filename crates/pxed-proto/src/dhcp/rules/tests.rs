//! Beside the evaluation of every rule, of random policies and clients.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::dhcp::class::{FirmwareKind, MacPattern, Pattern, Test};
use crate::dhcp::relay::{Agent, RelaySubOption};
use crate::dhcp::settings::Settings;
use crate::machine::{Architecture, identify};
use crate::wire::dhcp::Message;
use crate::wire::dhcp::testing::discover_with;

/// Octets of which many begin alike.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"ab".to_vec()), 0..5)
}

fn pattern() -> impl Strategy<Value = Pattern> {
    prop::collection::vec(octets(), 1..3).prop_map(Pattern::of_parts)
}

/// How the MAC of [`discover_with`] begins, and others.
fn mac_pattern() -> impl Strategy<Value = MacPattern> {
    let texts = ["52", "52:54:00", "52:54:00:12:34:56", "52:54:00:12:34:57", "53", "00:00"];
    prop::sample::select(texts.to_vec()).prop_map(|text| text.parse().unwrap())
}

fn group_name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "ab", "b", "c"]).prop_map(str::to_owned)
}

fn code() -> impl Strategy<Value = u8> {
    prop::sample::select(vec![60_u8, 61, 77])
}

fn test() -> impl Strategy<Value = Test> {
    let architectures = prop::sample::select(vec![0_u16, 7, 9, 11]).prop_map(Architecture);
    let kinds = vec![FirmwareKind::NotBooting, FirmwareKind::Pxe, FirmwareKind::HttpBoot];
    let subs = prop::sample::select(vec![RelaySubOption::CircuitId, RelaySubOption::RemoteId]);
    let leaf = prop_oneof![
        prop::collection::vec(architectures, 0..3).prop_map(Test::Architecture),
        prop::sample::select(kinds).prop_map(Test::Firmware),
        mac_pattern().prop_map(Test::Mac),
        code().prop_map(Test::OptionPresent),
        (code(), octets()).prop_map(|(code, value)| Test::OptionIs(code, value)),
        (code(), pattern()).prop_map(|(code, form)| Test::OptionLike(code, form)),
        (1..4_u8).prop_map(|host| Test::Relay(Ipv4Addr::new(10, 0, 0, host))),
        (subs, pattern()).prop_map(|(sub, form)| Test::RelayAgent(sub, form)),
        group_name().prop_map(Test::Group),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let several = prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            several.clone().prop_map(Test::All),
            several.prop_map(Test::Any),
            inner.prop_map(|test| Test::Not(Box::new(test))),
        ]
    })
}

fn class(test: Test) -> Class {
    Class { name: String::new(), test, settings: Settings::default() }
}

prop_compose! {
    fn policy()(
        classes in prop::collection::vec(test().prop_map(class), 0..12),
        groups in prop::collection::vec(
            (group_name(), prop::collection::vec(mac_pattern(), 0..3)), 0..5),
    ) -> Policy {
        let group = |(name, members)| Group { name, members, ..Group::default() };
        let groups = groups.into_iter().map(group).collect();
        Policy { classes, groups, ..Policy::default() }
    }
}

/// What a client says, the group of its reservation, and its relay agent.
#[derive(Clone, Debug)]
struct Client {
    options: Vec<(u8, Vec<u8>)>,
    group: Option<String>,
    relay: Option<(u8, Vec<u8>, Vec<u8>)>,
}

prop_compose! {
    fn client()(
        options in prop::collection::vec((code(), octets()), 0..4),
        pxe in any::<bool>(),
        architecture in prop::option::of(prop::sample::select(vec![0_u8, 7, 16])),
        group in prop::option::of(group_name()),
        relay in prop::option::of((1..4_u8, octets(), octets())),
    ) -> Client {
        let vendor = pxe.then(|| (60, b"PXEClient".to_vec()));
        let architecture = architecture.map(|number| (93, vec![0, number]));
        Client { options: options.into_iter().chain(vendor).chain(architecture).collect(), group, relay }
    }
}

fn sub_options(circuit: &[u8], remote: &[u8]) -> Vec<u8> {
    let len = |octets: &[u8]| u8::try_from(octets.len()).unwrap();
    [&[1, len(circuit)], circuit, &[2, len(remote)], remote].concat()
}

/// As the rules are written, one by one.
fn one_by_one<'a>(
    policy: &'a Policy,
    facts: &Facts<'_>,
    reservation: Option<&Reservation>,
) -> (Vec<&'a Group>, Vec<bool>) {
    let named = reservation.and_then(|reservation| reservation.group.as_deref());
    let mac = facts.machine.mac();
    let is_member = |group: &&Group| {
        named == Some(&*group.name)
            || mac.is_some_and(|mac| group.members.iter().any(|member| member.matches(mac)))
    };
    let groups: Vec<&Group> = policy.groups.iter().filter(is_member).collect();
    let facts = Facts { groups: &groups, ..*facts };
    let passes = policy.classes.iter().map(|class| class.test.passes(&facts)).collect();
    (groups, passes)
}

proptest! {
    #[test]
    fn all_who_pass_are_found_in_order(policy in policy(), client in client()) {
        let options: Vec<_> = client.options.iter().map(|(code, v)| (*code, &**v)).collect();
        let datagram = discover_with(&options);
        let message = &Message::parse(&datagram).unwrap();
        let (machine, firmware) = identify(message).unwrap();
        let said = client.relay.as_ref().map(|(_, circuit, remote)| sub_options(circuit, remote));
        let relay = client.relay.as_ref().zip(said.as_ref()).map(|((host, ..), information)| {
            Agent { address: Ipv4Addr::new(10, 0, 0, *host), information }
        });
        let facts = Facts { message, machine: &machine, firmware, relay, groups: &[] };
        let reservation = Reservation { group: client.group.clone(), ..Reservation::default() };
        let rules = Rules::of(&policy);
        let (groups, passes) = one_by_one(&policy, &facts, Some(&reservation));
        let found = rules.groups(&policy, &machine, Some(&reservation));
        let place = |group: &&Group| policy.groups.iter().position(|it| std::ptr::eq(it, *group));
        prop_assert!(found.iter().map(place).eq(groups.iter().map(place)));
        let found = rules.classes(&policy, &Facts { groups: &groups, ..facts });
        let place = |class: &&Class| policy.classes.iter().position(|it| std::ptr::eq(it, *class));
        let passed = passes.iter().enumerate().filter(|(_, passes)| **passes);
        prop_assert!(found.iter().map(place).eq(passed.map(|(place, _)| Some(place))));
    }
}

/// What keeps it fast: none of these is looked at for a client that shows something else.
#[test]
fn what_is_asked_for_is_found_by_it() {
    let like = |code, text: &str| Test::OptionLike(code, Pattern::new(text));
    let pxe = Test::Firmware(FirmwareKind::Pxe);
    let circuit = Test::RelayAgent(RelaySubOption::CircuitId, Pattern::new("rack-7/*"));
    for (test, aspect) in [
        (like(60, "PXEClient*"), Some(Aspect::Option(60))),
        (
            Test::All(vec![pxe.clone(), circuit.clone()]),
            Some(Aspect::Agent(RelaySubOption::CircuitId)),
        ),
        (Test::All(vec![like(60, "*"), pxe.clone()]), Some(Aspect::Firmware)),
        (
            Test::All(vec![Test::Not(Box::new(circuit.clone())), pxe.clone()]),
            Some(Aspect::Firmware),
        ),
        (Test::Any(vec![circuit.clone(), Test::Not(Box::new(pxe))]), None),
        (Test::Not(Box::new(circuit)), None),
        (Test::All(vec![]), None),
    ] {
        let found =
            signs(&test).map(|signs| signs.iter().map(|sign| sign.aspect).collect::<Vec<_>>());
        assert_eq!(found, aspect.map(|aspect| vec![aspect]), "{test:?}");
    }
    assert!(signs(&Test::Any(vec![])).is_some_and(|signs| signs.is_empty()), "nobody passes");
}
