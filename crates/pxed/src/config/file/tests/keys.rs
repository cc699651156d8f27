//! No key is accepted and ignored: for each there is a file without it and a file with it, and what
//! is different then for machines.

mod classes;
mod machines;
mod profile;
mod service;
mod settings;
mod site;
mod subnet;

use super::schema::{SECTIONS, Section};
use site::{Client, Site, told};

/// What every case's file has; its own lines go to one of the places that are marked by `#`, or
/// replace one that is there.
const SITE: &str = r#"
boot-dir = "DIR/boot"
https = true
#top

[[subnet]]
interface = "eth1"
range = "192.168.77.100-192.168.77.109"
#subnet

[[subnet]]
network = "192.168.78.0/24"
range = "192.168.78.100-192.168.78.109"

[[class]]
name = "arm64"
match = { arch = "uefi-arm64" }
#class

[[group]]
name = "rack"
machines = ["02:07:00:*"]
#group

[[reservation]]
mac = "02:07:00:00:00:09"
#reservation

[profile.menu]
script = "DIR/menu.ipxe"

#more
"#;

/// The machine that every rule of the site is for.
fn member() -> Client {
    Client::new("02:07:00:00:00:09").pxe(11)
}

/// A machine that no rule of the site is for.
fn stranger() -> Client {
    Client::new("52:54:00:00:00:01").pxe(7)
}

/// Lines that are about one of several machines.
fn labelled(who: &str, lines: Vec<String>) -> Vec<String> {
    lines.into_iter().map(|line| format!("{who}: {line}")).collect()
}

/// The domain that a machine is told, if it is.
fn domain(site: &mut Site, client: &Client) -> Vec<String> {
    let mut lines = site.discover(client);
    lines.retain(|line| line.starts_with("domain name (15)"));
    lines
}

type Story = Box<dyn Fn(&mut Site) -> Vec<String>>;

/// One key, in one section.
struct Case {
    section: &'static Section,
    key: &'static str,
    /// Where in the file it is written.
    place: &'static str,
    without: String,
    with: String,
    story: Story,
    difference: Vec<String>,
}

/// A key that is tried: what is written instead of what, and where.
fn case(
    (section, key): (&'static Section, &'static str),
    place: &'static str,
    [without, with]: [&str; 2],
    story: impl Fn(&mut Site) -> Vec<String> + 'static,
    difference: &[&str],
) -> Case {
    let (without, with) = (without.to_owned(), with.to_owned());
    let difference = difference.iter().map(|line| (*line).to_owned()).collect();
    Case { section, key, place, without, with, story: Box::new(story), difference }
}

fn cases() -> Vec<Case> {
    let networks = [service::cases(), settings::cases(), subnet::cases()];
    let machines = [classes::cases(), machines::cases(), profile::cases()];
    networks.into_iter().chain(machines).flatten().collect()
}

impl Case {
    /// What is told without the key and not with it, and the other way round.
    fn observed(&self) -> Vec<String> {
        let marker = format!("{}\n", self.place);
        assert_eq!(SITE.matches(&marker).count(), 1, "{}", self.place);
        let told = |lines: &str| told(&SITE.replace(&marker, &format!("{lines}\n")), &self.story);
        difference(told(&self.without), told(&self.with))
    }
}

/// The lines of one only, each as often as it is more often there.
fn difference(before: Vec<String>, mut after: Vec<String>) -> Vec<String> {
    let mut gone = Vec::new();
    for line in before {
        match after.iter().position(|other| *other == line) {
            Some(same) => drop(after.remove(same)),
            None => gone.push(format!("- {line}")),
        }
    }
    gone.into_iter().chain(after.into_iter().map(|line| format!("+ {line}"))).collect()
}

#[test]
fn every_key_makes_its_difference() {
    let wrong = cases().into_iter().filter_map(|case| {
        let observed = case.observed();
        let (place, key) = (case.section.path, case.key);
        let expected = case.difference;
        (observed.is_empty() || observed != expected)
            .then(|| format!("{key} in {place:?}: expected {expected:#?}, observed {observed:#?}"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A key can not enter the schema without its case.
#[test]
fn every_key_has_a_case() {
    let cases = cases();
    let has = |section: &Section, key: &str| {
        let of_program = section.path.is_empty() && service::is_of_a_running_program(key);
        let same = |case: &&Case| case.section.path == section.path && case.key == key;
        of_program || cases.iter().any(|case| same(&case))
    };
    let all = SECTIONS.iter().flat_map(|section| section.keys().map(move |key| (section, key)));
    let without = all.filter(|(section, key)| !has(section, key.name));
    let without: Vec<String> =
        without.map(|(section, key)| format!("{} in {:?}", key.name, section.path)).collect();
    assert_eq!(without, [""; 0], "nothing shows what these do");
}

/// A case writes the key that it is about.
#[test]
fn every_case_writes_its_key() {
    for Case { section, key, without, with, .. } in cases() {
        let writes = without != with && [without, with].iter().any(|text| text.contains(key));
        assert!(writes, "{key} in {:?}", section.path);
    }
}
