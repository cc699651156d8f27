//! docs/boot-flow.md shows a conversation as the simulator has it.

use std::path::Path;

#[test]
fn the_boot_flow_shows_the_transcript_of_today() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| {
        let path = crate_dir.join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let page = read("../../docs/boot-flow.md");
    let transcript = read("tests/transcripts/uefi_pxe.txt");
    assert!(
        page.contains(transcript.trim_end()),
        "the conversation in docs/boot-flow.md is old: put tests/transcripts/uefi_pxe.txt there"
    );
}
