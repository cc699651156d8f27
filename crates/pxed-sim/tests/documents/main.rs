//! Documents that are written from the code, or show what it does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

use std::path::{Path, PathBuf};

mod conformance;
mod firmware;

#[test]
fn the_boot_flow_shows_the_transcript_of_today() {
    let page = read(&root().join("docs/boot-flow.md"));
    let transcript = read(&root().join("crates/pxed-sim/tests/transcripts/uefi_pxe.txt"));
    assert!(
        page.contains(transcript.trim_end()),
        "the conversation in docs/boot-flow.md is old: put tests/transcripts/uefi_pxe.txt there"
    );
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
