//! The configuration file.
//!
//! [`document`] reads TOML against the [`schema`], [`report`] shows what is wrong; the others turn
//! tables into what the DHCP server and the catalog are made of. All mistakes are found in one run.

mod apart;
mod document;
mod profiles;
pub mod reference;
mod report;
mod rules;
pub mod schema;
mod settings;
mod subnets;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pxed_proto::boot::is_url;
use pxed_proto::catalog::Catalog;
use pxed_proto::dhcp::{self, LeaseTime, Policy, Reservations, Test};
use toml::de::DeTable;

use super::values::duration;
use super::{Config, Loaders, Service};
use crate::cli::LogFormat;
use crate::config::network::{DEFAULT_LEASE_TIME, link};
use crate::net::{Interface, InterfaceError};
use crate::privileges;
use document::{At, Table};
use report::Problem;
use rules::Ruled;
use settings::{Guard, Said};
use subnets::{Site, Wanted};

/// What came of a file.
pub struct Read {
    /// What it comes to; `None` if it has an error.
    pub config: Option<Config>,
    /// What is wrong with it, and what probably is.
    problems: Vec<Problem>,
    source: String,
    path: PathBuf,
}

impl Read {
    /// How many errors and warnings there are.
    pub fn counts(&self) -> (usize, usize) {
        let errors = self.problems.iter().filter(|problem| problem.is_error).count();
        (errors, self.problems.len() - errors)
    }

    /// Errors and warnings, with line, column and caret.
    pub fn report(&self, styled: bool) -> String {
        report::render(&self.problems, &self.path.display().to_string(), &self.source, styled)
    }
}

/// Reads a file.
///
/// # Errors
///
/// The file can not be read at all.
pub fn read(path: &Path) -> std::io::Result<Read> {
    Ok(parse(path, std::fs::read_to_string(path)?))
}

/// Reads a file whose text is known already.
pub fn parse(path: &Path, source: String) -> Read {
    read_text(path, source, &Interface::find)
}

/// The same of a text, with interfaces as `find` knows them.
fn read_text(
    path: &Path,
    source: String,
    find: &dyn Fn(&str) -> Result<Interface, InterfaceError>,
) -> Read {
    let (document, errors) = DeTable::parse_recoverable(&source);
    let syntax = |error: &toml::de::Error| {
        let span = error.span().unwrap_or_default();
        Problem::error(span, error.message().to_owned())
    };
    let problems = RefCell::new(errors.iter().map(syntax).collect::<Vec<_>>());
    let top = Table::new(&schema::TOP, document.get_ref(), 0..0, &problems);
    let config = build(&top, find);
    let problems = problems.into_inner();
    let has_error = problems.iter().any(|problem| problem.is_error);
    let config = config.filter(|_| !has_error);
    let config = config.map(|config| Config { source: source.clone(), ..config });
    Read { config, problems, source, path: path.to_owned() }
}

fn build(
    top: &Table<'_>,
    find: &dyn Fn(&str) -> Result<Interface, InterfaceError>,
) -> Option<Config> {
    let service = service(top);
    let said = settings::settings(top);
    let lease_time = settings::lease_times(top, LeaseTime::of(DEFAULT_LEASE_TIME));
    let guard = settings::guard(top, Guard::default());
    let site = Site { find, http_port: service.http_port, lease_time, guard };
    let (wanted, interfaces) = subnets::subnets(top, &site);
    let groups = rules::groups(top);
    let names: Vec<String> = groups.iter().map(|group| group.rule.name.clone()).collect();
    let classes = rules::classes(top, &names);
    let switches = wanted.iter().any(|wanted| wanted.subnet.trusts_option_82);
    let reservations = rules::reservations(top, &names, switches);
    let (profiles, profile_files) = profiles::profiles(top);
    let loaders = Loaders::find(service.boot_dir.as_deref());
    let catalog = Catalog {
        loaders: loaders.loaders(),
        profiles,
        default_profile: said.settings.profile.clone(),
    };
    let layers = wanted.iter().map(|wanted| &wanted.said).chain([&said]);
    let layers = layers.chain(groups.iter().map(|ruled| &ruled.said));
    let layers = layers.chain(classes.iter().map(|ruled| &ruled.said));
    let layers: Vec<&Said> = layers.chain(reservations.iter().map(|ruled| &ruled.said)).collect();
    layers.iter().for_each(|said| check_profile(top, said, &catalog));
    check_files(top, &layers, &loaders, service.boot_dir.as_deref());
    check_classes(top, &wanted, &classes, &catalog);
    check_reservations(top, &reservations, &wanted, &interfaces);
    if wanted.is_empty() && !top.has("subnet") {
        let text = "there is no [[subnet]], so nothing would be served";
        let problem = Problem { span: None, ..Problem::error(0..0, text) };
        top.problem(
            problem.help("write [[subnet]], and below it interface = \"eth1\" and a range"),
        );
    }
    let policy = Policy {
        everywhere: said.settings,
        classes: classes.into_iter().map(|ruled| ruled.rule).collect(),
        groups: groups.into_iter().map(|ruled| ruled.rule).collect(),
        reservations: Reservations::new(reservations.into_iter().map(|ruled| ruled.rule).collect()),
    };
    let dhcp = dhcp::Config {
        links: interfaces.iter().map(link).collect(),
        subnets: wanted.into_iter().map(|wanted| wanted.subnet).collect(),
        policy,
        catalog: Arc::new(catalog),
    };
    let named_files = loaders.named_files().chain(profile_files).collect();
    let (dhcp, source) = (Arc::new(dhcp), String::new());
    Some(Config { interfaces, dhcp, loaders, named_files, service, source })
}

/// What the program itself needs.
fn service(top: &Table<'_>) -> Service {
    let default = Service::default();
    let path = |text: &str| Ok(PathBuf::from(text));
    let boot_dir = top.parsed("boot-dir", |text| match Path::new(text) {
        dir if dir.is_dir() => Ok(dir.to_owned()),
        _ => Err("there is no such directory".to_owned()),
    });
    let port = top.integer("http-port", 1..0x1_0000).and_then(|at| u16::try_from(at.value).ok());
    let log_format = top.parsed("log-format", |text| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("write text or json".to_owned()),
    });
    Service {
        state_dir: top.parsed("state-dir", path).map_or(default.state_dir, |at| at.value),
        user: user(top),
        http_port: port.unwrap_or(default.http_port),
        boot_dir: boot_dir.map(|at| at.value),
        status_interval: top
            .parsed("status-interval", duration)
            .map_or(default.status_interval, |at| at.value),
        log_format: log_format.map_or(default.log_format, |at| at.value),
        verbose: top.boolean("verbose").is_some_and(|at| at.value),
        watch_config: top.boolean("watch-config").is_some_and(|at| at.value),
    }
}

/// Whom to become. The file may be for another machine: that this one lacks the user is no error.
fn user(top: &Table<'_>) -> Option<String> {
    let At { value, span } = top.text("user")?;
    if let Ok(None) = privileges::find_user(&value) {
        let problem = Problem::warning(span, format!("there is no such user {value} here"));
        top.problem(problem.help(format!("create it: adduser --system {value}")));
    }
    Some(value)
}

fn check_profile(top: &Table<'_>, said: &Said, catalog: &Catalog) {
    let Some(At { value: name, span }) = &said.profile else { return };
    if !catalog.profiles.contains_key(name) {
        let problem = Problem::error(span.clone(), format!("there is no profile {name}"));
        let nearest = schema::nearest(name, catalog.profiles.keys().map(String::as_str));
        top.problem(match nearest {
            Some(nearest) => problem.help(format!("did you mean {nearest}?")),
            None => problem.help(format!("add [profile.{name}]")),
        });
    }
}

/// What firmware is to load is there, unless it loads that elsewhere.
fn check_files(top: &Table<'_>, layers: &[&Said], loaders: &Loaders, boot_dir: Option<&Path>) {
    if layers.iter().any(|said| said.settings.tftp_server.is_some()) {
        return;
    }
    for At { value: file, span } in layers.iter().flat_map(|said| &said.files) {
        let name = file.trim_start_matches('/');
        let here = boot_dir.is_some_and(|dir| dir.join(name).is_file());
        if !here && !is_url(file) && !loaders.named_files().any(|(known, _)| known == name) {
            let problem = Problem::warning(span.clone(), format!("there is no file {file}"));
            top.problem(problem.help("put it into boot-dir, or name its tftp-server"));
        }
    }
}

/// Pools name classes that exist; classes are for machines that can boot.
fn check_classes(
    top: &Table<'_>,
    wanted: &[Wanted],
    classes: &[Ruled<dhcp::Class>],
    catalog: &Catalog,
) {
    let mut names = BTreeSet::new();
    for class in classes {
        if !names.insert(class.rule.name.as_str()) {
            let text = format!("there are two classes {}", class.rule.name);
            top.problem(Problem::error(class.at.clone(), text));
        }
        let Test::Architecture(known) = &class.rule.test else { continue };
        let can_boot = known.iter().any(|arch| {
            catalog.loader(*arch).is_some() || class.rule.settings.loaders.contains_key(arch)
        });
        if !can_boot && class.rule.settings.boot_file.is_none() {
            let text =
                format!("there is no loader for the architecture of class {}", class.rule.name);
            let problem = Problem::warning(class.at.clone(), text);
            top.problem(problem.help("put one into boot-dir, and name it by loader = { ... }"));
        }
    }
    for At { value, span } in wanted.iter().flat_map(|wanted| &wanted.classes) {
        if !names.contains(value.as_str()) {
            top.problem(Problem::error(span.clone(), format!("there is no class {value}")));
        }
    }
}

/// A reserved address is of a subnet, nobody else's, and not the server's.
fn check_reservations(
    top: &Table<'_>,
    reservations: &[Ruled<dhcp::Reservation>],
    wanted: &[Wanted],
    interfaces: &[Interface],
) {
    let own =
        |address| interfaces.iter().any(|i| i.addresses.iter().any(|(own, _)| *own == address));
    for (index, Ruled { rule, at, .. }) in reservations.iter().enumerate() {
        for earlier in reservations.iter().take(index) {
            let shared = rule.keys.iter().any(|key| earlier.rule.keys.contains(key));
            let same = rule.address.is_some() && rule.address == earlier.rule.address;
            if shared || same {
                let what = if same { "this address" } else { "this machine" };
                let text = format!("{what} is reserved twice");
                let problem = Problem::error(at.clone(), text);
                top.problem(problem.see(earlier.at.clone(), "the first time"));
            }
        }
        let Some(address) = rule.address else { continue };
        if own(address) {
            let text = format!("{address} is this server's own address");
            top.problem(Problem::error(at.clone(), text));
        } else if !wanted.iter().any(|wanted| wanted.subnet.net.contains_host(address)) {
            let text = format!("{address} is in no subnet");
            top.problem(Problem::error(at.clone(), text));
        }
    }
    for wanted in wanted {
        for pool in &wanted.subnet.pools {
            let inside = reservations.iter().filter_map(|ruled| ruled.rule.address);
            let inside = inside.filter(|address| pool.range.contains(*address)).count();
            if u64::try_from(inside).is_ok_and(|inside| inside >= pool.range.count()) {
                let text = format!("every address of {} is reserved", pool.range);
                top.problem(Problem::warning(wanted.place_of(pool), text));
            }
        }
    }
}
