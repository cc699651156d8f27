//! Files that nobody would write: each is a configuration that can be served, or mistakes in words.

use super::*;

const FILES: u32 = 1000;

/// What stands where something else should.
const ODD: [&str; 14] = [
    "-1",
    "0",
    "4294967296",
    "99999999999999999999",
    "0x1F",
    "1e9",
    "1979-05-27",
    "\"\"",
    "[]",
    "{}",
    "[[",
    "\"\u{e9}\u{1f512}\u{202e}\"",
    "\u{0}",
    "\"0.0.0.0/0\"",
];

/// Marsaglia's xorshift: the same files in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

/// Every key there is, with its example, but for what would have to be on this machine.
fn whole() -> Vec<String> {
    let absent =
        ["boot-dir", "quirks-file", "user", "certificate", "key", "kernel", "initrd", "append"];
    let text = reference::example();
    let lines = text.lines().filter_map(|line| line.strip_prefix("#: "));
    let lines = lines.filter(|line| !absent.contains(&line.split(' ').next().unwrap_or_default()));
    lines.chain(["program = \"http://192.168.77.1/grubx64.efi\""]).map(str::to_owned).collect()
}

fn mutate(lines: &mut Vec<String>, dice: &mut Dice) {
    let (one, other) = (dice.below(lines.len()), dice.below(lines.len()));
    let value = |line: &str| line.split_once(" = ").map(|(_, value)| value.to_owned());
    let key = lines[one].split_once(" = ").map(|(key, _)| key.to_owned());
    match (dice.below(7), key) {
        (0, _) => drop(lines.remove(one)),
        (1, _) => lines.insert(other, lines[one].clone()),
        (2, _) => lines.swap(one, other),
        (3, Some(key)) => lines[one] = format!("{key} = {}", ODD[dice.below(ODD.len())]),
        (4, Some(key)) if value(&lines[other]).is_some() => {
            lines[one] = format!("{key} = {}", value(&lines[other]).unwrap());
        }
        (5, _) => {
            let text = &mut lines[one];
            let at = dice.below(text.len());
            if text.is_char_boundary(at) {
                text.insert_str(at, ODD[dice.below(ODD.len())]);
            }
        }
        _ => {
            let line: Vec<char> = lines[one].chars().collect();
            lines[one] = line[..dice.below(line.len())].iter().collect();
        }
    }
}

#[test]
fn whatever_is_written_is_told_in_words_or_can_be_served() {
    let (mut dice, mut served) = (Dice(1), 0);
    for _ in 0..FILES {
        let mut lines = whole();
        for _ in 0..=dice.below(3) {
            mutate(&mut lines, &mut dice);
        }
        let text = lines.join("\n");
        let read = read(&text);
        let (errors, warnings) = read.counts();
        assert_eq!(read.config.is_none(), errors > 0, "{text}");
        assert_eq!(read.report(false).trim().is_empty(), errors + warnings == 0, "{text}");
        let Some(config) = read.config else { continue };
        served += 1;
        assert!(!config.sentences().is_empty());
        for subnet in &config.dhcp.subnets {
            for range in subnet.pools.iter().map(|pool| pool.range) {
                assert!(subnet.net.contains_host(range.first()), "{text}");
                assert!(subnet.net.contains_host(range.last()), "{text}");
                assert!(!range.contains(subnet.server), "{text}");
            }
        }
    }
    assert!(served > FILES / 50, "{served}: some of them should make sense");
}
