//! The sentence: stages joined by "then", and in each what came of its questions.

use std::fmt;

use pxed_proto::machine::Firmware;

use super::{Asked, Fetch, Listed, STAGES_MAX, Stage, Stages};

impl fmt::Display for Stages {
    /// `As PXE, BIOS it got …; then as iPXE, BIOS it got ….`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, stage) in self.past.iter().chain([&self.now]).enumerate() {
            match (i, self.beyond) {
                (0, _) => {}
                (STAGES_MAX, n) if n > 0 => write!(f, "; then {n} stages more; at last ")?,
                _ => f.write_str("; then ")?,
            }
            let it = if i == 0 { ("As", "It") } else { ("as", "it") };
            match stage.firmware {
                Some(Firmware::Bootp) => write!(f, "{} a BOOTP client it ", it.0)?,
                Some(Firmware::NotBooting) => write!(f, "{} a plain DHCP client it ", it.0)?,
                Some(firmware) => write!(f, "{} {firmware} it ", it.0)?,
                None => write!(f, "{} ", it.1)?,
            }
            stage.fmt(f)?;
        }
        f.write_str(".")
    }
}

impl fmt::Display for Stage {
    /// `got 192.168.77.100 from 192.168.77.1 and fetched ipxe.efi (1043968 bytes)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut clauses = Vec::new();
        clauses.extend(self.address());
        clauses.extend(self.lease());
        clauses.extend(self.boot_server());
        clauses.extend(self.files());
        if clauses.is_empty() {
            clauses.push("said nothing that has an outcome".to_owned());
        }
        f.write_str(&joined(&clauses))
    }
}

impl Stage {
    /// What came of the questions for an address.
    fn address(&self) -> Option<String> {
        let mut text = match (self.got, self.told) {
            (Some((address, server)), _) => format!("got {address} from {server}"),
            (None, Some(server)) => format!("was told its options by {server}"),
            (None, None) if !self.refusals.is_empty() => {
                return Some(format!("was refused by {}", self.refusals.joined()));
            }
            (None, None) => return self.nothing(),
        };
        if !self.refusals.is_empty() {
            text += &format!(" after a NAK of {}", self.refusals.joined());
        }
        if !self.proxies.is_empty() {
            text += &format!(" beside an OFFER without an address of {}", self.proxies.joined());
        }
        Some(text)
    }

    /// How far it came without an answer.
    fn nothing(&self) -> Option<String> {
        let from = self.offers.joined();
        let silence = match (self.offers.is_empty(), self.requests) {
            (false, 0) => format!("got {} from {from} and never sent a REQUEST", self.an_offer()),
            (false, n) => {
                let offer = self.an_offer();
                format!("got {offer} from {from}, sent a REQUEST {} and nobody answered", times(n))
            }
            (true, n) if n > 0 => format!("sent a REQUEST {} and nobody answered", times(n)),
            (true, _) if !self.proxies.is_empty() => {
                let from = self.proxies.joined();
                format!("got an OFFER without an address from {from} and none with one")
            }
            (true, _) if self.questions > 0 => {
                format!("asked {} and nobody answered", times(self.questions))
            }
            _ => return None,
        };
        Some(silence)
    }

    fn an_offer(&self) -> String {
        let count = self.offers.items.iter().map(|(_, times)| times).sum::<u32>();
        match count + self.offers.more {
            1 => "an OFFER".to_owned(),
            n => format!("{n} OFFERs"),
        }
    }

    /// What became of the lease.
    fn lease(&self) -> Vec<String> {
        let mut clauses = Vec::new();
        if self.renewals > 0 {
            clauses.push(format!("prolonged its lease {}", times(self.renewals)));
        } else if self.prolongs > 0 {
            let asked = times(self.prolongs);
            clauses.push(format!("asked {asked} to prolong its lease and got no ACK"));
        }
        clauses.extend(self.declined.map(|address| format!("found {address} in use")));
        clauses.extend(self.released.map(|address| format!("gave {address} back")));
        clauses
    }

    fn boot_server(&self) -> Option<String> {
        let asked = times(self.boot_server_questions);
        match (self.boot_server_questions, self.boot_servers.is_empty()) {
            (0, _) => None,
            (_, true) => Some(format!("asked {asked} at port 4011 and nobody answered")),
            (_, false) => {
                Some(format!("was answered from port 4011 by {}", self.boot_servers.joined()))
            }
        }
    }

    /// What came of the files.
    fn files(&self) -> Vec<String> {
        let fetched = |name: &str| {
            let mut files = self.files.items.iter();
            files.any(|(asked, _)| asked.file == name && matches!(asked.fetch, Fetch::Whole(_)))
        };
        // The size alone is worth a word only where the file was not fetched then.
        let told = self.files.items.iter();
        let told = told.filter(|(asked, _)| asked.fetch != Fetch::Size || !fetched(&asked.file));
        let (http, tftp): (Vec<_>, Vec<_>) =
            told.partition(|(asked, _)| matches!(asked.fetch, Fetch::Http(_)));
        let mut clauses: Vec<String> = tftp.iter().map(|(asked, n)| asked.clause(*n)).collect();
        let http: Vec<String> = http.iter().map(|(asked, n)| asked.clause(*n)).collect();
        if !http.is_empty() {
            clauses.push(format!("asked by HTTP for {}", joined(&http)));
        }
        if self.files.more > 0 {
            clauses.push(format!("asked {} more for files", times(self.files.more)));
        }
        clauses
    }
}

impl Asked {
    fn clause(&self, n: u32) -> String {
        let Self { file, fetch } = self;
        let again = if n > 1 { format!(" {}", times(n)) } else { String::new() };
        match fetch {
            Fetch::Whole(bytes) => format!("fetched {file} ({bytes} bytes){again}"),
            Fetch::Size => format!("asked for the size of {file}{again} and did not fetch it"),
            Fetch::Error(text) => format!("asked for {file}{again} and got {text}"),
            Fetch::Aborted(text) => format!("broke off {file}{again} with {text}"),
            Fetch::Unacknowledged => {
                format!("was sent {file}{again} and did not acknowledge the last block")
            }
            Fetch::BrokenOff(0) => format!("was granted {file}{again} and sent no block of it"),
            Fetch::BrokenOff(bytes) => format!("was sent only {bytes} bytes of {file}{again}"),
            Fetch::NoAnswer => format!("asked for {file} {} and nobody answered", times(n)),
            Fetch::Refused => {
                format!("asked for {file}{again} where nobody listens (ICMP port unreachable)")
            }
            Fetch::Http(Some(status)) => format!("{file}{again} ({status})"),
            Fetch::Http(None) => format!("{file}{again} (no answer)"),
        }
    }
}

/// `once`, `2 times`.
fn times(n: u32) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}

impl<T: fmt::Display> Listed<T> {
    /// `a`, `a and b`, `a, b and 3 more`.
    fn joined(&self) -> impl fmt::Display {
        let mut words: Vec<String> = self.items.iter().map(|(item, _)| item.to_string()).collect();
        if self.more > 0 {
            words.push(format!("{} more", self.more));
        }
        joined(&words)
    }
}

fn joined(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [init @ .., last] => format!("{} and {last}", init.join(", ")),
    }
}
