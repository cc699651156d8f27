//! The story on paper: a head, each machine's conversation and what it came to, and what is not
//! shown.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use super::Story;
use super::capture::Stop;
use super::machines::{Conversation, Machines};

const NANOS: u64 = 1_000_000_000;

/// Behind the year 9999 `httpdate` has no words, in seconds since the Unix epoch.
const DATES_END: u64 = 253_402_300_800;

/// Writes everything.
pub fn write(output: &mut impl Write, file: &str, story: &Story, stop: &Stop) -> io::Result<()> {
    let machines = story.machines.list();
    let (first, last) = story.span.unwrap_or_default();
    writeln!(
        output,
        "{file}: {} in {} s, {}",
        counted(story.frames, "packet"),
        Seconds(last - first),
        counted(machines.len() as u64, "machine"),
    )?;
    for conversation in machines {
        write_conversation(output, conversation)?;
    }
    write_rest(output, story)?;
    match stop {
        Stop::Cut => writeln!(output, "The file ends within a packet: the end is missing."),
        Stop::Damaged => writeln!(
            output,
            "The file is damaged behind packet {}; what follows could not be read.",
            story.frames
        ),
        Stop::Whole | Stop::Io(_) => Ok(()),
    }
}

fn write_conversation(output: &mut impl Write, conversation: &Conversation) -> io::Result<()> {
    let mut lines: Vec<_> = conversation.lines.iter().collect();
    lines.sort_by_key(|line| line.at);
    let begin = lines.first().map_or(0, |line| line.at);
    write!(output, "\n{}", conversation.key)?;
    if let Some(uuid) = conversation.uuid {
        write!(output, ", UUID {uuid}")?;
    }
    writeln!(output, ", from {}", date(begin))?;
    let width = lines.iter().map(|line| line.who.chars().count()).max().unwrap_or(0);
    for line in lines {
        let at = Seconds(line.at - begin).to_string();
        writeln!(output, "{at:>8}  {:width$}  {}", line.who, line.text)?;
        for detail in line.detail.lines() {
            writeln!(output, "            {detail}")?;
        }
    }
    if conversation.left_out > 0 {
        writeln!(output, "          and {} more lines, left out", conversation.left_out)?;
    }
    writeln!(output, "  {}", conversation.stages)
}

/// What is not shown, and why.
fn write_rest(output: &mut impl Write, story: &Story) -> io::Result<()> {
    if let Some(absent) = absent(&story.machines) {
        writeln!(output, "\n{absent}")?;
    } else if story.machines.list().is_empty() {
        writeln!(output, "\nNo DHCP, PXE, TFTP or HTTP in it.")?;
    }
    match story.tally.to_string() {
        nothing if nothing.is_empty() => Ok(()),
        tally => writeln!(output, "\nPackets not shown: {tally}."),
    }
}

/// The machine that was asked for is not there: who is?
fn absent(machines: &Machines) -> Option<String> {
    let (mac, others) = machines.only().filter(|_| machines.list().is_empty())?;
    let others: Vec<String> = others.iter().map(ToString::to_string).collect();
    Some(match others.is_empty() {
        true => format!("Nothing of {mac} in it, nor of any other machine."),
        false => format!("Nothing of {mac} in it, but of {}.", others.join(", ")),
    })
}

/// `1 packet`, `2 packets`.
pub fn counted(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// `Sun, 22 Nov 2026 21:39:46 GMT`.
fn date(nanos: u64) -> String {
    match nanos / NANOS {
        seconds if seconds < DATES_END => {
            httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        }
        _ => "a date that can not be".to_owned(),
    }
}

/// Nanoseconds as seconds: `12.034`.
pub struct Seconds(pub u64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0 / NANOS, self.0 % NANOS / 1_000_000)
    }
}
