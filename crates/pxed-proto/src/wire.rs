//! The only place that touches bytes.
//!
//! A parser takes any bytes and says what they are or why they are nothing; it never panics and
//! never allocates more than it was given. What it does not know it keeps as numbers.

pub mod arp;
pub mod dhcp;
pub mod glance;
pub mod options;
pub mod pxe;
pub mod tftp;
pub mod udp;
