//! Another configuration while pxed runs: all of it, or none of it, and nobody is disturbed.

use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pxed_proto::wire::dhcp::MessageType;
use serde_json::Value;

use crate::config::{SITE, configured, one_link, script, write};
use crate::fetch::get;
use crate::lan::{self, Lan, MEASURED, wait_until};
use crate::machine::{Machine, Reply};
use crate::process::{Pxed, ask};

const KERNEL: &str = "http://192.168.77.1:8067/machine/52-54-00-77-00-04/profile/linux/vmlinuz";

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

/// What pxed answers when it is told to read its file again.
fn reload(lan: &Lan, text: &str) -> String {
    write(lan, text);
    let asked = ask(lan, "reload");
    assert_eq!(asked.code, Some(0), "{asked:?}");
    asked.out
}

fn refused(lan: &Lan, text: &str) -> String {
    write(lan, text);
    let asked = ask(lan, "reload");
    assert_eq!(asked.code, Some(1), "{asked:?}");
    asked.err
}

#[test]
fn a_reload_adds_a_reservation_and_changes_a_profile() {
    story("a_reload_adds_a_reservation_and_changes_a_profile", |lan| {
        let pxed = configured(lan, &one_link(), "");
        assert!(script(lan.machine(4)).contains("mac=52:54:00:77:00:04 "));
        let more = "\n[[reservation]]\nmac = \"52:54:00:77:00:14\"\naddress = \"192.168.77.70\"\n";
        let new = one_link().replace("\n[profile.menu]", &format!("{more}\n[profile.menu]"));
        let new = new.replace("mac={{ mac }} ip", "new={{ uuid }}{{ mac }} ip");
        let done = reload(lan, &new);
        assert!(done.contains("reservation 52:54:00:77:00:14 added"), "{done}");
        pxed.says(&["INFO", "configuration reloaded: reservation 52:54:00:77:00:14 added"]);
        assert_eq!(lan.machine(20).discover().address(), Ipv4Addr::new(192, 168, 77, 70));
        let script =
            get("http://192.168.77.1:8067/machine/52-54-00-77-00-04/boot.ipxe?profile=linux");
        assert!(script.text().contains("new=52:54:00:77:00:04 "), "{}", script.text());

        // By signal, the other way.
        write(lan, &one_link());
        pxed.signal("HUP");
        pxed.says(&["configuration reloaded: reservation 52:54:00:77:00:14 removed"]);
        pxed.stop();
    });
}

#[test]
fn a_lease_outside_a_shrunken_pool_lives_on() {
    story("a_lease_outside_a_shrunken_pool_lives_on", |lan| {
        let pxed = configured(lan, &one_link(), "");
        let (old, new) = (lan.machine(20), lan.machine(21));
        let lease = old.get_address();
        assert_eq!(lease.address(), Ipv4Addr::new(192, 168, 77, 100));
        let shrunken = one_link().replace("192.168.77.100-", "192.168.77.105-");
        let done = reload(lan, &shrunken);
        for change in ["range of 192.168.77.0/24 192.168.77.105-192.168.77.109 added", "removed"] {
            assert!(done.contains(change), "{done}");
        }
        old.configure(&lease);
        let renewed = old.renew(&lease);
        assert_eq!((renewed.kind(), renewed.address()), (MessageType::Ack, lease.address()));
        assert_eq!(new.get_address().address(), Ipv4Addr::new(192, 168, 77, 105));
        pxed.stop();
    });
}

#[test]
fn a_reload_says_that_addresses_are_another_servers_now() {
    story("a_reload_says_that_addresses_are_another_servers_now", |lan| {
        let pxed = configured(lan, &one_link(), "");
        let proxy = "[[subnet]]\ninterface = \"srv\"\nmode = \"proxy\"\n";
        let done = reload(lan, proxy);
        assert!(done.contains("mode of 192.168.77.0/24 proxy, was full"), "{done}");
        let done = reload(lan, &one_link());
        assert!(done.contains("mode of 192.168.77.0/24 full, was proxy"), "{done}");
        pxed.stop();
    });
}

#[test]
fn a_mistake_keeps_the_old_configuration() {
    story("a_mistake_keeps_the_old_configuration", |lan| {
        let pxed = configured(lan, &one_link(), "");
        let why = refused(lan, &format!("rangee = 1\n{}", one_link()));
        for part in ["pxed.toml:1:1", "there is no key rangee at the top of the file", "^^^^^^"] {
            assert!(why.contains(part), "no {part} in {why}");
        }
        pxed.says(&["WARN", "configuration not reloaded, the old one stays"]);
        std::fs::remove_file(lan.path().join("pxed.toml")).unwrap();
        assert!(ask(lan, "reload").err.contains("pxed.toml: No such file"));
        assert_eq!(lan.machine(1).get_address().address(), Ipv4Addr::new(192, 168, 77, 50));
        pxed.stop();
    });
}

#[test]
fn what_needs_a_restart_is_named() {
    story("what_needs_a_restart_is_named", |lan| {
        lan.second_network();
        let pxed = configured(lan, &one_link(), "");
        let why = refused(lan, SITE);
        assert!(why.contains("the served interfaces changed from srv to srv, srv2"), "{why}");
        assert!(why.contains("needs a restart"), "{why}");
        let why = refused(lan, &format!("http-port = 8100\n{}", one_link()));
        assert!(why.contains("the address or a port of HTTP or HTTPS changed"), "{why}");
        let done = reload(lan, &format!("verbose = true\n{}", one_link()));
        assert!(done.contains("only after a restart: verbose"), "{done}");
        pxed.stop();
    });
}

/// The site with another address for a machine: what is in force shows in its OFFER.
fn reserved(host: u8) -> String {
    let site = one_link().replace("192.168.77.50", &format!("192.168.77.{host}"));
    format!("watch-config = true\n{site}")
}

/// Waits until machine 1 is offered what is reserved for it.
fn offers(lan: &Lan, host: u8) {
    let address = Ipv4Addr::new(192, 168, 77, host);
    wait_until(&format!("{address} is not offered"), || {
        lan.machine(1).discover().address() == address
    });
}

#[test]
fn a_watched_file_is_taken_however_it_is_written() {
    story("a_watched_file_is_taken_however_it_is_written", |lan| {
        let pxed = configured(lan, &reserved(60), "");
        pxed.says(&["watching", "pxed.toml"]);
        offers(lan, 60);
        // In place, in pieces: what is between them is a configuration as well, and is not taken.
        let file = lan.path().join("pxed.toml");
        let text = reserved(61).replace("DIR", lan.path().to_str().unwrap());
        let (first, rest) = text.split_at(text.find("[[group]]").unwrap());
        std::fs::write(&file, first).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let mut more = std::fs::OpenOptions::new().append(true).open(&file).unwrap();
        more.write_all(rest.as_bytes()).unwrap();
        offers(lan, 61);
        // As an editor: the old one is put away, another takes its name.
        std::fs::rename(&file, lan.path().join("pxed.toml~")).unwrap();
        write(lan, &reserved(62));
        offers(lan, 62);
        // As a package: another is written, and takes its place.
        lan.file("new", text.replace("192.168.77.61", "192.168.77.63"));
        std::fs::rename(lan.path().join("new"), &file).unwrap();
        offers(lan, 63);
        // By symbolic links, of which one elsewhere is turned.
        for host in [64, 65] {
            let text = text.replace("192.168.77.61", &format!("192.168.77.{host}"));
            lan.file(&format!("elsewhere/{host}/pxed.toml"), text);
        }
        symlink("64", lan.path().join("elsewhere/now")).unwrap();
        symlink("elsewhere/now/pxed.toml", lan.path().join("new")).unwrap();
        std::fs::rename(lan.path().join("new"), &file).unwrap();
        offers(lan, 64);
        symlink("65", lan.path().join("elsewhere/new")).unwrap();
        std::fs::rename(lan.path().join("elsewhere/new"), lan.path().join("elsewhere/now"))
            .unwrap();
        offers(lan, 65);
        let log = pxed.stop();
        assert!(!log.contains("WARN configuration not reloaded"), "{log}");
        assert!(!log.contains("group rack removed"), "{log}");
        assert_eq!(log.matches("configuration reloaded").count(), 5, "{log}");
    });
}

#[test]
fn a_watched_file_with_a_mistake_is_told_of_once() {
    story("a_watched_file_with_a_mistake_is_told_of_once", |lan| {
        let flags = "--watch-config";
        let pxed = configured(lan, &reserved(60).replace("watch-config = true\n", ""), flags);
        pxed.says(&["watching", "pxed.toml"]);
        let wrong = format!("rangee = 1\n{}", reserved(61));
        write(lan, &wrong);
        pxed.says(&["configuration not reloaded, the old one stays", "there is no key rangee"]);
        // It is looked at again, and is the same.
        write(lan, &wrong);
        lan.file("another", "");
        offers(lan, 60);
        // Gone is a mistake too.
        std::fs::remove_file(lan.path().join("pxed.toml")).unwrap();
        pxed.says(&["not reloaded", "pxed.toml: No such file"]);
        write(lan, &reserved(62));
        offers(lan, 62);
        let log = pxed.stop();
        assert_eq!(log.matches("not reloaded").count(), 2, "{log}");
        assert_eq!(log.matches("configuration reloaded").count(), 1, "{log}");
    });
}

#[test]
fn a_watched_file_whose_directory_was_away_is_taken() {
    story("a_watched_file_whose_directory_was_away_is_taken", |lan| {
        configured(lan, &reserved(60), "").stop();
        let (etc, away) = (lan.path().join("etc"), lan.path().join("away"));
        let text = |host| reserved(host).replace("DIR", lan.path().to_str().unwrap());
        let file = lan.file("etc/pxed.toml", text(60));
        let pxed = lan.start(&format!("--config {}", file.display()));
        pxed.says(&["INFO", "ready"]);
        std::fs::rename(&etc, &away).unwrap();
        pxed.says(&["WARN changes of", "are not told, pxed looks every second: ENOENT"]);
        pxed.says(&["WARN configuration not reloaded", "pxed.toml: No such file"]);
        offers(lan, 60);
        lan.file("away/pxed.toml", text(61));
        std::fs::rename(&away, &etc).unwrap();
        offers(lan, 61);
        lan.file("etc/pxed.toml", text(62));
        offers(lan, 62);
        assert_eq!(pxed.stop().matches("WARN").count(), 2);
    });
}

/// As a release takes the place of the one before.
#[test]
fn a_watched_file_below_a_directory_that_is_replaced_is_taken() {
    story("a_watched_file_below_a_directory_that_is_replaced_is_taken", |lan| {
        configured(lan, &reserved(60), "").stop();
        let text = |host| reserved(host).replace("DIR", lan.path().to_str().unwrap());
        let file = lan.file("release/etc/pxed.toml", text(60));
        lan.file("next/etc/pxed.toml", text(61));
        let pxed = lan.start(&format!("--config {}", file.display()));
        pxed.says(&["INFO", "ready"]);
        offers(lan, 60);
        let path = |name| lan.path().join(name);
        std::fs::rename(path("release"), path("before")).unwrap();
        std::fs::rename(path("next"), path("release")).unwrap();
        offers(lan, 61);
        lan.file("release/etc/pxed.toml", text(62));
        offers(lan, 62);
        pxed.stop();
    });
}

#[test]
fn a_file_that_is_not_watched_waits_for_a_word() {
    story("a_file_that_is_not_watched_waits_for_a_word", |lan| {
        let text = |host| reserved(host).replace("watch-config = true\n", "");
        let pxed = configured(lan, &text(60), "");
        write(lan, &text(61));
        // It would have been taken within this time, as the test above shows.
        std::thread::sleep(Duration::from_secs(2));
        offers(lan, 60);
        let done = reload(lan, &reserved(61));
        assert!(done.contains("only after a restart: watch-config"), "{done}");
        offers(lan, 61);
        pxed.stop();
    });
}

/// How many descriptors a process has open.
fn descriptors(pxed: &Pxed) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", pxed.pid())).unwrap().count()
}

/// Counters of pxed's: how often each message was heard or sent.
fn counters(lan: &Lan) -> Value {
    let status = ask(lan, "status --json");
    serde_json::from_str::<Value>(&status.out).unwrap()["counters"].clone()
}

#[test]
fn hundreds_of_reloads_lose_no_request_and_no_descriptor() {
    const ROUNDS: usize = 300;
    story("hundreds_of_reloads_lose_no_request_and_no_descriptor", |lan| {
        let pxed = configured(lan, &one_link(), "");
        let machine = lan.machine(4).ipxe();
        let ack = machine.get_address();
        machine.configure(&ack);
        let url = ack.boot_file().unwrap();
        let before = descriptors(&pxed);
        std::thread::scope(|scope| {
            let reloads = scope.spawn(|| (0..ROUNDS).for_each(|round| reload_round(lan, round)));
            while !reloads.is_finished() {
                assert_eq!(machine.get_address().address(), ack.address());
                let (script, kernel) = (get(&url), get(KERNEL));
                assert_eq!((script.status, kernel.text().as_str()), (200, "a kernel"));
                assert!(script.text().contains("mac=52:54:00:77:00:04"), "{}", script.text());
            }
        });
        assert!(get(&url).text().contains("round=299 "), "the last one is not in force");
        wait_until("descriptors are lost", || descriptors(&pxed) <= before);
        let counters = counters(lan);
        for (heard, sent) in [("DISCOVER", "OFFER"), ("REQUEST", "ACK")] {
            assert_eq!(counters[heard], counters[sent], "{counters}");
        }
        assert_eq!(pxed.stop().matches("INFO configuration reloaded").count(), ROUNDS);
    });
}

/// What the kernel says of a process, in KiB.
fn resident(pxed: &Pxed) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pxed.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Renews as fast as it is answered until told to stop: how often that was. An answer that does not
/// come, or is no ACK of the same address, ends the test.
fn renews(machine: Machine, lease: &Reply, stop: &AtomicBool) -> usize {
    let (socket, mut renewals) = (Machine::client_port(lease), 0);
    while !stop.load(Ordering::Relaxed) {
        let ack = machine.renew_by(&socket, lease);
        assert_eq!((ack.kind(), ack.address()), (MessageType::Ack, lease.address()));
        renewals += 1;
    }
    renewals
}

/// Rounds of reloads, one after the other, while machines renew: how often they did.
fn reloads_under_renewals(lan: &Lan, leases: &[Reply], rounds: std::ops::Range<usize>) -> usize {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let renewing: Vec<_> = (20..)
            .zip(leases)
            .map(|(number, lease)| {
                let (machine, stop) = (lan.machine(number), &stop);
                scope.spawn(move || renews(machine, lease, stop))
            })
            .collect();
        let reloads = scope.spawn(|| rounds.for_each(|round| reload_round(lan, round)));
        // Whatever becomes of them, the others are to end.
        let reloaded = reloads.join();
        stop.store(true, Ordering::Relaxed);
        let renewals = renewing.into_iter().map(|one| one.join().unwrap()).sum();
        reloaded.unwrap();
        renewals
    })
}

/// docs/benchmarks.md has what it measured, and how to run it.
#[test]
#[ignore = "takes minutes, and measures"]
fn a_thousand_reloads_lose_no_renewal_and_keep_nothing() {
    const MACHINES: u8 = 4;
    story("a_thousand_reloads_lose_no_renewal_and_keep_nothing", |lan| {
        let pxed = configured(lan, &one_link(), "");
        let machine = |number| {
            let machine = lan.machine(number);
            let lease = machine.get_address();
            machine.configure(&lease);
            lease
        };
        let leases: Vec<Reply> = (20..20 + MACHINES).map(machine).collect();
        // What is kept anyway, such as the last events, is kept by then.
        let warm_up = reloads_under_renewals(lan, &leases, 0..200);
        let (files, before, begun) = (descriptors(&pxed), resident(&pxed), Instant::now());
        let renewals = reloads_under_renewals(lan, &leases, 0..1000);
        let took = begun.elapsed();
        wait_until("descriptors are lost", || descriptors(&pxed) <= files);
        let (after, counters) = (resident(&pxed), counters(lan));
        let all = u64::from(MACHINES) + u64::try_from(warm_up + renewals).unwrap();
        assert_eq!((&counters["REQUEST"], &counters["ACK"]), (&all.into(), &all.into()));
        assert!(after < before + 4096, "{before} KiB before, {after} KiB after");
        let log = pxed.stop();
        assert_eq!(log.matches("INFO configuration reloaded").count(), 1200);
        let lines = [
            format!("1000 reloads in {} s, {renewals} renewals, each answered", took.as_secs()),
            format!("descriptors {files} before and after"),
            format!("resident memory {before} KiB before, {after} KiB after\n"),
        ];
        let out = &mut std::io::stdout();
        lines.iter().for_each(|line| write!(out, "\n{MEASURED}{line}").unwrap());
    });
}

/// A file that is another each time.
fn reload_round(lan: &Lan, round: usize) {
    let text = one_link().replace("append = \"mac", &format!("append = \"round={round} mac"));
    let more = "[[reservation]]\nmac = \"52:54:00:77:00:63\"\naddress = \"192.168.77.70\"\n";
    let text = if round.is_multiple_of(2) { text } else { format!("{text}{more}") };
    let text = text.replace("DIR", lan.path().to_str().unwrap());
    lan.file("pxed.toml", text);
    let asked = ask(lan, "reload");
    assert_eq!(asked.code, Some(0), "{asked:?}");
}
