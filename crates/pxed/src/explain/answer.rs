//! What `pxed explain` says: the object of docs/control.md, and how it reads.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use pxed_proto::time::Human;
use serde::{Deserialize, Serialize};

/// What would become of a datagram, and which rules decided that.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Explained {
    /// Where the machine is; nothing for one that is on no subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// What it is known as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservation: Option<String>,
    /// What it belongs to.
    pub classes: Vec<String>,
    /// Who has something to say about it, the strongest last.
    pub layers: Vec<String>,
    /// What was decided, by whom.
    pub rules: Vec<Rule>,
    /// What one may have expected, and why it is not so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What would be told of it: an event as `pxed events` has it.
    pub event: serde_json::Value,
    /// How long somebody would be asked first by ARP whether the address is free; another would be
    /// offered if somebody has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe_ms: Option<u64>,
    /// What would be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
    /// What iPXE would run, in the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// Why it would find none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script_error: Option<String>,
}

/// Something that was decided, and by whom.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rule {
    pub what: String,
    pub by: String,
    /// Why it does not stand in the reply, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_sent: Option<String>,
}

/// What would be sent.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reply {
    pub source: Ipv4Addr,
    /// To whom.
    pub destination: String,
    /// How long it waits before it leaves.
    #[serde(default)]
    pub delay_ms: u64,
    /// The fields and options, in lines.
    pub decoded: String,
    /// The message itself, in hexadecimal.
    pub octets: String,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subnet, reservation, classes, layers, rules, .. } = self;
        let told = self.event.get("message").and_then(|message| message.as_str());
        writeln!(f, "{}", told.unwrap_or_default())?;
        if let Some(Reply { delay_ms: delay @ 1.., .. }) = &self.reply {
            let delay = Human(Duration::from_millis(*delay));
            writeln!(f, "the reply waits {delay}, for another server to be faster (offer-delay)")?;
        }
        if let Some(wait) = self.probe_ms {
            writeln!(
                f,
                "if nobody has the address by an ARP probe of {wait} ms, else another one"
            )?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))?;
        if let Some(subnet) = subnet {
            writeln!(f, "subnet {subnet}")?;
        }
        if let Some(reservation) = reservation {
            writeln!(f, "reservation {reservation}")?;
        }
        if !classes.is_empty() {
            writeln!(f, "classes {}", classes.join(", "))?;
        }
        if !layers.is_empty() {
            writeln!(f, "what is said, the last one wins: {}", layers.join(", "))?;
        }
        rules.iter().try_for_each(|Rule { what, by, not_sent }| match not_sent {
            Some(why) => writeln!(f, "  {what} by {by}; not sent: {why}"),
            None => writeln!(f, "  {what} by {by}"),
        })?;
        if let Some(Reply { source, destination, decoded, .. }) = &self.reply {
            writeln!(f, "the reply, from {source} to {destination}:")?;
            indented(f, decoded)?;
        }
        if let Some(script) = &self.script {
            writeln!(f, "the script, once iPXE runs:")?;
            indented(f, script)?;
        }
        if let Some(error) = &self.script_error {
            writeln!(f, "there is no script, once iPXE runs:")?;
            indented(f, error)?;
        }
        Ok(())
    }
}

fn indented(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.lines().try_for_each(|line| writeln!(f, "  {line}"))
}
