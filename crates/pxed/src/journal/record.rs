//! An event and when it was: what it is about, how loud it is, and how it reads. [`facts`] has its
//! fields as JSON.

mod facts;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::Ignored;
use pxed_proto::event::{Event, Outcome, TftpOutcome};
use pxed_proto::net::Mac;
use pxed_proto::time::Human;
use serde::{Serialize, Serializer};
use tracing::Level;

use self::facts::{of_tftp_outcome, reason};
use super::counters::sent;
use super::limiter::{Source, What};
use crate::clock::wall_clock;

/// An event that was recorded.
#[derive(Debug)]
pub struct Record {
    time: Timestamp,
    /// What happened.
    pub event: Event,
}

impl Record {
    /// An event that happens now.
    pub fn new(event: Event) -> Self {
        Self::at(wall_clock(), event)
    }

    /// An event that happened then.
    pub fn at(time: Timestamp, event: Event) -> Self {
        Self { time, event }
    }

    /// Is it worth a line in every log? What is not answered, and what ends by itself, is not.
    pub fn is_milestone(&self) -> bool {
        match &self.event {
            Event::Dhcp(event) => match event.outcome {
                Outcome::Ignored(reason) => matches!(reason, Ignored::NoLoader(_)),
                _ => true,
            },
            Event::Tftp(event) => {
                !matches!(event.outcome, TftpOutcome::Ignored(_)) && !event.goes_on()
            }
            Event::Expired { .. } => false,
            // Trouble is a warning, and need not be said twice.
            Event::OtherServer(other) => other.news && other.trouble.is_none(),
            Event::NoDhcpServer { .. } => false,
            Event::Conflict(_)
            | Event::Freed { .. }
            | Event::Learned(_)
            | Event::Http(_)
            | Event::Tls(_)
            | Event::Store(_) => true,
        }
    }

    /// What its line in the log is about, and who caused it; `None` for an operator's doing, and the
    /// store's.
    pub fn topic(&self) -> Option<(What, Source)> {
        Some(match &self.event {
            Event::Dhcp(event) => {
                let machine = event.request.map(|request| request.machine.hardware);
                let what = (sent(&event.outcome), reason(&event.outcome).unwrap_or(""));
                (what, machine.map_or(Source::Anybody, Source::Hardware))
            }
            Event::Tftp(event) => {
                (("TFTP", of_tftp_outcome(&event.outcome).0), Source::Host(event.client.ip()))
            }
            Event::Http(event) => (("HTTP", ""), Source::Host(event.client.ip())),
            Event::Tls(event) => (("TLS", event.trouble.label()), Source::Host(event.client.ip())),
            Event::Conflict(conflict) => {
                (("conflicts", ""), Source::Hardware(conflict.holder.into()))
            }
            Event::OtherServer(other) => (("other servers", ""), Source::Host(other.server.into())),
            Event::Learned(quirk) => (("learned", ""), Source::Hardware(quirk.hardware)),
            Event::Expired { .. }
            | Event::Freed { .. }
            | Event::NoDhcpServer { .. }
            | Event::Store(_) => return None,
        })
    }

    /// The machine that it is about.
    pub fn mac(&self) -> Option<Mac> {
        match &self.event {
            Event::Dhcp(event) => event.request.and_then(|request| request.machine.mac()),
            Event::Expired { machine, .. }
            | Event::Freed { machine, .. }
            | Event::NoDhcpServer { machine, .. } => machine.mac(),
            Event::Conflict(conflict) => Some(conflict.holder),
            Event::Learned(quirk) => quirk.hardware.mac(),
            Event::OtherServer(other) => other.deed.machine().mac(),
            Event::Tftp(event) => event.machine,
            Event::Http(event) => event.machine,
            Event::Tls(event) => event.machine,
            Event::Store(_) => None,
        }
    }

    /// The event as one line.
    pub fn message(&self) -> String {
        match &self.event {
            Event::Dhcp(event) => format!("{}: {}", event.heard(), event.done()),
            Event::Expired { address, machine } => {
                format!("lease of {address} by {} expired", machine.hardware)
            }
            Event::Freed { address, machine } => {
                format!("lease of {address} by {} freed by the operator", machine.hardware)
            }
            Event::Conflict(conflict) => conflict.to_string(),
            Event::Learned(quirk) => quirk.to_string(),
            Event::OtherServer(other) => other.to_string(),
            Event::NoDhcpServer { link, machine, waited } => format!(
                "no DHCP server was heard on {link}, where {} has asked for {}: pxed tells it what to \
                 boot there, and gives no addresses; start a DHCP server, or have pxed be one (mode = \
                 \"full\" and a range)",
                machine.hardware,
                Human(*waited)
            ),
            Event::Tftp(event) => event.to_string(),
            Event::Http(event) => event.to_string(),
            Event::Tls(event) => event.to_string(),
            Event::Store(event) => event.to_string(),
        }
    }

    /// How loud its line in the log is, where nothing else is said.
    pub fn level(&self) -> Level {
        match &self.event {
            Event::Store(event) if event.is_trouble() => Level::WARN,
            _ if self.is_milestone() => Level::INFO,
            _ => Level::DEBUG,
        }
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.line(self.level()).serialize(serializer)
    }
}
