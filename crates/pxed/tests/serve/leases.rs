//! Addresses: given, renewed, given back, and kept.

use std::net::Ipv4Addr;

use pxed_proto::net::Mac;
use pxed_proto::wire::dhcp::MessageType;
use pxed_proto::wire::options::code;

use crate::lan::{self, Lan};
use crate::machine::SERVER;

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

#[test]
fn machines_get_addresses_renew_them_and_give_them_back() {
    story("machines_get_addresses_renew_them_and_give_them_back", |lan| {
        let pxed = lan.pxed("--router 192.168.77.254 --dns 9.9.9.9,1.1.1.1 --domain lab.example");
        let (one, two) = (lan.machine(1).with(code::HOST_NAME, b"bench\n1"), lan.machine(2));
        let wishes = [code::ROUTER, code::DOMAIN_NAME_SERVER, code::DOMAIN_NAME];
        let one = one.with(code::PARAMETER_REQUEST_LIST, &wishes);

        let lease = one.get_address();
        assert_eq!(lease.address(), Ipv4Addr::new(192, 168, 77, 100));
        assert_eq!((lease.server(), lease.to), (SERVER, one.mac));
        assert_eq!(lease.option(code::SUBNET_MASK).unwrap(), [255, 255, 255, 0]);
        assert_eq!(lease.option(code::LEASE_TIME).unwrap(), 3600_u32.to_be_bytes());
        assert_eq!(lease.option(code::ROUTER).unwrap(), [192, 168, 77, 254]);
        assert_eq!(lease.option(code::DOMAIN_NAME_SERVER).unwrap(), [9, 9, 9, 9, 1, 1, 1, 1]);
        assert_eq!(lease.option(code::DOMAIN_NAME).unwrap(), b"lab.example");
        assert!(lease.octets().len() >= 300, "{} octets", lease.octets().len());
        pxed.says(&["DISCOVER 52:54:00:77:00:01 on srv"]);
        pxed.says(&["OFFER 192.168.77.100 to 52:54:00:77:00:01"]);
        pxed.says(&["REQUEST 52:54:00:77:00:01 on srv"]);
        pxed.says(&["ACK 192.168.77.100 to 52:54:00:77:00:01 for 1h (selecting)"]);

        let other = two.get_address();
        assert_ne!(other.address(), lease.address());

        one.configure(&lease);
        let renewed = one.renew(&lease);
        assert_eq!((renewed.kind(), renewed.address()), (MessageType::Ack, lease.address()));
        pxed.says(&["ACK 192.168.77.100 to 52:54:00:77:00:01 for 1h (renewing)"]);

        two.release(&other);
        pxed.says(&["RELEASE 52:54:00:77:00:02"]);
        pxed.says(&["released 192.168.77.101 by 52:54:00:77:00:02"]);

        let log = pxed.stop();
        let listed = "lease: 52:54:00:77:00:01 has 192.168.77.100 for another ";
        let listed = log.lines().find(|line| line.contains(listed)).unwrap();
        assert!(listed.ends_with("(bench1)"), "{listed}");
        assert!(log.contains("active leases: 1") && !log.contains("77:00:02 has"), "{log}");
    });
}

#[test]
fn a_client_that_does_not_boot_is_told_nothing_of_booting() {
    story("a_client_that_does_not_boot_is_told_nothing_of_booting", |lan| {
        let kernel = lan.file("vmlinuz", "kernel");
        let pxed = lan.pxed(&format!("--kernel {}", kernel.display()));
        let plain = lan.machine(1);
        for reply in [plain.discover(), plain.get_address()] {
            assert_eq!(reply.boot_file(), None);
            assert_eq!(reply.next_server(), Ipv4Addr::UNSPECIFIED);
            for code in [code::VENDOR_SPECIFIC, code::VENDOR_CLASS, code::TFTP_SERVER_NAME] {
                assert_eq!(reply.option(code), None, "option {code}");
            }
        }
        let line = pxed.says(&["ACK 192.168.77.100"]);
        assert!(!line.contains("boot"), "{line}");
        pxed.stop();
    });
}

#[test]
fn item_34_an_address_is_kept_when_pxed_stops_or_dies() {
    story("item_34_an_address_is_kept_when_pxed_stops_or_dies", |lan| {
        let pxed = lan.pxed("");
        let (one, two) = (lan.machine(1), lan.machine(2));
        let first = one.get_address().address();
        pxed.stop();

        let pxed = lan.pxed("");
        pxed.says(&["leases in", "1, 1 of them active"]);
        let second = two.get_address().address();
        assert_eq!(one.get_address().address(), first);
        pxed.kill();

        let pxed = lan.pxed("");
        pxed.says(&["leases in", "2, 2 of them active"]);
        let remembered = two.remember(second);
        assert_eq!((remembered.kind(), remembered.address()), (MessageType::Ack, second));
        assert_eq!(one.get_address().address(), first);
        let stolen = lan.machine(3).remember(first);
        assert_eq!((stolen.kind(), stolen.to), (MessageType::Nak, Mac::BROADCAST));
        pxed.says(&["NAK 192.168.77.100 to 52:54:00:77:00:03", "another client has the address"]);
        pxed.stop();
    });
}

#[test]
fn each_interface_has_its_own_addresses() {
    story("each_interface_has_its_own_addresses", |lan| {
        lan.second_network();
        let pxed = lan.pxed("-i srv2 --range 192.168.88.50-192.168.88.60");
        let (here, there) = (lan.machine(1).ipxe(), lan.machine_on_second_network(2).ipxe());
        let (here, there) = (here.get_address(), there.get_address());
        assert_eq!(here.address(), Ipv4Addr::new(192, 168, 77, 100));
        assert_eq!(there.address(), Ipv4Addr::new(192, 168, 88, 50));
        assert_eq!(there.server(), Ipv4Addr::new(192, 168, 88, 1));
        assert!(here.boot_file().unwrap().starts_with("http://192.168.77.1:8067/"));
        assert!(there.boot_file().unwrap().starts_with("http://192.168.88.1:8067/"));
        pxed.says(&["DISCOVER 52:54:00:77:00:02 on srv2"]);
        pxed.stop();
    });
}
