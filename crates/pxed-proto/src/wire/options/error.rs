//! What is wrong with a value, and what to write instead.

use std::fmt;

use super::form::TYPES;
use super::value::Value;

/// Why a value is none for its option. Shown, it is a sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// A value of another form.
    Wanted {
        /// What the option takes, with an example.
        wanted: &'static str,
        /// What was written.
        found: String,
    },
    /// A number beyond its bounds.
    OutOfRange {
        /// What was written.
        value: i64,
        /// The least that is possible.
        least: i64,
        /// The most that is possible.
        most: i64,
    },
    /// A list, a text or a table with nothing in it.
    Empty,
    /// More octets than fit.
    TooLong {
        /// How many there are.
        octets: usize,
        /// How many there may be.
        most: usize,
    },
    /// An address with host bits where a network is wanted.
    HostBits {
        /// What was written.
        found: String,
        /// The network that it is in.
        network: String,
    },
    /// A value for an option, or a sub-option's number, whose form is not known here.
    Untyped {
        /// What was written.
        found: String,
    },
    /// A `type` that is none.
    UnknownType {
        /// What was written.
        found: String,
        /// The nearest that is one.
        nearest: Option<&'static str>,
    },
    /// A key that the table does not have.
    UnknownKey {
        /// What was written.
        found: String,
        /// The nearest that it has.
        nearest: Option<&'static str>,
    },
    /// A key that the table lacks.
    Missing(&'static str),
    /// An option that pxed writes itself.
    Pxeds {
        /// The option.
        name: &'static str,
        /// Why, and what to write instead.
        instead: &'static str,
    },
    /// An option that only clients and relay agents send.
    Clients {
        /// The option.
        name: &'static str,
    },
    /// Something is wrong further in.
    In {
        /// Where: a key, or `item 2`.
        place: String,
        /// What.
        error: Box<ValueError>,
    },
}

impl ValueError {
    /// A value that is not what is wanted.
    pub(super) fn wanted(wanted: &'static str, found: &Value) -> Self {
        Self::Wanted { wanted, found: shortened(found) }
    }

    /// A value of unknown form.
    pub(super) fn untyped(found: &Value) -> Self {
        Self::Untyped { found: shortened(found) }
    }

    /// The same, further out.
    pub(super) fn inside(self, place: impl fmt::Display) -> Self {
        Self::In { place: place.to_string(), error: Box::new(self) }
    }
}

/// The value on a line that can be read.
fn shortened(value: &Value) -> String {
    const CHARS_MAX: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wanted { wanted, found } => write!(f, "{wanted} is wanted, not {found}"),
            Self::OutOfRange { value, least, most } => {
                write!(f, "{value} is not between {least} and {most}")
            }
            Self::Empty => f.write_str("there is nothing in it; leave the option out instead"),
            Self::TooLong { octets, most } => {
                write!(f, "it takes {octets} octets, and at most {most} fit")
            }
            Self::HostBits { found, network } => {
                write!(f, "{found} is no network: write {network}")
            }
            Self::Untyped { found } => write!(
                f,
                "its type is not known: write \"hex:01 02 ff\" for octets, or \
                 {{ type = \"text\", value = {found} }} with its type"
            ),
            Self::UnknownType { found, nearest } => {
                unknown(f, "type", found, *nearest)?;
                let types = TYPES.iter().map(|(name, _)| *name).collect::<Vec<_>>();
                write!(f, "; there are {}", types.join(", "))
            }
            Self::UnknownKey { found, nearest } => unknown(f, "key", found, *nearest),
            Self::Missing(key) => write!(f, "\"{key}\" is missing"),
            Self::Pxeds { name, instead } => write!(f, "pxed sets {name} itself: {instead}"),
            Self::Clients { name } => {
                write!(f, "{name} is what a client or a relay agent sends, never a server")
            }
            Self::In { place, error } => write!(f, "{place}: {error}"),
        }
    }
}

fn unknown(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    found: &str,
    nearest: Option<&str>,
) -> fmt::Result {
    write!(f, "there is no {what} {found:?}")?;
    match nearest {
        Some(nearest) => write!(f, "; did you mean \"{nearest}\"?"),
        None => Ok(()),
    }
}

impl std::error::Error for ValueError {}
