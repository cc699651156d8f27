//! Classes, and what they match.

use std::net::Ipv4Addr;

use super::super::schema::{CLASS, MATCH};
use super::{Case, Client, Site, case, domain, labelled, member, stranger};

pub fn cases() -> Vec<Case> {
    classes().into_iter().chain(matches()).collect()
}

fn classes() -> Vec<Case> {
    // The pool is for class c, which is what one of the two classes is called.
    let pool = "[[subnet]]\nnetwork = \"192.168.99.0/24\"\n\
                [[subnet.pool]]\nrange = \"192.168.99.50-192.168.99.59\"\nclass = \"c\"\n";
    let class = |name: &str, matching: &str| {
        format!("[[class]]\nname = \"{name}\"\nmatch = {{ {matching} }}\ndomain = \"c.example\"\n")
    };
    let named = |x64: &str, arm64: &str| {
        [pool, &class(x64, "arch = 7"), &class(arm64, "arch = 11")].concat()
    };
    let of_pool = |site: &mut Site| {
        let relay = Ipv4Addr::new(192, 168, 99, 1);
        [stranger(), member()]
            .iter()
            .flat_map(|who| site.offer(&who.clone().behind(relay)))
            .collect()
    };
    vec![
        case(
            (&CLASS, "name"),
            "#more",
            [&named("c", "d"), &named("d", "c")],
            of_pool,
            &[
                "- OFFER 192.168.99.50 to 52:54:00:00:00:01, boot tftp://192.168.77.1/ipxe.efi",
                "- no answer to 02:07:00:00:00:09: no pool is open to this client",
                "+ no answer to 52:54:00:00:00:01: no pool is open to this client",
                "+ OFFER 192.168.99.50 to 02:07:00:00:00:09, boot \
                 tftp://192.168.77.1/ipxe-arm64.efi",
            ],
        ),
        case(
            (&CLASS, "match"),
            "#more",
            [&class("c", "arch = 7"), &class("c", "arch = 11")],
            |site| domains(site, &stranger()),
            &[
                "- stranger: domain name (15): \"c.example\"",
                "+ known: domain name (15): \"c.example\"",
            ],
        ),
    ]
}

/// The domains that the known machine and another one are told.
fn domains(site: &mut Site, stranger: &Client) -> Vec<String> {
    let known = labelled("known", domain(site, &known()));
    [known, labelled("stranger", domain(site, stranger))].concat()
}

/// A machine that says all that a class can look at.
fn known() -> Client {
    let client = member().says(77, b"my-lab-class").says(12, b"rack-12").says(224, b"\x07");
    // Its circuit is port-7; the relay agent calls it rack-3.
    client.relayed(b"\x01\x06port-7\x02\x06rack-3")
}

/// A class with nobody in it, and one that the known machine belongs to, and no other.
fn matches() -> Vec<Case> {
    let class = |matching: &str| {
        format!("[[class]]\nname = \"c\"\ndomain = \"c.example\"\nmatch = {{ {matching} }}")
    };
    [
        ("arch", "arch = [\"uefi-x64\"]", "arch = [\"uefi-arm64\", 41]"),
        ("firmware", "firmware = \"ipxe\"", "firmware = \"pxe\""),
        ("mac", "mac = \"02:08:*\"", "mac = [\"02:08:*\", \"02:07:00:*\"]"),
        ("vendor-class", "vendor-class = \"*:00010:*\"", "vendor-class = \"PXEClient:*:00011:*\""),
        ("user-class", "user-class = \"lab*\"", "user-class = \"*lab*\""),
        ("option", "option = { host-name = \"bench-*\" }", "option = { host-name = \"rack-*\" }"),
        ("option", "option = { 225 = true }", "option = { 224 = true }"),
        ("option", "option = { host-name = \"rack\" }", "option = { host-name = \"rack-12\" }"),
        ("relay", "relay = \"192.168.78.2\"", "relay = \"192.168.78.1\""),
        ("circuit-id", "circuit-id = \"port-8\"", "circuit-id = \"*port-7\""),
        ("remote-id", "remote-id = \"port-7\"", "remote-id = \"rack-*\""),
        ("group", "mac = \"00:*\"", "group = \"rack\""),
        (
            "all",
            "all = [{ arch = 11 }, { mac = \"00:*\" }]",
            "all = [{ arch = 11 }, { mac = \"02:*\" }]",
        ),
        (
            "any",
            "any = [{ arch = 6 }, { mac = \"00:*\" }]",
            "any = [{ arch = 6 }, { mac = \"02:*\" }]",
        ),
        ("not", "not = { any = [{ mac = \"52:*\" }, { arch = 11 }] }", "not = { mac = \"52:*\" }"),
    ]
    .into_iter()
    .map(|(key, without, with)| {
        let [without, with] = [class(without), class(with)];
        let told = ["+ known: domain name (15): \"c.example\""];
        let story = |site: &mut Site| domains(site, &Client::new("52:54:00:00:00:01"));
        case((&MATCH, key), "#more", [&without, &with], story, &told)
    })
    .collect()
}
