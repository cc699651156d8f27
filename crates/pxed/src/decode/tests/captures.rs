//! Real firmware and clients, captured in the lab: what is told of them is beside each capture.

use std::fs;

use super::*;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../pxed-proto/testdata/captures");

/// `UPDATE_CAPTURES=1` writes the texts anew: read the difference before you commit it.
#[test]
fn captures_of_the_lab_are_told_as_before() {
    let mut seen = 0;
    for entry in fs::read_dir(FOLDER).unwrap() {
        let pcap = entry.unwrap().path();
        if pcap.extension().is_none_or(|extension| extension != "pcap") {
            continue;
        }
        let (name, text) =
            (pcap.file_name().unwrap().to_str().unwrap(), pcap.with_extension("txt"));
        let mut told = Vec::new();
        let args = DecodeArgs { full: true, ..args() };
        tell(&*fs::read(&pcap).unwrap(), name, &args, &mut told).unwrap();
        if std::env::var_os("UPDATE_CAPTURES").is_some() {
            fs::write(&text, &told).unwrap();
        }
        let told = String::from_utf8(told).unwrap();
        assert_eq!(told, fs::read_to_string(&text).unwrap(), "{name}");
        seen += 1;
    }
    assert!(seen >= 10, "{seen} captures");
}
