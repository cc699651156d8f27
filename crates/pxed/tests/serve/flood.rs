//! More than can be answered at once.

use std::net::Ipv4Addr;

use pxed_proto::wire::dhcp::MessageType;
use serde_json::Value;

use crate::control::objects;
use crate::lan::{self, Lan, wait_until};
use crate::process::ask;

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

/// DISCOVERs of so many machines that nobody knows, as fast as they can be sent.
fn flood(lan: &Lan, machines: u32) {
    let flooder = lan.machine(9);
    let mut discover = flooder.message(MessageType::Discover, Ipv4Addr::UNSPECIFIED, &[]);
    for number in 0..machines {
        let number = number.to_be_bytes();
        // xid, and the last octets of chaddr.
        discover[4..8].copy_from_slice(&number);
        discover[30..34].copy_from_slice(&number);
        flooder.shout(&discover);
    }
}

fn count(of: &Value) -> u64 {
    of.as_u64().unwrap_or(0)
}

/// Each datagram that was read is answered or has a reason, whether or not there was an event of it.
#[test]
fn item_132_in_a_flood_nothing_is_miscounted_and_who_has_a_lease_is_served() {
    story("item_132_in_a_flood_nothing_is_miscounted_and_who_has_a_lease_is_served", |lan| {
        let pxed = lan.pxed("");
        let machine = lan.machine(1);
        let lease = machine.get_address();
        machine.configure(&lease);
        flood(lan, 30_000);
        assert_eq!(machine.renew(&lease).kind(), MessageType::Ack);
        let status = || objects(&ask(lan, "status --json")).remove(0);
        wait_until("what came in and what became of it differ", || {
            let status = status();
            let (counters, ignored) = (&status["counters"], status["ignored"].as_object().unwrap());
            let heard = count(&counters["DISCOVER"]) + count(&counters["REQUEST"]);
            let answered = count(&counters["OFFER"]) + count(&counters["ACK"]);
            let ignored: u64 = ignored.values().map(count).sum();
            heard > 1000 && heard == answered + ignored && status["waiting"] == 0
        });
        pxed.stop();
    });
}
