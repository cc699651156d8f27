//! Classes, groups and reservations.

use std::net::Ipv4Addr;

use pxed_proto::dhcp::{
    Class, FirmwareKind, Group, HostKey, MacPattern, Pattern, RelaySubOption, Reservation, Test,
};
use pxed_proto::machine::Architecture;
use pxed_proto::net::Mac;
use pxed_proto::text::host_name;
use pxed_proto::wire::options::{self, Value, code};

use super::document::{At, Place, Table, convert};
use super::misspelt::no_such;
use super::report::Problem;
use super::schema::{CLASS, GROUP, MATCH, RESERVATION};
use super::settings::{Said, architectures, settings, settings_with};
use crate::config::values::{host, octets, uuid};

/// A rule, with what its table says and where it stands.
pub struct Ruled<T> {
    /// The rule.
    pub rule: T,
    /// Its shared keys.
    pub said: Said,
    /// Its place in the file.
    pub at: Place,
}

/// All `[[group]]`.
pub fn groups(top: &Table<'_>) -> Vec<Ruled<Group>> {
    let read = |table: Table<'_>| {
        let said = settings(&table);
        let name = required(&table, "name")?.value;
        let members = table.list("machines", mac_pattern).into_iter().map(|at| at.value).collect();
        let rule = Group { name, members, settings: said.settings.clone() };
        Some(Ruled { rule, said, at: table.place() })
    };
    let groups: Vec<Ruled<Group>> =
        top.tables("group", &GROUP).into_iter().filter_map(read).collect();
    for (index, Ruled { rule, at, .. }) in groups.iter().enumerate() {
        let mut earlier = groups.iter().take(index);
        if let Some(first) = earlier.find(|earlier| earlier.rule.name == rule.name) {
            let text = format!("there are two groups {}", rule.name);
            top.problem(
                Problem::error(at.of("name"), text).see(first.at.of("name"), "the first one"),
            );
        }
    }
    groups
}

/// All `[[class]]`; `groups` are the names that a test may use.
pub fn classes(top: &Table<'_>, groups: &[String]) -> Vec<Ruled<Class>> {
    let read = |table: Table<'_>| {
        let said = settings(&table);
        let name = required(&table, "name")?.value;
        let before = table.problem_count();
        let Some(matching) = table.table("match", &MATCH) else {
            table.problem(Problem::error(table.span(), format!("class {name} has no match")));
            return None;
        };
        let test = test(&matching, groups)?;
        // A test with a mistake in it says nothing of what was meant.
        if let Some(why) = impossible(&test).filter(|_| table.problem_count() == before) {
            let text = format!("no client can belong to class {name}: {why}");
            table.problem(Problem::error(matching.span(), text));
        }
        let rule = Class { name, test, settings: said.settings.clone() };
        Some(Ruled { rule, said, at: table.place() })
    };
    top.tables("class", &CLASS).into_iter().filter_map(read).collect()
}

fn required(table: &Table<'_>, name: &str) -> Option<At<String>> {
    if !table.has(name) {
        table.problem(Problem::error(table.span(), format!("{name} is missing")));
    }
    table.parsed(name, |text| match text {
        "" => Err("write a name".to_owned()),
        text => Ok(text.to_owned()),
    })
}

fn mac_pattern(text: &str) -> Result<MacPattern, String> {
    text.parse()
        .map_err(|_| "write a MAC or how it begins: 52:54:00:12:34:56, 52:54:00:*".to_owned())
}

/// What `match` asks for: all of its keys.
fn test(table: &Table<'_>, groups: &[String]) -> Option<Test> {
    let (mut tests, before) = (Vec::new(), table.problem_count());
    let clean = || table.problem_count() == before;
    let archs = table.list_of("arch", |value| match value {
        Value::Integer(number) => architectures(&number.to_string()),
        Value::Text(name) => architectures(name),
        other => Err(format!("{other} is no architecture")),
    });
    if table.has("arch") && clean() {
        let all = archs.into_iter().flat_map(|at| at.value).collect::<Vec<Architecture>>();
        tests.push(Test::Architecture(all));
    }
    tests.extend(table.parsed("firmware", firmware).map(|at| Test::Firmware(at.value)));
    let macs = table.list("mac", mac_pattern);
    if table.has("mac") && clean() {
        tests.push(any(macs.into_iter().map(|at| Test::Mac(at.value)).collect()));
    }
    let like = |name, code| table.parsed(name, pattern).map(|at| Test::OptionLike(code, at.value));
    tests.extend(like("vendor-class", code::VENDOR_CLASS));
    tests.extend(like("user-class", code::USER_CLASS));
    for (name, value) in table.entries("option") {
        tests.extend(option_test(table, name, value));
    }
    tests.extend(table.parsed("relay", host).map(|at| Test::Relay(at.value)));
    for (name, sub) in
        [("circuit-id", RelaySubOption::CircuitId), ("remote-id", RelaySubOption::RemoteId)]
    {
        tests.extend(table.parsed(name, pattern).map(|at| Test::RelayAgent(sub, at.value)));
    }
    tests.extend(group_test(table, groups));
    for (name, join) in [("all", Test::All as fn(Vec<Test>) -> Test), ("any", Test::Any)] {
        if table.has(name) {
            let inner = table.tables(name, &MATCH);
            tests.push(join(inner.iter().filter_map(|inner| test(inner, groups)).collect()));
        }
    }
    if let Some(inner) = table.table("not", &MATCH) {
        tests.push(Test::Not(Box::new(test(&inner, groups)?)));
    }
    if tests.is_empty() && clean() {
        table.problem(Problem::error(table.span(), "match asks for nothing"));
    }
    Some(if tests.len() > 1 { Test::All(tests) } else { tests.pop()? })
}

fn any(mut tests: Vec<Test>) -> Test {
    match tests.pop() {
        Some(only) if tests.is_empty() => only,
        last => Test::Any(tests.into_iter().chain(last).collect()),
    }
}

fn group_test(table: &Table<'_>, groups: &[String]) -> Option<Test> {
    let At { value: name, span } = table.text("group")?;
    if !groups.contains(&name) {
        table.problem(no_such("group", &name, span, groups));
    }
    Some(Test::Group(name))
}

fn firmware(text: &str) -> Result<FirmwareKind, String> {
    Ok(match text {
        "pxe" => FirmwareKind::Pxe,
        "bootp" => FirmwareKind::Bootp,
        "http-boot" => FirmwareKind::HttpBoot,
        "ipxe" => FirmwareKind::Ipxe,
        "not-booting" => FirmwareKind::NotBooting,
        _ => return Err("write pxe, http-boot, ipxe, bootp or not-booting".to_owned()),
    })
}

fn option_test(
    table: &Table<'_>,
    name: &toml::Spanned<std::borrow::Cow<'_, str>>,
    value: &toml::Spanned<toml::de::DeValue<'_>>,
) -> Option<Test> {
    let word = name.get_ref().as_ref();
    let Some(number) = options::number(word) else {
        let problem = Problem::error(name.span(), format!("there is no DHCP option {word}"));
        table.problem(match options::nearest(word) {
            Some(nearest) => problem.help(format!("did you mean {nearest}?")),
            None => problem,
        });
        return None;
    };
    match convert(value) {
        Value::Boolean(true) => Some(Test::OptionPresent(number)),
        Value::Boolean(false) => Some(Test::Not(Box::new(Test::OptionPresent(number)))),
        Value::Text(text) if text.contains('*') => match pattern(&text) {
            Ok(pattern) => Some(Test::OptionLike(number, pattern)),
            Err(text) => {
                table.problem(Problem::error(value.span(), format!("{word}: {text}")));
                None
            }
        },
        plain => match options::encode_to_compare(number, &plain) {
            Ok(value) => Some(Test::OptionIs(number, value)),
            Err(error) => {
                table.problem(Problem::error(value.span(), format!("{word}: {error}")));
                None
            }
        },
    }
}

/// Why nobody can pass this test. Finds what a person writes by mistake, not every contradiction.
fn impossible(test: &Test) -> Option<String> {
    match test {
        Test::Architecture(known) if known.is_empty() => Some("arch names nothing".to_owned()),
        Test::Any(tests) if tests.is_empty() => Some("it names nothing".to_owned()),
        Test::Any(tests) => {
            let whys: Option<Vec<String>> = tests.iter().map(impossible).collect();
            whys?.pop()
        }
        Test::All(_) => {
            let all = conjuncts(test);
            let clash = || {
                let pairs = all.iter().enumerate();
                let mut pairs = pairs.flat_map(|(index, one)| {
                    all.iter().skip(index + 1).map(move |other| (one, other))
                });
                let (one, other) = pairs.find(|(one, other)| contradict(one, other))?;
                Some(format!("{} and {} contradict each other", key_of(one), key_of(other)))
            };
            all.iter().find_map(|test| impossible(test)).or_else(clash)
        }
        _ => None,
    }
}

/// What must all hold, however deep it stands.
fn conjuncts(test: &Test) -> Vec<&Test> {
    match test {
        Test::All(tests) => tests.iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}

/// The key that a test was written with.
fn key_of(test: &Test) -> &'static str {
    match test {
        Test::All(_) => "all",
        Test::Any(_) => "any",
        Test::Not(_) => "not",
        Test::Architecture(_) => "arch",
        Test::Firmware(_) => "firmware",
        Test::Mac(_) => "mac",
        Test::OptionLike(code::VENDOR_CLASS, _) => "vendor-class",
        Test::OptionLike(code::USER_CLASS, _) => "user-class",
        Test::OptionPresent(_) | Test::OptionIs(..) | Test::OptionLike(..) => "option",
        Test::Relay(_) => "relay",
        Test::RelayAgent(RelaySubOption::CircuitId, _) => "circuit-id",
        Test::RelayAgent(..) => "remote-id",
        Test::Group(_) => "group",
    }
}

fn contradict(a: &Test, b: &Test) -> bool {
    match (a, b) {
        (Test::Not(a), b) | (b, Test::Not(a)) => **a == *b,
        (Test::Architecture(a), Test::Architecture(b)) => !a.iter().any(|arch| b.contains(arch)),
        (Test::Firmware(a), Test::Firmware(b)) => a != b,
        (Test::Firmware(FirmwareKind::NotBooting | FirmwareKind::Bootp), Test::Architecture(_))
        | (Test::Architecture(_), Test::Firmware(FirmwareKind::NotBooting | FirmwareKind::Bootp)) => {
            true
        }
        (Test::Firmware(FirmwareKind::Pxe), Test::OptionLike(code::VENDOR_CLASS, class))
        | (Test::OptionLike(code::VENDOR_CLASS, class), Test::Firmware(FirmwareKind::Pxe)) => {
            class.prefix().starts_with(b"HTTPClient")
        }
        (Test::Relay(a), Test::Relay(b)) => a != b,
        (Test::OptionIs(a, value), Test::OptionIs(b, other)) => a == b && value != other,
        (Test::Mac(a), Test::Mac(b)) => match (a.exact(), b.exact()) {
            (Some(mac), _) => !b.matches(mac),
            (_, Some(mac)) => !a.matches(mac),
            (None, None) => false,
        },
        _ => false,
    }
}

/// All `[[reservation]]`; `groups` are the names that one may use. Where there are `switches`, the
/// IDs of who names no relay agent are theirs.
pub fn reservations(top: &Table<'_>, groups: &[String], switches: bool) -> Vec<Ruled<Reservation>> {
    let read = |table: Table<'_>| {
        let host_name = table.parsed("host-name", |text| match host_name(text.as_bytes()) {
            Some(name) if *name == *text => Ok(name.to_string()),
            _ => Err("write letters, digits, hyphens and dots".to_owned()),
        });
        let said = settings_with(&table, host_name);
        let keys = keys(&table, switches);
        let said_some = ["mac", "client-id", "uuid", "circuit-id", "remote-id"];
        if keys.is_empty() && said_some.iter().any(|key| table.has(key)) {
            return None; // with a mistake, which was said
        }
        if keys.is_empty() {
            let problem = Problem::error(table.span(), "nothing says which machine this is for");
            table.problem(problem.help("give mac, client-id, uuid, circuit-id or remote-id"));
            return None;
        }
        let group = table.text("group");
        if let Some(At { value, span }) = &group
            && !groups.contains(value)
        {
            table.problem(no_such("group", value, span.clone(), groups));
        }
        let mut rule = Reservation {
            name: key_name(&keys),
            keys,
            address: table.parsed("address", host).map(|at| at.value),
            group: group.map(|at| at.value),
            settings: said.settings.clone(),
        };
        rule.name = rule.host_name().map_or(rule.name, |name| name.to_string());
        Some(Ruled { rule, said, at: table.place() })
    };
    top.tables("reservation", &RESERVATION).into_iter().filter_map(read).collect()
}

fn key_name(keys: &[HostKey]) -> String {
    match keys.first() {
        Some(HostKey::Mac(mac)) => mac.to_string(),
        Some(HostKey::Uuid(uuid)) => uuid.to_string(),
        Some(HostKey::ClientId(id)) => String::from_utf8_lossy(id).into_owned(),
        Some(HostKey::Circuit(Ipv4Addr::UNSPECIFIED, id))
        | Some(HostKey::Remote(Ipv4Addr::UNSPECIFIED, id)) => {
            String::from_utf8_lossy(id).into_owned()
        }
        Some(HostKey::Circuit(relay, id) | HostKey::Remote(relay, id)) => {
            format!("{} of {relay}", String::from_utf8_lossy(id))
        }
        None => String::new(),
    }
}

fn keys(table: &Table<'_>, switches: bool) -> Vec<HostKey> {
    let mut keys = Vec::new();
    let mac =
        |text: &str| text.parse::<Mac>().map_err(|_| "write a MAC: 52:54:00:12:34:56".to_owned());
    keys.extend(table.list("mac", mac).into_iter().map(|at| HostKey::Mac(at.value)));
    keys.extend(table.parsed("client-id", octets).map(|at| HostKey::ClientId(at.value)));
    keys.extend(table.parsed("uuid", uuid).map(|at| HostKey::Uuid(at.value)));
    let relay = table.parsed("relay", host);
    if let Some(At { span, .. }) = &relay
        && !table.has("circuit-id")
        && !table.has("remote-id")
    {
        let text = "relay says whose circuit-id or remote-id it is, and there is none";
        let problem = Problem::error(span.clone(), text);
        table.problem(problem.help("add one of them, or leave relay out"));
    }
    let relay = relay.map(|at| at.value).or(switches.then_some(Ipv4Addr::UNSPECIFIED));
    let of_relay = |name, key: fn(Ipv4Addr, Vec<u8>) -> HostKey| {
        let At { value, span } = table.parsed(name, octets)?;
        if relay.is_none() {
            let problem =
                Problem::error(span, format!("{name} needs the relay agent that says it"));
            let help =
                "add relay = \"192.168.78.1\", or trust-option-82 = true to the switch's subnet";
            table.problem(problem.help(help));
        }
        relay.map(|relay| key(relay, value))
    };
    keys.extend(of_relay("circuit-id", HostKey::Circuit));
    keys.extend(of_relay("remote-id", HostKey::Remote));
    keys
}

/// Text in which `*` is a gap, or `hex:01 02 *`.
fn pattern(text: &str) -> Result<Pattern, String> {
    let Some(digits) = text.strip_prefix("hex:") else { return Ok(Pattern::new(text)) };
    let part = |part: &str| match part.trim() {
        "" if digits.contains('*') => Ok(Vec::new()),
        part => octets(&format!("hex:{part}")),
    };
    Ok(Pattern::of_parts(digits.split('*').map(part).collect::<Result<_, _>>()?))
}
