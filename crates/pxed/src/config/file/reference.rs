//! config.example.toml and docs/configuration.md, written from the schema.

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
        let alternative = section.path == PROFILE.path && matches!(name, "script" | "program");
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
    let mut text = String::from(
        "# The configuration file\n\n\
         `pxed serve --config FILE` reads it, `pxed check FILE` says what is wrong with it or what it\n\
         comes to. It is TOML; durations are written `90s`, `5m`, `1h`, `2d`. Paths that do not begin\n\
         with / begin in the directory of the file. This page is generated from the same table as the\n\
         parser's own messages.\n\n\
         What a client is given is said in layers, and the last one that says something wins: the top\n\
         of the file, its subnet, its classes (a later one over an earlier one), its groups (likewise),\n\
         its reservation. A flag of `pxed serve` wins over all of them (`--router` in the subnets that\n\
         the router is in). A machine has one reservation: the one of its MAC, else of its client\n\
         identifier, its UUID, its circuit ID, its remote ID.\n",
    );
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
    text
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
