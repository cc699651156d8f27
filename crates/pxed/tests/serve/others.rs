//! Other DHCP servers on the wire.

use std::net::Ipv4Addr;

use serde_json::json;

use crate::control::objects;
use crate::lan::{self, Lan, wait_until};
use crate::process::ask;

const RIVAL: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 250);

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

#[test]
fn a_rival_is_warned_of_once_and_shown() {
    story("a_rival_is_warned_of_once_and_shown", |lan| {
        let pxed = lan.pxed("");
        let rival = lan.machine(9);
        let heard = || objects(&ask(lan, "status --json")).remove(0)["other_servers"].take();
        assert_eq!(heard(), json!([]), "what pxed sends itself is nobody else's");
        lan.machine(1).get_address();
        assert_eq!(heard(), json!([]));
        for host in 1..4 {
            rival.offers_as(RIVAL, Ipv4Addr::new(192, 168, 77, host));
        }
        pxed.says(&["WARN", "another DHCP server, 192.168.77.250 (52:54:00:77:00:09), on srv"]);
        wait_until("the status shows it", || heard() != json!([]));
        let server = heard()[0].take();
        assert_eq!(server["server"], "192.168.77.250");
        assert_eq!(server["gives_addresses"], true);
        assert!(ask(lan, "status").out.contains("OTHER SERVER"));
        let log = pxed.stop();
        assert_eq!(log.matches("another DHCP server").count(), 1, "{log}");
    });
}
