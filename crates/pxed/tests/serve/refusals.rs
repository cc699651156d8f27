//! When pxed does not start: exit code 1, the cause and the remedy.

use crate::lan::{self, Lan, RANGE};
use crate::process::Pxed;

fn story(test: &str, body: impl FnOnce(&Lan)) {
    lan::story(module_path!(), test, body);
}

/// It must end with exit code 1, and say each of `words`.
fn refuses(pxed: Pxed, words: &[&str]) {
    let (code, log) = pxed.end();
    assert_eq!(code, Some(1), "{log}");
    for word in words {
        assert!(log.contains(word), "no {word} in\n{log}");
    }
    assert!(!log.contains("INFO ready"), "{log}");
}

#[test]
fn a_second_pxed_on_an_interface_names_the_first() {
    story("a_second_pxed_on_an_interface_names_the_first", |lan| {
        let first = lan.pxed("");
        let elsewhere = lan.path().join("elsewhere");
        let flags =
            format!("-i srv --mode full --range {RANGE} --state-dir {}", elsewhere.display());
        let named = format!("already served by pxed (pid {})", first.pid());
        refuses(lan.start(&flags), &["port 67 on srv", &named, "stop it"]);
        lan.machine(1).get_address();
        first.stop();
    });
}

#[test]
fn a_second_pxed_on_the_same_leases_names_the_first() {
    story("a_second_pxed_on_the_same_leases_names_the_first", |lan| {
        lan.second_network();
        let first = lan.pxed("");
        let second = lan.start("-i srv2 --mode full --range 192.168.88.10-192.168.88.20");
        let named = format!("another pxed (process {}) has the leases in", first.pid());
        refuses(second, &[&named, "--state-dir"]);
        lan.machine(1).get_address();
        first.stop();
    });
}

#[test]
fn without_capabilities_it_says_which_and_how() {
    story("without_capabilities_it_says_which_and_how", |lan| {
        let powerless = ["setpriv", "--bounding-set", "-net_raw,-net_bind_service"];
        let pxed = Pxed::start(lan, &powerless, &format!("-i srv --mode full --range {RANGE}"));
        let setcap = "setcap cap_net_raw,cap_net_bind_service=ep";
        refuses(pxed, &["permission denied", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE", setcap]);
    });
}

#[test]
fn a_state_directory_that_can_not_be_had() {
    story("a_state_directory_that_can_not_be_had", |lan| {
        let file = lan.file("file", "");
        let (dir, file) = (lan.path().display(), file.display());
        for (state_dir, problem) in [
            (format!("{dir}/missing/state"), "/missing/state: No such file or directory"),
            (format!("{file}"), "Not a directory"),
        ] {
            let pxed =
                lan.start(&format!("-i srv --mode full --range {RANGE} --state-dir {state_dir}"));
            refuses(pxed, &[problem, "give --state-dir"]);
        }
    });
}
