//! What can be asked on the control socket, and what the lines of the answers look like. See
//! docs/control.md.

use std::net::Ipv4Addr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The version of the protocol: another one when an old reader would misunderstand a new line.
/// A field more is no reason.
pub const VERSION: u64 = 1;

/// The longest request, in octets: the longest there is asks about a message of 1472 octets, which
/// are twice as many digits.
pub const REQUEST_MAX: usize = 4096;

/// A question.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "command", rename_all = "lowercase")]
pub enum Request {
    /// How does pxed stand?
    Status,
    /// Who has which address?
    Leases(Leases),
    /// Free this lease.
    Release(Release),
    /// What happened, and what happens?
    Events(Events),
    /// What would become of this datagram?
    Explain(Explain),
    /// What was learned of the forms of proxy offers?
    Quirks,
    /// Forget what was learned of a machine, or of all.
    Forget(Forget),
    /// Take the configuration file as it is now.
    Reload,
    /// Stop, and let running transfers end.
    Stop,
}

/// Which leases: those that all of these fit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Leases {
    /// Of this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Of this address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<Ipv4Addr>,
    /// In this network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// That stand so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// Which lease to free.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// That of this address.
    pub ip: Ipv4Addr,
}

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Events {
    /// Go on with those that are still to come.
    pub follow: bool,
    /// Of this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}

/// Which datagram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// A DHCP message, in hexadecimal.
    pub datagram: String,
    /// The interface that it comes in by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
}

/// Whom to forget: all, if nobody is named.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Forget {
    /// This machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}

/// No fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl Request {
    /// Reads a line; the error is for whoever wrote it.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let object: Result<Map<String, Value>, _> = serde_json::from_slice(line);
        let mut object = object.map_err(|error| format!("not a JSON object: {error}"))?;
        match object.remove("version") {
            Some(version) if version == VERSION => {}
            Some(version) => return Err(format!("version {version}: this pxed speaks {VERSION}")),
            None => return Err(format!("no version: write \"version\":{VERSION}")),
        }
        let command = object.remove("command").unwrap_or_default();
        let object = Value::Object(object);
        match command.as_str() {
            Some("status") => fields::<Nothing>(object).map(|_| Self::Status),
            Some("leases") => fields(object).map(Self::Leases),
            Some("release") => fields(object).map(Self::Release),
            Some("events") => fields(object).map(Self::Events),
            Some("explain") => fields(object).map(Self::Explain),
            Some("quirks") => fields::<Nothing>(object).map(|_| Self::Quirks),
            Some("forget") => fields(object).map(Self::Forget),
            Some("reload") => fields::<Nothing>(object).map(|_| Self::Reload),
            Some("stop") => fields::<Nothing>(object).map(|_| Self::Stop),
            _ => Err(format!(
                "command {command}: there are \"status\", \"leases\", \"release\", \"events\", \
                 \"explain\", \"quirks\", \"forget\", \"reload\" and \"stop\""
            )),
        }
    }

    /// The line that asks it.
    pub fn line(&self) -> String {
        line(self)
    }
}

fn fields<T: DeserializeOwned>(object: Value) -> Result<T, String> {
    serde_json::from_value(object).map_err(|error| error.to_string())
}

/// A line of an answer. `Ok` or `Error` is the last.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer<T> {
    /// It is done; here is the rest.
    Ok(T),
    /// It can not be done, and why.
    Error(String),
    /// A lease that was asked for.
    Lease(T),
    /// An event that was asked for.
    Event(T),
    /// So many events were lost, since the reader is slow.
    Lagged(u64),
}

impl<T: Serialize> Answer<T> {
    /// The line.
    pub fn line(&self) -> String {
        line(self)
    }
}

#[derive(Serialize)]
struct Versioned<'a, T> {
    version: u64,
    #[serde(flatten)]
    content: &'a T,
}

fn line(content: &impl Serialize) -> String {
    // Texts and numbers: none of it can fail.
    let mut line =
        serde_json::to_string(&Versioned { version: VERSION, content }).unwrap_or_default();
    line.push('\n');
    line
}

/// A line of an answer as it is read; what it holds is shown as it was written.
#[derive(Debug, Deserialize)]
pub struct Received {
    /// See [`VERSION`].
    pub version: u64,
    /// See [`Answer::Ok`]; so with the others.
    pub ok: Option<Box<RawValue>>,
    /// Why not.
    pub error: Option<String>,
    /// One of many.
    pub lease: Option<Box<RawValue>>,
    /// One of many.
    pub event: Option<Box<RawValue>>,
    /// How many are missing.
    pub lagged: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::super::answers::{Lease, Status};
    use super::*;

    #[test]
    fn what_is_asked_is_understood() {
        let ip = Ipv4Addr::new(192, 168, 77, 100);
        let (mac, state) = (Some("52:54:00:77:00:01".to_owned()), Some("leased".to_owned()));
        for (request, text) in [
            (Request::Status, r#"{"version":1,"command":"status"}"#),
            (
                Request::Leases(Leases { mac: mac.clone(), state, ..Leases::default() }),
                r#"{"version":1,"command":"leases","mac":"52:54:00:77:00:01","state":"leased"}"#,
            ),
            (
                Request::Release(Release { ip }),
                r#"{"version":1,"command":"release","ip":"192.168.77.100"}"#,
            ),
            (
                Request::Events(Events { follow: true, mac }),
                r#"{"version":1,"command":"events","follow":true,"mac":"52:54:00:77:00:01"}"#,
            ),
            (
                Request::Explain(Explain { datagram: "0101".to_owned(), interface: None }),
                r#"{"version":1,"command":"explain","datagram":"0101"}"#,
            ),
            (Request::Quirks, r#"{"version":1,"command":"quirks"}"#),
            (Request::Forget(Forget::default()), r#"{"version":1,"command":"forget"}"#),
            (Request::Stop, r#"{"version":1,"command":"stop"}"#),
        ] {
            assert_eq!(request.line(), format!("{text}\n"));
            assert_eq!(Request::parse(text.as_bytes()).as_ref(), Ok(&request), "{text}");
        }
    }

    #[test]
    fn the_examples_of_the_document_are_right() {
        let document = include_str!("../../../../docs/control.md");
        let (mut requests, mut answers) = (0, 0);
        for line in document.lines().filter(|line| line.starts_with("{\"version\":1,")) {
            match Request::parse(line.as_bytes()) {
                Ok(request) => {
                    let parsed: Value = serde_json::from_str(&request.line()).unwrap();
                    assert_eq!(parsed, serde_json::from_str::<Value>(line).unwrap());
                    requests += 1;
                }
                Err(problem) => {
                    let received: Result<Received, _> = serde_json::from_str(line);
                    let Received { ok, error, lease, event, lagged, .. } = received.unwrap();
                    let found = [ok.is_some(), error.is_some(), lease.is_some(), event.is_some()];
                    assert!(found.contains(&true) || lagged.is_some(), "{line}: {problem}");
                    let ok = ok.map_or_else(|| "{}".to_owned(), |ok| ok.to_string());
                    serde_json::from_str::<Status>(&ok).unwrap();
                    lease.map(|lease| serde_json::from_str::<Lease>(lease.get()).unwrap());
                    answers += 1;
                }
            }
        }
        assert_eq!((requests, answers), (9, 13));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (text, problem) in [
            ("", "not a JSON object: EOF"),
            ("[1]", "not a JSON object: invalid type"),
            ("\u{fffd}", "not a JSON object: expected value"),
            ("{}", "no version: write \"version\":1"),
            (r#"{"version":2,"command":"status"}"#, "version 2: this pxed speaks 1"),
            (r#"{"version":"1"}"#, "version \"1\": this pxed speaks 1"),
            (r#"{"version":1}"#, "command null: there are \"status\""),
            (r#"{"version":1,"command":"dance"}"#, "command \"dance\": there are \"status\""),
            (r#"{"version":1,"command":"status","x":1}"#, "unknown field `x`"),
            (r#"{"version":1,"command":"leases","ipp":"1.1.1.1"}"#, "unknown field `ipp`"),
            (r#"{"version":1,"command":"leases","ip":"1.1.1"}"#, "invalid IPv4 address"),
            (r#"{"version":1,"command":"release"}"#, "missing field `ip`"),
        ] {
            let error = Request::parse(text.as_bytes()).unwrap_err();
            assert!(error.starts_with(problem), "{text}: {error}");
        }
        let error = Request::parse(b"\xff\xfe{}").unwrap_err();
        assert!(error.starts_with("not a JSON object"), "{error}");
    }
}
