//! DHCP conversations at the seam: a datagram and a literal time go in, a reply's bytes, its
//! destination, lease changes and an event come out.
//!
//! A test whose name begins with `item_N` stands for that item of the conformance list; [`oracle`]
//! holds items 1 to 8 and looks at every reply of every test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "these are tests"
)]

mod answer;
mod client;
mod lan;
mod oracle;

mod addresses;
mod boot_server;
mod bootp;
mod caches;
mod caps;
mod captures;
mod classes;
mod commits;
mod cves;
mod declines;
mod discovers;
mod endings;
mod identities;
mod informs;
mod inspects;
mod known_free;
mod links;
mod model;
mod mutated;
mod others;
mod outages;
mod overrides;
mod parser;
mod probes;
mod proxy;
mod pxe;
mod quirks;
mod rapid_commit;
mod rates;
mod relays;
mod releases;
mod reloads;
mod remembered;
mod replies;
mod reservations;
mod restart;
mod selecting;
mod selection;
mod settings;
mod sizes;
mod subnets;
mod wires;
