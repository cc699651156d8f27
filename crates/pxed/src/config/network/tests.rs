use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};

fn serve(flags: &str) -> ServeArgs {
    let words = ["pxed", "serve"].into_iter().chain(flags.split_whitespace());
    let command = Cli::try_parse_from(words).unwrap().command;
    let Command::Serve(args) = command else { panic!("not serve") };
    *args
}

fn interface(name: &str, addresses: &[&str]) -> Interface {
    let address = |text: &&str| {
        let (address, prefix_len) = text.split_once('/').unwrap();
        let address = address.parse().unwrap();
        (address, Ipv4Net::new(address, prefix_len.parse().unwrap()).unwrap())
    };
    let (index, mac) = (1, pxed_proto::net::Mac([2; 6]));
    let addresses = addresses.iter().map(address).collect();
    Interface { name: name.into(), index, mac, up: true, addresses, mtu: 1500 }
}

/// What `flags` come to on eth0 and eth1, each with its addresses: `server: pools` by subnet.
fn outcome(flags: &str, addresses: [&[&str]; 2]) -> Result<String, String> {
    let args = serve(flags);
    let interfaces: Vec<Interface> =
        args.interfaces.iter().zip(addresses).map(|(name, own)| interface(name, own)).collect();
    let (_, subnets) = networks(&args, &interfaces, 8067).map_err(|error| error.to_string())?;
    let text = |Subnet { server, pools, .. }: &Subnet| {
        let pools: Vec<String> = pools.iter().map(|pool| pool.range.to_string()).collect();
        format!("{server}: {}", pools.join(" "))
    };
    Ok(subnets.iter().map(text).collect::<Vec<_>>().join(", "))
}

#[test]
fn ranges_find_their_interfaces() {
    let two: [&[&str]; 2] = [&["10.0.0.1/24"], &["10.0.1.1/24"]];
    for (flags, addresses, expected) in [
        (
            "-i eth0 -i eth1 --range 10.0.1.5-10.0.1.6 --range 10.0.0.5-10.0.0.6",
            two,
            "10.0.0.1: 10.0.0.5-10.0.0.6, 10.0.1.1: 10.0.1.5-10.0.1.6",
        ),
        (
            "-i eth0 --range 10.0.0.5-10.0.0.6 --range 10.0.0.9-10.0.0.9",
            two,
            "10.0.0.1: 10.0.0.5-10.0.0.6 10.0.0.9-10.0.0.9",
        ),
        // The address whose subnet has the range, whichever comes first.
        (
            "-i eth0 --range 10.0.1.5-10.0.1.6",
            [&["10.0.0.1/24", "10.0.1.1/24"], &[]],
            "10.0.1.1: 10.0.1.5-10.0.1.6",
        ),
        // Two addresses of one subnet: the one that was named.
        (
            "-i eth0 --range 10.0.0.5-10.0.0.6 --server-ip 10.0.0.2",
            [&["10.0.0.1/24", "10.0.0.2/24"], &[]],
            "10.0.0.2: 10.0.0.5-10.0.0.6",
        ),
        (
            "-i eth0 --range 10.0.0.1-10.0.0.1",
            [&["10.0.0.0/31"], &[]],
            "10.0.0.0: 10.0.0.1-10.0.0.1",
        ),
        (
            "-i eth0 --range 10.0.7.1-10.0.7.9 --subnet-mask 255.255.0.0",
            two,
            "10.0.0.1: 10.0.7.1-10.0.7.9",
        ),
    ] {
        assert_eq!(outcome(flags, addresses).as_deref(), Ok(expected), "{flags}");
    }
}

#[test]
fn who_gives_the_addresses_is_said_or_follows() {
    let eth0 = [interface("eth0", &["10.0.0.1/24"])];
    let range = "--range 10.0.0.5-10.0.0.9";
    for (flags, expected) in [
        ("-i eth0".to_owned(), Mode::Proxy),
        ("-i eth0 --mode proxy".to_owned(), Mode::Proxy),
        (format!("-i eth0 {range}"), Mode::Full),
        (format!("-i eth0 --mode full {range}"), Mode::Full),
    ] {
        let (_, subnets) = networks(&serve(&flags), &eth0, 8067).unwrap();
        assert_eq!(subnets[0].mode, expected, "{flags}");
        assert_eq!(subnets[0].pools.is_empty(), expected == Mode::Proxy, "{flags}");
    }
    let flags = format!("-i eth0 --mode proxy {range}");
    let error = networks(&serve(&flags), &eth0, 8067).unwrap_err().to_string();
    assert!(error.contains("with --mode proxy addresses are another"), "{error}");
    let error = networks(&serve("-i eth0 --dns 9.9.9.9"), &eth0, 8067).unwrap_err();
    assert_eq!(error.flag, "--dns");
}

#[test]
fn addresses_that_are_to_be_given_have_to_be_named() {
    for (address, remedy) in [
        ("10.0.0.1/24", "such as --range 10.0.0.128-10.0.0.254."),
        ("10.0.0.200/24", "--range 10.0.0.1-10.0.0.127."),
        ("10.0.0.1/30", "--range 10.0.0.2-10.0.0.2."),
        ("10.0.0.0/31", "--range 10.0.0.1-10.0.0.1."),
        ("10.0.0.1/31", "--range 10.0.0.0-10.0.0.0."),
        ("10.0.0.1/32", "give eth0 a larger network."),
    ] {
        let text = outcome("-i eth0 --mode full", [&[address], &[]]).unwrap_err();
        assert!(text.contains("no addresses are given") && text.contains(remedy), "{text}");
    }
}

#[test]
fn mistakes_are_answered_with_what_to_write() {
    let one: [&[&str]; 2] = [&["10.0.0.1/24"], &[]];
    for (flags, addresses, problem, remedy) in [
        (
            "-i eth0 --range 10.0.0.0-10.0.0.255",
            one,
            "--range 10.0.0.0-10.0.0.255: not all of it is for hosts of 10.0.0.0/24",
            "Stay within 10.0.0.1-10.0.0.254.",
        ),
        ("-i eth0 --range 10.0.0.9-10.0.1.9", one, "not all of it", "10.0.0.1-10.0.0.254"),
        ("-i eth0 --range 10.0.1.5-10.0.1.9", one, "none of the ranges", "--range 10.0.0.128"),
        (
            "-i eth0 --range 10.0.0.5-10.0.0.9 --range 10.0.1.5-10.0.1.9",
            [&["10.0.0.1/24", "10.0.1.1/24"], &[]],
            "--range 10.0.1.5-10.0.1.9: it is in no served subnet (10.0.0.0/24; one of each",
            "name the interface",
        ),
        (
            "-i eth0 --range 10.0.0.5-10.0.0.9 --tftp-server 10.0.0.7",
            one,
            "it holds 10.0.0.7, the TFTP server's address",
            "Leave 10.0.0.7 out",
        ),
        (
            "-i eth0 --range 10.0.0.8-10.0.0.9 --subnet-mask 255.255.255.254",
            [&["10.0.0.4/24"], &[]],
            "none of the ranges is in eth0's subnet 10.0.0.4/31",
            "such as --range 10.0.0.5-10.0.0.5.",
        ),
        (
            "-i eth0 --range 10.0.0.5-10.0.0.9 --subnet-mask 255.255.255.252",
            [&["10.0.0.4/24"], &[]],
            "--subnet-mask 255.255.255.252: it leaves 10.0.0.4",
            "the mask of the network",
        ),
        (
            "-i eth0 -i eth1 --range 10.0.0.5-10.0.0.9",
            [&["10.0.0.1/24"], &["10.0.0.2/24"]],
            "--interface eth1: its subnet 10.0.0.0/24 is also on eth0, as 10.0.0.0/24",
            "in a bridge",
        ),
        (
            "-i eth0 -i eth1 --range 10.0.0.5-10.0.0.9",
            [&["10.0.0.1/16"], &["10.0.0.2/24"]],
            "--interface eth1: its subnet 10.0.0.0/24 is also on eth0, as 10.0.0.0/16",
            "in a bridge",
        ),
    ] {
        let text = outcome(flags, addresses).unwrap_err();
        assert!(text.contains(problem) && text.contains(remedy), "{flags}: {text}");
    }
}
