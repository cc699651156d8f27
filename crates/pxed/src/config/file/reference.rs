//! config.example.toml and docs/configuration.md, written from the schema.

mod chapters;

use std::fmt::Write;

use super::schema::{
    CLASS, GROUP, Key, POOL, PROFILE, RESERVATION, SECTIONS, SUBNET, Section, TOP,
};

/// A file with every key. Those that stand for themselves are live; `#: ` is before those that say
/// another thing than the default.
pub fn example() -> String {
    let mut text = String::from(
        "# pxed.toml: every key, with its default and what it does. Take the #: away from those that\n\
         # you want to say. `pxed check FILE` tells what a file comes to, or what is wrong with it.\n",
    );
    keys(&mut text, &TOP);
    for section in [&SUBNET, &POOL, &CLASS, &GROUP, &RESERVATION, &PROFILE] {
        let header = section.path.replace("NAME", "debian");
        let _ = write!(text, "\n# {}\n#: {header}\n", wrapped(section.doc, "# "));
        keys(&mut text, section);
    }
    text
}

fn keys(text: &mut String, section: &Section) {
    for key in section.keys().filter(|key| !key.example.is_empty()) {
        let doc = wrapped(&documented(key), "# ");
        let (name, example) = (key.name, example_of(section, key));
        let alternative =
            section.path == PROFILE.path && matches!(name, "script" | "program" | "image");
        let mark = if alternative { "# or" } else { "#:" };
        let _ = write!(text, "\n# {doc}\n{mark} {name} = {example}\n");
    }
}

/// The examples of a section have to go together.
fn example_of(section: &Section, key: &Key) -> &'static str {
    match (section.path, key.name) {
        ("[[class]]", "match") => "{ arch = \"uefi-arm64\" }",
        _ => key.example,
    }
}

fn documented(key: &Key) -> String {
    match key.default {
        "" => key.doc.to_owned(),
        default => format!("{} Default: {default}.", key.doc),
    }
}

/// The reference page.
pub fn page() -> String {
    let mut text = String::from(chapters::BEFORE);
    let _ = write!(text, "\n```toml\n{}```\n", chapters::WORKED);
    for section in SECTIONS {
        let title = match section.path {
            "" => "The top of the file".to_owned(),
            path => format!("`{path}`"),
        };
        let _ = write!(text, "\n## {title}\n\n{}\n\n", wrapped(section.doc, ""));
        text.push_str("| key | default | what it does | example |\n|---|---|---|---|\n");
        for key in section.keys() {
            let Key { name, example, default, doc } = key;
            let example = if example.is_empty() { String::new() } else { format!("`{example}`") };
            let _ = writeln!(
                text,
                "| `{name}` | {default} | {doc} | {} |",
                example.replace('|', "\\|")
            );
        }
    }
    text + &chapters::after()
}

/// Lines of at most 98 characters, each but the first with `prefix`.
fn wrapped(text: &str, prefix: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { continue };
        if !line.is_empty() && line.len() + word.len() + 1 > 98 - prefix.len() {
            lines.push(word.to_owned());
        } else {
            let space = if line.is_empty() { "" } else { " " };
            let _ = write!(line, "{space}{word}");
        }
    }
    lines.join(&format!("\n{prefix}"))
}
