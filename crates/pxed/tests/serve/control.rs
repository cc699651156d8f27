//! A running pxed, as its operator asks it.

use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::fetch::{get, tftp};
use crate::lan::{self, Lan, PATIENCE, RANGE, wait_until};
use crate::process::{Asked, Pxed, ask, asking};

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

const NOT_RUNNING: i32 = 3;

/// What is documented.
const DOCUMENT: &str = include_str!("../../../../docs/control.md");

/// Every line is an object with these names in it, and each name is documented.
pub fn objects(asked: &Asked) -> Vec<Value> {
    assert_eq!(asked.code, Some(0), "{asked:?}");
    let objects: Vec<Value> =
        asked.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    objects.iter().for_each(all_documented);
    objects
}

fn all_documented(value: &Value) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            assert!(DOCUMENT.contains(&format!("`{name}`")), "{name} is not in docs/control.md");
            // Their names are those of messages and reasons.
            if name != "counters" && name != "ignored" {
                all_documented(value);
            }
        }),
        Value::Array(values) => values.iter().for_each(all_documented),
        _ => {}
    }
}

/// The socket itself.
pub struct Line {
    stream: BufReader<UnixStream>,
}

impl Line {
    pub fn open(lan: &Lan) -> Self {
        let stream = UnixStream::connect(lan.path().join("state/control.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    pub fn say(&mut self, line: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(line.as_ref()).unwrap();
    }

    /// The next line; none if pxed has closed.
    pub fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        (self.stream.read_line(&mut line).unwrap() > 0)
            .then(|| serde_json::from_str(&line).unwrap())
    }

    /// What is wrong with it.
    fn refused(&mut self, line: &str) -> String {
        // pxed may have read enough, and closed, before it is written.
        let _ = self.stream.get_mut().write_all(line.as_bytes());
        let answer = self.hear().unwrap();
        assert_eq!(answer["version"], 1);
        answer["error"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }
}

#[test]
fn the_status_says_what_is_served_and_how_it_goes() {
    story("the_status_says_what_is_served_and_how_it_goes", |lan| {
        lan.second_network();
        let pxed = lan.pxed("-i srv2 --range 192.168.88.50-192.168.88.60 --http-port 8000");
        lan.machine(1).get_address();
        lan.machine(2).discover();
        lan.machine(3).shout(b"noise");
        pxed.says(&["OFFER 192.168.77.101"]);
        let status = || objects(&ask(lan, "status --json")).remove(0);
        wait_until("the noise is not counted", || status()["ignored"]["too-short"] == 1);
        let status = status();
        assert_eq!(status["pid"], pxed.pid());
        assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(status["configuration"], "flags");
        assert_eq!(
            status["subnets"][0],
            json!({
                "subnet": "192.168.77.0/24", "interface": "srv", "mode": "full",
                "server": "192.168.77.1", "tftp": "192.168.77.1",
                "http": "http://192.168.77.1:8000/", "leased_outside_pools": 0,
                "pools": [{
                    "range": RANGE, "addresses": 10, "used": 1, "held": 1, "declined": 0, "free": 8,
                }],
            })
        );
        assert_eq!(status["subnets"][1]["interface"], "srv2");
        assert_eq!((&status["active_leases"], &status["offers"]), (&json!(1), &json!(1)));
        assert_eq!(status["counters"]["ACK"], 1);
        for rate in ["datagrams_per_second", "acks_per_second"] {
            assert!(status["rates"][rate].as_f64().unwrap() > 0.0, "{status}");
        }
        assert_eq!(status["lost_to_full_buffers"], 0);
        assert_eq!(status["store"]["state"], "writes");

        let table = ask(lan, "status");
        for text in [
            &format!("pxed {}, process {}, up ", env!("CARGO_PKG_VERSION"), pxed.pid()),
            "INTERFACE  SUBNET           MODE  SERVER        TFTP          HTTP\n",
            "srv2       192.168.88.0/24  full  192.168.88.1  192.168.88.1  http://192.168.88.1:8",
            "192.168.77.100-192.168.77.109  10         1     1     0         8\n",
            "1 active, 1 offered",
            "0 TFTP transfers, 0 HTTP requests",
            "DISCOVER 2, OFFER 2, REQUEST 1, unreadable 1",
            "too-short 1",
        ] {
            assert!(table.out.contains(text), "no {text} in\n{}", table.out);
        }
        pxed.stop();
        let pxed = lan.pxed("--https");
        let https = "https://192.168.77.1:8443/";
        assert_eq!(objects(&ask(lan, "status --json"))[0]["subnets"][0]["https"], https);
        let table = ask(lan, "status").out;
        for text in ["  HTTP                       HTTPS\n", &format!("8067/  {https}\n")] {
            assert!(table.contains(text), "no {text:?} in\n{table}");
        }
        pxed.stop();
    });
}

#[test]
fn leases_are_listed_by_machine_address_network_and_state() {
    story("leases_are_listed_by_machine_address_network_and_state", |lan| {
        lan.second_network();
        let pxed = lan.pxed("-i srv2 --range 192.168.88.50-192.168.88.60");
        lan.machine(1).with(12, b"bench1").get_address();
        let two = lan.machine(2);
        let gone = two.get_address();
        two.configure(&gone);
        two.release(&gone);
        lan.machine_on_second_network(3).get_address();
        lan.machine(4).discover();
        pxed.says(&["released 192.168.77.101"]);
        let table = ask(lan, "leases").out;
        let lines: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().take(4).collect()).collect();
        assert_eq!(
            lines,
            [
                ["ADDRESS", "STATE", "CLIENT", "HOST"],
                ["192.168.77.100", "leased", "52:54:00:77:00:01", "bench1"],
                ["192.168.77.101", "released", "52:54:00:77:00:02", "-"],
                ["192.168.77.102", "offered", "52:54:00:77:00:04", "-"],
                ["192.168.88.50", "leased", "52:54:00:77:00:03", "-"],
            ],
            "{table}"
        );
        assert!(table.lines().nth(1).unwrap().contains(" (another 59m "), "{table}");

        let all = objects(&ask(lan, "leases --json"));
        assert_eq!(
            (&all[0]["subnet"], &all[0]["host_name"]),
            (&json!("192.168.77.0/24"), &json!("bench1"))
        );
        assert!(all[0]["seconds_left"].as_u64().unwrap() > 3500);
        for (flags, hosts) in [
            ("", &[100, 101, 102, 50][..]),
            ("--mac 52-54-00-77-00-02", &[101]),
            ("--ip 192.168.77.102", &[102]),
            ("--subnet 192.168.88.0/24", &[50]),
            ("--state leased", &[100, 50]),
            ("--state offered", &[102]),
            ("--subnet 192.168.77.0/24 --state leased", &[100]),
            ("--state expired", &[]),
        ] {
            let found = objects(&ask(lan, &format!("leases --json {flags}")));
            let found = found.iter().map(|lease| lease["ip"].as_str().unwrap());
            let found: Vec<u8> =
                found.map(|ip| ip.parse::<Ipv4Addr>().unwrap().octets()[3]).collect();
            assert_eq!(found, hosts, "{flags}");
        }
        assert_eq!(ask(lan, "leases --ip 192.168.77.109").out, "no such leases\n");
        pxed.stop();
    });
}

#[test]
fn an_operator_frees_a_lease_for_good() {
    story("an_operator_frees_a_lease_for_good", |lan| {
        let pxed = lan.pxed("");
        lan.machine(1).get_address();
        let asked = ask(lan, "leases release 192.168.77.100");
        assert_eq!(asked.code, Some(0), "{asked:?}");
        assert!(asked.out.starts_with("192.168.77.100 is free; 52:54:00:77:00:01 had it"));
        pxed.says(&["INFO", "lease of 192.168.77.100 by 52:54:00:77:00:01 freed by the operator"]);
        let events = objects(&ask(lan, "events --json"));
        let freed = events.iter().find(|event| event["kind"] == "freed").unwrap();
        assert_eq!(freed["ip"], "192.168.77.100");
        assert_eq!(freed["mac"], "52:54:00:77:00:01");

        for (ip, problem) in [
            ("192.168.77.100", "192.168.77.100: it is free already (released)"),
            ("192.168.77.109", "192.168.77.109: there is no lease of it"),
        ] {
            let asked = ask(lan, &format!("leases release {ip}"));
            assert_eq!((asked.code, &asked.out[..]), (Some(1), ""));
            assert!(asked.err.contains(problem), "{}", asked.err);
        }

        // It is durable, and the machine is still known.
        pxed.kill();
        let pxed = lan.pxed("");
        pxed.says(&["leases in", "1, 0 of them active"]);
        let again = lan.machine(1).get_address();
        assert_eq!(again.address(), Ipv4Addr::new(192, 168, 77, 100));
        let released = objects(&ask(lan, "leases release 192.168.77.100 --json"));
        assert_eq!(released, [json!({"ip": "192.168.77.100", "mac": "52:54:00:77:00:01"})]);
        pxed.stop();
    });
}

#[test]
fn events_tell_a_boot_and_go_on() {
    story("events_tell_a_boot_and_go_on", |lan| {
        lan.file("boot/undionly.kpxe", "a loader");
        let script = lan.file("mine.ipxe", "#!ipxe\n");
        let (dir, script) = (lan.path().display(), script.display());
        let pxed = lan.pxed(&format!("--boot-dir {dir}/boot --script {script}"));
        let rom = lan.machine(1).pxe(0);
        let ack = rom.get_address();
        rom.configure(&ack);
        // An ACK is told when it has left: a client may be quicker.
        pxed.says(&["ACK 192.168.77.100"]);
        tftp(ack.address(), "undionly.kpxe").unwrap();
        lan.machine(2).get_address();
        pxed.says(&["ACK 192.168.77.101"]);

        let mut child = asking(lan, "events --follow --json --mac 52:54:00:77:00:01");
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next =
            || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
        let (offer, ack, file) = (next(), next(), next());
        assert_eq!(
            [&offer["heard"], &offer["outcome"], &offer["ip"], &offer["interface"]],
            ["DISCOVER", "OFFER", "192.168.77.100", "srv"]
        );
        assert_eq!(
            [&ack["outcome"], &ack["boot"], &ack["client_state"], &ack["firmware"]],
            ["ACK", "tftp://192.168.77.1/undionly.kpxe", "selecting", "PXE, BIOS"]
        );
        assert_eq!((&ack["seconds"], ack["xid"].as_str().unwrap().len()), (&json!(3600), 8));
        assert_eq!(
            [&file["kind"], &file["file"], &file["outcome"], &file["mac"]],
            ["tftp", "undionly.kpxe", "completed", "52:54:00:77:00:01"]
        );
        assert_eq!(file["bytes"], 8);
        let url = lan.machine(1).ipxe().get_address().boot_file().unwrap();
        let (again, _) = (next(), next());
        get(&url);
        let script = next();
        assert_eq!((&again["kind"], &again["firmware"]), (&json!("dhcp"), &json!("iPXE, BIOS")));
        assert_eq!((&script["kind"], &script["status"]), (&json!("http"), &json!(200)));
        [&offer, &ack, &file, &again, &script].into_iter().for_each(all_documented);

        let table = ask(lan, "events").out;
        let line = "DISCOVER 52:54:00:77:00:02 on srv: OFFER 192.168.77.101 to 52:54:00:77:00:02";
        assert!(table.lines().any(|text| text.ends_with(line)), "{table}");
        assert_eq!(objects(&ask(lan, "events --json")).len(), table.lines().count());

        pxed.stop();
        assert!(lines.next().is_none());
        assert_eq!(child.wait().unwrap().code(), Some(1), "pxed was stopped");
    });
}

#[test]
fn stop_waits_for_the_end() {
    story("stop_waits_for_the_end", |lan| {
        for (flag, said) in [("", "has stopped\n"), ("--json", "{\"pid\":")] {
            let mut pxed = lan.pxed("");
            let asked = ask(lan, &format!("stop {flag}"));
            assert_eq!(asked.code, Some(0), "{asked:?}");
            assert!(asked.out.contains(said), "{asked:?}");
            // It is a zombie of ours, if anything.
            wait_until("pxed is there", || !pxed.is_running());
            let (code, log) = pxed.end();
            assert_eq!(code, Some(0), "{log}");
            assert!(log.contains("stop was asked for on the control socket"), "{log}");
            assert!(!lan.path().join("state/control.sock").exists());
        }
    });
}

#[test]
fn where_no_pxed_runs_that_is_said() {
    story("where_no_pxed_runs_that_is_said", |lan| {
        let nobody = |when: &str| {
            let explain = "explain --mac 52:54:00:77:00:01";
            for words in
                ["status", "leases", "leases release 10.0.0.1", "events --follow", explain, "stop"]
            {
                let asked = ask(lan, words);
                assert_eq!(asked.code, Some(NOT_RUNNING), "{when}, {words}: {asked:?}");
                let dir = lan.path().join("state");
                let text = format!("no pxed is running with state directory {}", dir.display());
                assert!(asked.err.contains(&text), "{when}, {words}: {asked:?}");
            }
        };
        nobody("there was none");
        lan.pxed("").stop();
        nobody("it was stopped");
        lan.pxed("").kill();
        assert!(lan.path().join("state/control.sock").exists());
        nobody("it was killed");
        let pxed = lan.pxed("");
        assert_eq!(ask(lan, "status").code, Some(0), "what the dead one left is replaced");
        pxed.stop();
    });
}

#[test]
fn the_socket_is_for_its_owner() {
    story("the_socket_is_for_its_owner", |lan| {
        let wide_open = ["sh", "-c", "umask 0; exec \"$0\" \"$@\""];
        let pxed = Pxed::start(lan, &wide_open, &format!("-i srv --mode full --range {RANGE}"));
        pxed.says(&["INFO", "ready"]);
        let socket = lan.path().join("state/control.sock");
        let mode =
            |mode| std::fs::set_permissions(&socket, PermissionsExt::from_mode(mode)).unwrap();
        assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);

        // Root may all, unless it gives that up.
        mode(0);
        let mut command = asking(lan, "status");
        let mut powerless = std::process::Command::new("setpriv");
        powerless.args(["--bounding-set", "-dac_override,-dac_read_search"]);
        powerless.arg(command.get_program()).args(command.get_args());
        let output = powerless.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("permission denied; ask as that user, or as root"), "{text}");
        mode(0o600);
        assert!(command.output().unwrap().status.success());
        pxed.stop();
    });
}

#[test]
fn garbage_is_answered_and_disturbs_nobody() {
    story("garbage_is_answered_and_disturbs_nobody", |lan| {
        let pxed = lan.pxed("");
        let (mut one, mut two) = (Line::open(lan), Line::open(lan));
        for (line, problem) in [
            ("\n", "not a JSON object"),
            ("\x00\x1b[2J\n", "not a JSON object"),
            ("{\"version\":1,\"command\":\"dance\"}\n", "command \"dance\": there are \"status\""),
            ("{\"version\":7,\"command\":\"status\"}\n", "version 7: this pxed speaks 1"),
            ("{\"command\":\"status\"}\n", "no version"),
            ("{\"version\":1,\"command\":\"leases\",\"mac\":\"x\"}\n", "x is no MAC address"),
            (
                "{\"version\":1,\"command\":\"leases\",\"state\":\"x\"}\n",
                "x is no state; write leased",
            ),
            ("{\"version\":1,\"command\":\"events\",\"mac\":\"x\"}\n", "x is no MAC address"),
        ] {
            let refused = one.refused(line);
            assert!(refused.contains(problem), "{line}: {refused}");
        }
        // Two requests at once, and another connection beside.
        two.say("{\"version\":1,\"command\":\"lea");
        let request = "{\"version\":1,\"command\":\"status\"}\n";
        one.say(request.repeat(2));
        for _ in 0..2 {
            assert_eq!(one.hear().unwrap()["ok"]["pid"], pxed.pid());
        }
        two.say("ses\"}\n");
        assert_eq!(two.hear().unwrap(), json!({"version": 1, "ok": {"count": 0}}));

        // There is no telling where the next request would begin.
        assert!(two.refused(&"x".repeat(4096)).contains("longer than 4096 octets"));
        assert!(two.hear().is_none());
        // The last line may lack its end.
        one.say(request.trim_end());
        one.stream.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
        assert!(one.hear().unwrap()["ok"].is_object() && one.hear().is_none());
        lan.machine(1).get_address();
        pxed.stop();
    });
}

/// Kea fell over JSON within JSON (CVE-2026-3608): a line has an end, and its depth one too.
#[test]
fn cve_2026_3608_nested_json_is_one_line_too_long() {
    story("cve_2026_3608_nested_json_is_one_line_too_long", |lan| {
        let pxed = lan.pxed("");
        for open in ["[", "{\"a\":", "{\"version\":1,\"command\":["] {
            let deep = open.repeat(4000 / open.len()) + "\n";
            let refused = Line::open(lan).refused(&deep);
            assert!(refused.contains("not a JSON object"), "{refused}");
        }
        let refused = Line::open(lan).refused(&"[".repeat(100_000));
        assert!(refused.contains("longer than 4096 octets"), "{refused}");
        assert_eq!(ask(lan, "status").code, Some(0));
        pxed.stop();
    });
}

#[test]
fn there_is_room_for_so_many_connections() {
    story("there_is_room_for_so_many_connections", |lan| {
        let pxed = lan.pxed("");
        let follow = "{\"version\":1,\"command\":\"events\",\"follow\":true}\n";
        let mut lines: Vec<Line> = (0..17).map(|_| Line::open(lan)).collect();
        lines.iter_mut().for_each(|line| line.say(follow));
        let mut refused = 0;
        lan.machine(1).discover();
        for line in &mut lines {
            let heard = line.hear().unwrap();
            refused += usize::from(heard["error"] == "16 follow the events already");
            assert!(heard["error"].is_string() || heard["event"].is_object(), "{heard}");
        }
        assert_eq!(refused, 1);
        lines.extend((17..32).map(|_| Line::open(lan)));
        // The last of them is accepted when it is answered.
        lines[31].say("{\"version\":1,\"command\":\"leases\"}\n");
        while lines[31].hear().unwrap()["ok"].is_null() {}
        let asked = ask(lan, "status");
        assert_eq!(asked.code, Some(1), "{asked:?}");
        assert!(asked.err.contains("there are 32 connections already"), "{asked:?}");
        lines.clear();
        wait_until("there is no room again", || ask(lan, "status").code == Some(0));
        pxed.stop();
    });
}

#[test]
fn a_slow_reader_of_events_loses_some_and_holds_nobody_up() {
    story("a_slow_reader_of_events_loses_some_and_holds_nobody_up", |lan| {
        let pxed = lan.pxed("");
        let mut slow = Line::open(lan);
        slow.say("{\"version\":1,\"command\":\"events\",\"follow\":true}\n");
        let noise = lan.machine(1);
        noise.shout(b"noise");
        assert_eq!(slow.hear().unwrap()["event"]["reason"], "too-short");
        let counted = || {
            let status = objects(&ask(lan, "status --json")).remove(0);
            status["counters"]["unreadable"].as_u64().unwrap()
        };
        // The socket, and what waits behind it, have room for some two thousand.
        while counted() < 5000 {
            (0..500).for_each(|_| noise.shout(b"noise"));
            lan.machine(2).get_address();
        }
        let (mut seen, mut lost) = (1, 0);
        let last = lan.machine(3).get_address();
        loop {
            let line = slow.hear().unwrap();
            let event = &line["event"];
            seen += u64::from(event["heard"] == "unreadable");
            lost += line["lagged"].as_u64().unwrap_or(0);
            if event["outcome"] == "ACK" && event["ip"] == last.address().to_string() {
                break;
            }
        }
        assert!(lost > 0 && seen > 100, "{seen} seen, {lost} lost");
        assert!(seen + lost >= 5000, "{seen} seen, {lost} lost");
        pxed.stop();
    });
}
