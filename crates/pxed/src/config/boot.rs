//! What there is to boot: kernel and initrds, or a script, or somebody else's boot file.

use std::io;
use std::path::{Path, PathBuf};

use pxed_proto::boot::is_url;
use pxed_proto::catalog::Profile;
use pxed_proto::dhcp::Subnet;
use pxed_proto::ipxe::{BadArguments, check_arguments};

use super::UsageError;
use super::values::boot_file;
use crate::cli::ServeArgs;
use crate::script::check_template;

/// What the profile that the flags describe is called.
pub const DEFAULT_PROFILE: &str = "default";

/// A served name, and the file behind it.
pub type NamedFile = (String, PathBuf);

/// The profile that the flags describe, and the files that it names; `None` if they do not.
pub fn profile(
    args: &ServeArgs,
    subnets: &[Subnet],
) -> Result<Option<(Profile, Vec<NamedFile>)>, UsageError> {
    check_boot_file(args)?;
    check_directory(args)?;
    Ok(match (&args.kernel, &args.script) {
        (Some(kernel), _) => Some(linux(args, kernel)?),
        (None, Some(script)) => {
            let file = named("--script", script, &[])?;
            Some((Profile::Script(file.0.clone()), vec![file]))
        }
        (None, None) => args.bootfile.as_ref().map(|_| (chained(args, subnets), vec![])),
    })
}

fn linux(args: &ServeArgs, kernel: &Path) -> Result<(Profile, Vec<NamedFile>), UsageError> {
    let arguments = args.append.clone().unwrap_or_default();
    check_append(&arguments)?;
    let mut files = vec![named("--kernel", kernel, &[])?];
    for initrd in &args.initrds {
        let file = named("--initrd", initrd, &files)?;
        files.push(file);
    }
    let mut names = files.iter().map(|(name, _)| name.clone());
    let kernel = names.next().unwrap_or_default();
    Ok((Profile::Linux { kernel, initrds: names.collect(), arguments }, files))
}

/// iPXE, told of no kernel and no script, goes on to the operator's boot file, unless that is iPXE
/// itself: it would come back here for ever.
fn chained(args: &ServeArgs, subnets: &[Subnet]) -> Profile {
    let Some(file) = &args.bootfile else { return Profile::Nothing };
    let base = file.rsplit('/').next().unwrap_or(file);
    if ["ipxe", "undionly", "snponly"].iter().any(|loader| base.starts_with(loader)) {
        return Profile::Nothing;
    }
    if is_url(file) {
        return Profile::Program(file.clone());
    }
    let own = subnets.first().map(|subnet| subnet.services.tftp);
    match args.tftp_server.or(own) {
        Some(server) => {
            Profile::Program(format!("tftp://{server}/{}", file.trim_start_matches('/')))
        }
        None => Profile::Nothing,
    }
}

/// The name that a file is served under: its own, as far as an iPXE script can carry it, and
/// unlike those of `others`.
fn named(flag: &str, path: &Path, others: &[NamedFile]) -> Result<NamedFile, UsageError> {
    if let Err(problem) = check_file(path) {
        let flag = format!("{flag} {}", path.display());
        return Err(UsageError::new(flag, problem, "Name a file that is there."));
    }
    let name = served_name("profile", path, others);
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Ok((name, path))
}

/// A name beneath `prefix` for a file: its own, as far as an iPXE script can carry it, and unlike
/// those of `others`.
pub fn served_name(prefix: &str, path: &Path, others: &[NamedFile]) -> String {
    let base = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
    let base: String = base.chars().map(|c| if legal(c) { c } else { '_' }).collect();
    let taken = |name: &str| others.iter().any(|(other, _)| other == name);
    let mut name = format!("{prefix}/{base}");
    let mut others_of_the_name = 1..;
    while taken(&name)
        && let Some(number) = others_of_the_name.next()
    {
        name = format!("{prefix}/{number}-{base}");
    }
    name
}

/// Can it be served? What the system says if not.
pub fn check_file(path: &Path) -> Result<(), String> {
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(_) => Err("it is not a file".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err("there is no such file".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

fn check_append(arguments: &str) -> Result<(), UsageError> {
    let remedy = "Leave it out, or write a --script of your own.";
    if let Err(problem) = check_template(arguments) {
        return Err(UsageError::new("--append", problem, remedy));
    }
    match unusable(arguments) {
        None => Ok(()),
        Some(problem) => Err(UsageError::new("--append", problem, remedy)),
    }
}

/// Why a script can not carry these kernel arguments, if it can not.
pub fn unusable(arguments: &str) -> Option<String> {
    match check_arguments(arguments) {
        Ok(()) => None,
        Err(BadArguments::ControlCharacter) => Some("it has a control character in it".to_owned()),
        Err(BadArguments::Word(word)) => {
            Some(format!("iPXE would take the word {word} for itself"))
        }
    }
}

fn check_boot_file(args: &ServeArgs) -> Result<(), UsageError> {
    let Some(file) = &args.bootfile else { return Ok(()) };
    boot_file(file).map(drop).map_err(|mistake| {
        let said = format!("--bootfile {}", file.escape_debug());
        UsageError::new(said, mistake, "Give the file a shorter or plainer name.")
    })
}

fn check_directory(args: &ServeArgs) -> Result<(), UsageError> {
    match &args.boot_dir {
        Some(dir) if !dir.is_dir() => Err(UsageError::new(
            format!("--boot-dir {}", dir.display()),
            "there is no such directory",
            "Create it, or name one that is there.",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_name_are_served_under_several() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for (path, expected) in [
            ("a/initrd", "profile/initrd"),
            ("a/2-initrd", "profile/2-initrd"),
            ("b/initrd", "profile/1-initrd"),
            ("c/initrd", "profile/3-initrd"),
            ("c/my initrd\u{e4}", "profile/my_initrd_"),
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            let file = named("--initrd", &path, &files).unwrap();
            assert_eq!(file.0, expected);
            files.push(file);
        }
        let error = named("--kernel", dir.path(), &files).unwrap_err().to_string();
        assert!(error.contains("it is not a file"), "{error}");
    }
}
