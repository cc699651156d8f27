//! docs/conformance.md: what pxed does about each item of the conformance list, and which tests hold
//! it to that. Written from docs/conformance/items.tsv, from the names of the tests
//! (`item_NN_what_is_true`), and from what `lab/conformance` saw of each server.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use crate::{read, root};

/// The servers that are compared, by the names of their files and of their columns.
const SERVERS: [(&str, &str); 4] =
    [("pxed", "pxed"), ("dnsmasq", "dnsmasq"), ("kea", "Kea"), ("isc", "ISC dhcpd")];

/// An item of the list.
struct Item {
    number: u32,
    level: String,
    does: String,
    /// Why it is not done, or not as the list has it; empty for most.
    reason: String,
}

impl Item {
    fn is_open(&self) -> bool {
        self.reason.starts_with("open: ")
    }
}

#[test]
fn every_item_has_a_test_or_a_reason() {
    let (items, tests) = (items(), tests());
    let numbers: Vec<u32> = items.iter().map(|item| item.number).collect();
    assert_eq!(numbers, (1..=155).collect::<Vec<u32>>(), "docs/conformance/items.tsv");
    let tested = |item: &&Item| tests.contains_key(&item.number);
    let which = |wrong: &dyn Fn(&&Item) -> bool| {
        items.iter().filter(|item| wrong(item)).map(|item| item.number).collect::<Vec<u32>>()
    };
    let silent = which(&|item| !item.is_open() && !tested(item));
    assert!(silent.is_empty(), "neither a test nor an open reason: items {silent:?}");
    let overtaken = which(&|item| item.is_open() && tested(item));
    assert!(
        overtaken.is_empty(),
        "there is a test now, take the `open:` away: items {overtaken:?}"
    );
    let unsaid = which(&|item| !item.is_open() && item.does.is_empty());
    assert!(unsaid.is_empty(), "what does pxed do? items {unsaid:?}");
    let unknown: Vec<&u32> = tests.keys().filter(|number| !numbers.contains(number)).collect();
    assert!(unknown.is_empty(), "tests of items that are not in the list: {unknown:?}");
}

#[test]
fn the_page_is_generated() {
    let path = root().join("docs/conformance.md");
    let text = page();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let old = std::fs::read_to_string(&path).is_ok_and(|written| written != text);
    assert!(!old, "docs/conformance.md is old: UPDATE_REFERENCE=1 cargo test -p pxed-sim");
}

fn items() -> Vec<Item> {
    let text = read(&root().join("docs/conformance/items.tsv"));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let item = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [number, level, does, reason] = fields[..] else { panic!("four fields: {line}") };
        let number = number.parse().unwrap_or_else(|_| panic!("a number: {line}"));
        let [level, does, reason] = [level, does, reason].map(ToOwned::to_owned);
        Item { number, level, does, reason }
    };
    lines.map(item).collect()
}

/// What the tests of each item say, in words.
fn tests() -> BTreeMap<u32, BTreeSet<String>> {
    let mut tests: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    each_source(&root().join("crates"), &mut |source| {
        for line in source.lines() {
            let name = line.trim_start().trim_start_matches("async ").strip_prefix("fn item");
            let name = name.and_then(|rest| rest.split('(').next());
            let Some((numbers, words)) = name.and_then(numbers_of) else { continue };
            for number in numbers {
                tests.entry(number).or_default().insert(words.clone());
            }
        }
    });
    tests
}

/// `s_49_and_53_adopting_is_a_switch`: the items 49 and 53, and "adopting is a switch".
fn numbers_of(name: &str) -> Option<(Vec<u32>, String)> {
    let name = name.strip_prefix('s').unwrap_or(name).strip_prefix('_')?;
    let words: Vec<&str> = name.split('_').collect();
    let (first, mut words) = words.split_first()?;
    let mut numbers = vec![first.parse().ok()?];
    while let ["and", number, rest @ ..] = words
        && let Ok(number) = number.parse()
    {
        numbers.push(number);
        words = rest;
    }
    Some((numbers, words.join(" ")))
}

fn each_source(dir: &Path, tell: &mut impl FnMut(&str)) {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            each_source(&path, tell);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            tell(&read(&path));
        }
    }
}

/// What was seen of a server: its version, and verdict and note for each item.
struct Seen {
    version: String,
    items: BTreeMap<u32, (String, String)>,
}

fn seen(server: &str) -> Option<Seen> {
    let path = root().join(format!("docs/conformance/{server}.tsv"));
    let text = std::fs::read_to_string(path).ok()?;
    let (first, rest) = text.split_once('\n')?;
    let version = first.trim_start_matches(['#', ' ']).to_owned();
    let line = |line: &str| {
        let mut fields = line.split('\t');
        let number = fields.next()?.parse().ok()?;
        let verdict = fields.next()?.to_owned();
        Some((number, (verdict, fields.next().unwrap_or_default().to_owned())))
    };
    Some(Seen { version, items: rest.lines().filter_map(line).collect() })
}

fn page() -> String {
    let (items, tests) = (items(), tests());
    let seen = SERVERS.map(|(file, _)| seen(file));
    let mut text = String::from(HEAD);
    for (row, (_, name)) in seen.iter().zip(SERVERS) {
        if let Some(Seen { version, items }) = row {
            let passed = items.values().filter(|(verdict, _)| verdict == "pass").count();
            let _ = writeln!(text, "| {name} | {version} | {passed} | {} |", items.len());
        }
    }
    text.push_str(TABLE);
    for item in &items {
        let tests = tests.get(&item.number).into_iter().flatten().cloned();
        let tests = tests.collect::<Vec<_>>().join("; ");
        let Item { number, level, does, reason } = item;
        let state = match (item.is_open(), reason.as_str()) {
            (true, _) => "open",
            (false, "") => "done",
            (false, reason) if reason.starts_with("partly: ") => "partly",
            (false, _) => "done, with a reason",
        };
        let why = reason.trim_start_matches("open: ").trim_start_matches("partly: ");
        let does = [does.as_str(), why].map(|said| said.replace('|', "\\|"));
        let does = does.into_iter().filter(|said| !said.is_empty()).collect::<Vec<_>>().join("; ");
        let _ = write!(text, "| {number} | {level} | {does} | {tests} | {state} |");
        for row in &seen {
            let verdict = row.as_ref().and_then(|seen| seen.items.get(number));
            let _ = write!(text, " {} |", verdict.map_or("", |(verdict, _)| verdict.as_str()));
        }
        text.push('\n');
    }
    text
}

const HEAD: &str = "\
# Conformance

What pxed does about each of 155 statements on DHCPv4 (RFC 2131 and its family) and PXE, and how that is
known. Levels are the RFCs'; POLICY is a decision of pxed's own, where they leave one. A test is named
`item_NN_` and the words in its column, so that `cargo test item_35` runs those of item 35; most of them
hold the server's whole reply, octet by octet, against the items 1 to 8.

The last four columns are what raw frames on a wire saw of running servers: `lab/conformance SERVER`
sends them to each in the same namespaces, with the same two networks, and checks frame, IP, UDP and
options. A server without a word there was not asked: the item is no matter of frames. `unsure` is
neither: the note in docs/conformance/SERVER.tsv says what was seen. A server is configured there as an
administrator would who wants authoritative answers; some of what it fails can be switched on.

docs/security.md has the attacks of rogue clients, and docs/fuzzing.md what octets that nobody thought
of came to.

| server | version | passed | asked |
|---|---|---|---|
";

const TABLE: &str = "
| item | level | what pxed does | tests | state | pxed | dnsmasq | Kea | ISC |
|---|---|---|---|---|---|---|---|---|
";

#[test]
fn names_tell_items() {
    let of = |name: &str| numbers_of(name).unwrap();
    assert_eq!(of("_9_an_offer"), (vec![9], "an offer".to_owned()));
    assert_eq!(of("s_49_and_53_adopting"), (vec![49, 53], "adopting".to_owned()));
    assert_eq!(of("_24_both_and_more"), (vec![24], "both and more".to_owned()));
    assert_eq!(of("_1_and_3_x"), (vec![1, 3], "x".to_owned()));
    assert_eq!(numbers_of("_x"), None);
}
