//! `[profile.NAME]`: ways to boot, and the files that they name.

use std::collections::BTreeMap;

use pxed_proto::boot::is_url;
use pxed_proto::catalog::Profile;

use super::document::{At, Table};
use super::report::Problem;
use super::schema::PROFILE;
use crate::config::boot::{NamedFile, check_file, served_name, unusable};
use crate::script::check_template;

/// The longest name of a profile: it stands in the script's URL, which has to fit a DHCP option.
const NAME_MAX: usize = 32;

/// All profiles by name, and the files behind the names that they use.
pub fn profiles(top: &Table<'_>) -> (BTreeMap<String, Profile>, Vec<NamedFile>) {
    let (mut profiles, mut files) = (BTreeMap::new(), Vec::new());
    for (At { value: name, span }, table) in top.named_tables("profile", &PROFILE) {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(legal) {
            let text = format!("a profile's name has 1 to {NAME_MAX} letters, digits, - and _");
            top.problem(Problem::error(span, text));
        }
        // One with a mistake is there as well: who names it has made none.
        let profile = profile(&name, &table, &mut files).unwrap_or_default();
        profiles.insert(name, profile);
    }
    (profiles, files)
}

fn profile(name: &str, table: &Table<'_>, files: &mut Vec<NamedFile>) -> Option<Profile> {
    let kinds = ["kernel", "script", "program", "image"];
    if kinds.iter().filter(|kind| table.has(kind)).count() != 1 {
        let text = "a profile has one of kernel, script, program and image";
        table.problem(Problem::error(table.span(), text));
        return None;
    }
    for needs_kernel in ["initrd", "append"] {
        if table.has(needs_kernel) && !table.has("kernel") {
            let text = format!("{needs_kernel} goes with a kernel");
            table.problem(Problem::error(table.span(), text));
        }
    }
    if table.has("program") {
        let url = table.parsed("program", |text| match text {
            text if !is_url(text) => {
                Err("write its URL: http://192.168.77.1/grubx64.efi".to_owned())
            }
            text if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(text.to_owned()),
            _ => Err("a URL has no spaces and only ASCII characters in it".to_owned()),
        });
        return url.map(|url| Profile::Program(url.value));
    }
    if let Some(script) = table.text("script") {
        check_script(table, &script);
        return file(name, table, &script, files).map(Profile::Script);
    }
    if let Some(path) = table.text("image") {
        return image(name, table, &path, files);
    }
    let kernel = file(name, table, &table.text("kernel")?, files)?;
    let initrds = table.list("initrd", |path| Ok(path.to_owned()));
    let initrds = initrds.iter().filter_map(|initrd| file(name, table, initrd, files)).collect();
    let arguments = table.parsed("append", |text| {
        check_template(text)?;
        unusable(text).map_or_else(|| Ok(text.to_owned()), Err)
    });
    let arguments = arguments.map(|at| at.value).unwrap_or_default();
    Some(Profile::Linux { kernel, initrds, arguments })
}

/// The longest name of an image: with the profile's it stands in a URL, which has to fit a DHCP option.
const IMAGE_NAME_MAX: usize = 128;

/// An image is what its name says it is: by that pxed tells firmware, which goes by nothing else.
fn image(
    profile: &str,
    table: &Table<'_>,
    path: &At<String>,
    files: &mut Vec<NamedFile>,
) -> Option<Profile> {
    let name = path.value.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let mistake = match ending.as_str() {
        "iso" | "img" if name.len() <= IMAGE_NAME_MAX => None,
        "iso" | "img" => Some(format!("an image's name has up to {IMAGE_NAME_MAX} characters")),
        _ => Some("an image's name ends with .iso or .img: firmware goes by that".to_owned()),
    };
    if let Some(text) = mistake {
        table.problem(Problem::error(path.span.clone(), text));
        return None;
    }
    file(profile, table, path, files).map(|name| Profile::Image(name.into()))
}

/// A script is read anew for every machine, so that one with a mistake can still be mended.
fn check_script(table: &Table<'_>, path: &At<String>) {
    let Ok(text) = std::fs::read_to_string(table.path(&path.value)) else { return };
    if !text.starts_with("#!ipxe") {
        let text = format!("{} does not begin with #!ipxe: iPXE will not run it", path.value);
        table.problem(Problem::warning(path.span.clone(), text));
    }
    if let Err(problem) = check_template(&text) {
        let text = format!("{}: {problem}", path.value);
        table.problem(Problem::warning(path.span.clone(), text));
    }
}

/// The served name of a profile's file.
fn file(
    profile: &str,
    table: &Table<'_>,
    path: &At<String>,
    files: &mut Vec<NamedFile>,
) -> Option<String> {
    let given = table.path(&path.value);
    if let Err(problem) = check_file(&given) {
        let text = format!("{}: {problem}", given.display());
        table.problem(Problem::error(path.span.clone(), text));
        return None;
    }
    let name = served_name(&format!("profile/{profile}"), &given, files);
    files.push((name.clone(), given));
    Some(name)
}
