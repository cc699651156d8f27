//! The configuration file.
//!
//! [`document`] reads TOML against the [`schema`], [`report`] shows what is wrong; the others turn
//! tables into what the DHCP server and the catalog are made of. All mistakes are found in one run.

mod across;
mod apart;
mod document;
mod https;
mod misspelt;
mod plausible;
mod profiles;
mod proxy;
mod quirks;
pub mod reference;
mod report;
mod rules;
pub mod schema;
pub mod settings;
mod subnets;
mod syntax;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pxed_proto::catalog::Catalog;
use pxed_proto::dhcp::{self, LeaseTime, Policy, Reservations};
use toml::de::DeTable;

use super::values::duration;
use super::{Config, Loaders, Service};
use crate::config::network::{self, DEFAULT_LEASE_TIME, host_name, link};
use crate::log::LogFormat;
use crate::net::{Interface, InterfaceError, ServerPort};
use crate::privileges;
use document::{At, Notes, Table};
use report::Problem;
use settings::{Guard, Said};
use subnets::Site;

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
    let problems = syntax::problems(&errors, &source);
    let directory = std::path::absolute(path).unwrap_or_default();
    let directory = directory.parent().map(Path::to_owned).unwrap_or_default();
    let notes = Notes { problems: RefCell::new(problems), directory };
    // What is left of a document with a mistake in its form means something else.
    let config = errors
        .is_empty()
        .then(|| build(&Table::new(&schema::TOP, document.get_ref(), 0..0, &notes), find));
    let problems = notes.problems.into_inner();
    let has_error = problems.iter().any(|problem| problem.is_error);
    let config = config.filter(|_| !has_error);
    let config = config.map(|config| Config { source: source.clone(), ..config });
    Read { config, problems, source, path: path.to_owned() }
}

fn build(top: &Table<'_>, find: &dyn Fn(&str) -> Result<Interface, InterfaceError>) -> Config {
    let service = service(top);
    let said = settings::settings(top);
    let lease_time = settings::lease_times(top, LeaseTime::of(DEFAULT_LEASE_TIME));
    let guard = settings::guard(top, Guard::default());
    let (http_port, https_port) =
        (service.http_port, service.https.as_ref().map(|https| https.port));
    let site = Site { find, http_port, https_port, lease_time, guard };
    let (subnets, interfaces) = subnets::subnets(top, &site);
    across::check_server_port(top, &service, &subnets);
    let wanted = &subnets.wanted;
    let groups = rules::groups(top);
    let names = top.names("group");
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
    layers.iter().for_each(|said| across::check_profile(top, said, &catalog));
    across::check_names(top, &layers, wanted);
    https::check_schemes(top, &layers, &service);
    across::check_files(top, &layers, &loaders, service.boot_dir.as_deref());
    across::check_classes(top, wanted, &classes, &catalog);
    across::check_reservations(top, &reservations, &subnets, &interfaces);
    let parts = plausible::Parts {
        top: &said,
        wanted,
        groups: &groups,
        classes: &classes,
        reservations: &reservations,
    };
    plausible::check(top, &parts);
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
        quirks: quirks::quirks(top),
    };
    let dhcp = dhcp::Config {
        links: interfaces.iter().map(link).collect(),
        subnets: subnets.wanted.into_iter().map(|wanted| wanted.subnet).collect(),
        policy,
        catalog: Arc::new(catalog),
        host_name: host_name(),
    };
    https::check_certificate(top, &service, &network::names(&dhcp));
    let named_files = loaders.named_files().chain(profile_files).collect();
    let (dhcp, source) = (Arc::new(dhcp), String::new());
    let mode_is_open = false; // a file says it, or means what its reference says
    Config { interfaces, mode_is_open, dhcp, loaders, named_files, service, source }
}

/// What the program itself needs.
fn service(top: &Table<'_>) -> Service {
    let default = Service::default();
    let boot_dir = top.parsed("boot-dir", |text| match top.path(text) {
        dir if dir.is_dir() => Ok(dir),
        dir => Err(format!("{}: there is no such directory", dir.display())),
    });
    let port = top.integer("http-port", 1..0x1_0000).and_then(|at| u16::try_from(at.value).ok());
    let log_format = top.parsed("log-format", |text| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("write text or json".to_owned()),
    });
    Service {
        state_dir: top
            .parsed("state-dir", |text| Ok(top.path(text)))
            .map_or(default.state_dir, |at| at.value),
        user: user(top),
        http_port: port.unwrap_or(default.http_port),
        https: https::https(top, port.unwrap_or(default.http_port)),
        boot_dir: boot_dir.map(|at| at.value),
        status_interval: top
            .parsed("status-interval", duration)
            .map_or(default.status_interval, |at| at.value),
        log_format: log_format.map_or(default.log_format, |at| at.value),
        verbose: top.boolean("verbose").is_some_and(|at| at.value),
        watch_config: top.boolean("watch-config").is_some_and(|at| at.value),
        server_port: match top.boolean("dhcp-no-bind").is_some_and(|at| at.value) {
            true => ServerPort::AnotherServers,
            false => ServerPort::Own,
        },
        tftp_single_port: top.boolean("tftp-single-port").is_some_and(|at| at.value),
        case_insensitive: top.boolean("case-insensitive").is_some_and(|at| at.value),
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
