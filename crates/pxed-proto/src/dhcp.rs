//! The DHCP server (RFC 2131): one function for each datagram, one for each message type.
//!
//! A client that speaks BOOTP alone is answered by a function of its own.
//!
//! [`Server::plan`] says what a datagram deserves and changes nothing. [`Server::apply`] takes the
//! plan into the lease table. What must be durable before the client hears of it comes out as a
//! [`Commit`]; its reply and its event stay here until [`Server::committed`], so that no driver
//! can send an ACK too early.

mod asking;
mod backlog;
mod boot_server;
mod bootp;
mod census;
mod class;
mod config;
mod discover;
mod form;
mod inform;
mod inspect;
mod lease;
mod octets;
mod others;
mod outage;
mod parts;
mod plan;
mod policy;
mod probe;
mod proxy;
mod quirks;
mod rate;
mod reason;
mod relay;
mod release;
mod reply;
mod request;
mod rules;
mod server;
mod settings;
mod shedding;
mod table;
mod transmit;
mod under_way;
mod urgency;

pub use backlog::{Backlog, Shed, Waiting};
pub use census::{Census, PoolUse, SubnetUse};
pub use class::{Class, Facts, FirmwareKind, InvalidMacPattern, MacPattern, Pattern, Test};
pub use config::{
    Bootp, Config, Identity, LeaseTime, Link, LinkId, Mode, Pool, RelayCaps, Subnet, SubnetId,
};
pub use form::{Discovery, Form, Naming};
pub use inspect::{AddressState, KnownAddress, NotReleased};
pub use lease::{ClientKey, Lease, LeaseState, Said};
pub use octets::Octets;
pub use others::KnownServer;
pub use plan::{Change, Commit, CommitError, CommitId, Output, Plan};
pub use policy::{Entitled, Group, HostKey, Policy, Reservation, Reservations};
pub use probe::{Probe, ProbeId, Question};
pub use quirks::{
    Asker, Choice, Evidence, Learned, ProxyForm, Quirk, Quirks, Signature, Told, Votes, Why, Works,
};
pub use rate::{Charge, Port, Rates, Source};
pub use reason::{Ignored, NakReason, RequestState};
pub use relay::{RelayAgent, RelaySubOption};
pub use reply::proxy::is_of_the_lease;
pub use server::{Explanation, Found, Server};
pub use settings::{Layers, OptionSetting, Origin, Settings};
pub use shedding::{Share, Shedding};
pub use table::{Hold, Secret};
pub use transmit::{Arrival, BOOT_SERVER_PORT, CLIENT_PORT, Destination, SERVER_PORT, Transmit};
pub use urgency::Urgency;
