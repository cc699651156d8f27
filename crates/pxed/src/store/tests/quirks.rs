//! What was learned of machines comes back, and is worth no trouble.

use pxed_proto::dhcp::{Form, Learned, Quirk, Signature, Works};
use pxed_proto::limits;
use pxed_proto::machine::Architecture;

use super::*;

/// Something to write.
pub fn anything() -> Vec<Learned> {
    vec![Learned::Forgotten(lease(1, 1).hardware, Arc::new(Signature::default()))]
}

fn follows(host: u8, form: &str) -> Quirk {
    let signature = Signature {
        vendor_class: "PXEClient:Arch:00007:UNDI".to_owned(),
        architecture: Some(Architecture::UEFI_X64),
        parameters: vec![1, 2, 3, 60, 255],
    };
    let since = Timestamp::from_millis(1_700_000_000_000 + u64::from(host));
    let works = Works { form: Form::by_name(form).unwrap(), times: 3, since, last: since };
    let hardware = Mac([0x52, 0x54, 0, 0, 0, host]).into();
    Quirk { hardware, signature: Arc::new(signature), works }
}

#[test]
fn what_was_learned_comes_back_as_it_was_last() {
    let bed = Bed::new();
    let mut running = bed.start();
    let mut other = follows(2, "direct");
    other.signature = Arc::new(Signature::default());
    let again = follows(1, "redirect");
    let learned = [follows(1, "menu"), other.clone(), follows(3, "binl"), again.clone()];
    running.writer.remember(learned.map(Learned::Works).to_vec());
    let gone = follows(3, "binl");
    running.writer.remember(vec![Learned::Forgotten(gone.hardware, gone.signature)]);
    // Leases are as durable beside it.
    assert!(written(&running.write(vec![commit(1, &lease(1, 1))])));
    running.stop();
    assert_eq!(bed.open().load(drop).unwrap().quirks, [again, other]);
    assert_eq!(bed.leases(), [lease(1, 1)]);
}

#[test]
fn what_was_learned_and_can_not_be_read_stops_no_start() {
    for (column, value) in [
        ("hardware", "'the printer'"),
        ("form", "'of tomorrow'"),
        ("architecture", "70000"),
        ("parameters", "'1 2 x'"),
    ] {
        let bed = Bed::new();
        let running = bed.start();
        let learned = [follows(1, "menu"), follows(2, "menu")].map(Learned::Works);
        running.writer.remember(learned.to_vec());
        running.stop();
        bed.sql(&format!("UPDATE quirks SET {column} = {value} WHERE since = 1700000000001"));
        let loaded = bed.open().load(drop).unwrap();
        assert_eq!((loaded.quirks, loaded.unreadable_quirks), (vec![follows(2, "menu")], 1));
    }
}

#[test]
fn no_more_is_kept_of_machines_than_has_room() {
    let bed = Bed::new();
    drop(bed.open());
    let max = limits::QUIRK_MACHINES_MAX;
    bed.sql(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {max})
         INSERT INTO quirks SELECT printf('52:54:00:00:%02x:%02x', i / 256, i % 256), '', -1, '',
                                   'direct', 1, i, i FROM n"
    ));
    let quirks = bed.open().load(drop).unwrap().quirks;
    assert_eq!((quirks.len(), quirks[0].works.last.as_millis()), (max, 1), "the oldest is gone");
}
