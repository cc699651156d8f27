//! What clients are given: the keys that the top, subnets, classes, groups and reservations share.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::time::Duration;

use pxed_proto::boot::Scheme;
use pxed_proto::dhcp::{Form, LeaseTime, OptionSetting, ProxyForm, Rates, Settings};
use pxed_proto::limits;
use pxed_proto::machine::Architecture;
use pxed_proto::time::Human;
use pxed_proto::wire::options::{self, Value, ValueError, code};
use pxed_proto::wire::pxe;
use toml::Spanned;
use toml::de::DeValue;

use super::document::{At, Table, convert};
use super::misspelt::nearest;
use super::report::Problem;
use crate::config::values::{boot_file, conflict_probe, domain, duration, host, lease_time};

/// What one table says clients are given, and where it names profiles that must exist.
#[derive(Debug, Default)]
pub struct Said {
    /// What it says.
    pub settings: Settings,
    /// The profile that `boot` names.
    pub profile: Option<At<String>>,
    /// The files that `loader` and `bootfile` name.
    pub files: Vec<At<String>>,
    /// How URLs begin.
    pub scheme: Option<At<Scheme>>,
    /// Its options, each where its value stands.
    pub options: Vec<At<OptionSetting>>,
    /// Sub-options of option 43 that firmware has another meaning for.
    pub misread: Vec<At<u8>>,
}

/// Reads the shared keys of a table.
pub fn settings(table: &Table<'_>) -> Said {
    settings_with(table, None)
}

/// The same of a table that has a host name (option 12) too.
pub fn settings_with(table: &Table<'_>, host_name: Option<At<String>>) -> Said {
    let texts = [(code::DOMAIN_NAME, table.parsed("domain", domain)), (code::HOST_NAME, host_name)];
    let mut said = Said::default();
    for (code, name) in [(code::ROUTER, "router"), (code::DOMAIN_NAME_SERVER, "dns")] {
        let addresses: Vec<At<Ipv4Addr>> = table.list(name, host);
        if !addresses.is_empty() {
            let octets = addresses.iter().flat_map(|address| address.value.octets()).collect();
            said.add(table, setting(code, octets), table.place().of(name));
        }
    }
    for (code, text) in texts {
        if let Some(At { value, span }) = text {
            said.add(table, setting(code, value.into_bytes()), span);
        }
    }
    for (name, value) in table.entries("options") {
        let Some(new) = option(table, name, value) else { continue };
        said.misread.extend(misread(table, value, &new));
        said.add(table, new, name.span());
    }
    let profile = table.text("boot");
    let (loaders, mut files) = loaders(table);
    let boot_file = table.parsed("bootfile", boot_file);
    files.extend(boot_file.clone());
    let scheme = table.parsed("boot-scheme", scheme);
    let settings = Settings {
        options: said.options.iter().map(|at| at.value.clone()).collect(),
        profile: profile.as_ref().map(|profile| profile.value.as_str().into()),
        loaders: loaders.into_iter().map(|(arch, file)| (arch, file.into())).collect(),
        tftp_server: table.parsed("tftp-server", host).map(|at| at.value),
        boot_file: boot_file.map(|at| at.value.into()),
        scheme: scheme.as_ref().map(|at| at.value),
        proxy_form: table.parsed("proxy-form", proxy_form).map(|at| at.value),
    };
    Said { settings, profile, files, scheme, ..said }
}

/// How URLs begin.
fn scheme(name: &str) -> Result<Scheme, String> {
    match name {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        _ => Err("write http or https".to_owned()),
    }
}

/// How PXE firmware is made a proxy offer.
fn proxy_form(name: &str) -> Result<ProxyForm, String> {
    match name {
        "auto" => Ok(ProxyForm::Auto),
        name => form(name).map(ProxyForm::Told),
    }
}

/// A form of a proxy offer by its name.
pub fn form(name: &str) -> Result<&'static Form, String> {
    Form::by_name(name).ok_or_else(|| {
        let names = || Form::all().iter().map(|form| form.name);
        match nearest(name, names()) {
            Some(nearest) => format!("there is no form {name}; did you mean {nearest}?"),
            None => format!("write {}", names().collect::<Vec<_>>().join(", ")),
        }
    })
}

impl Said {
    fn add(&mut self, table: &Table<'_>, value: OptionSetting, span: Range<usize>) {
        if let Some(other) = self.options.iter().find(|other| other.value.code == value.code) {
            let text = format!("option {} is said twice in this table", value.code);
            let problem = Problem::error(span.clone(), text);
            table.problem(problem.see(other.span.clone(), "the first time"));
        }
        self.options.push(At { value, span });
    }
}

fn setting(code: u8, value: Vec<u8>) -> OptionSetting {
    OptionSetting { code, value, always: false, booting_only: false }
}

/// One entry of `options`.
fn option(
    table: &Table<'_>,
    name: &Spanned<std::borrow::Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
) -> Option<OptionSetting> {
    let word = name.get_ref().as_ref();
    let Some(number) = options::number(word) else {
        let mut problem = Problem::error(name.span(), format!("there is no DHCP option {word}"));
        if let Some(nearest) = options::nearest(word) {
            problem = problem.help(format!("did you mean {nearest}?"));
        }
        table.problem(problem);
        return None;
    };
    let (mut plain, always, booting_only) =
        (convert(value), flag(table, value, "always"), flag(table, value, "booting-only"));
    if let Value::Table(entries) = &mut plain {
        entries.retain(|(key, _)| key != "always" && key != "booting-only");
        if let [(key, inner)] = entries.as_slice()
            && key == "value"
        {
            plain = inner.clone();
        }
    }
    if always && options::definition(number).is_some_and(|known| known.only_when_asked()) {
        let text = format!("{word} must not be sent to clients that do not ask for it");
        table.problem(Problem::error(value.span(), text).help("leave always out"));
    }
    for (code, key) in [(code::TFTP_SERVER_NAME, "tftp-server"), (code::BOOT_FILE_NAME, "bootfile")]
    {
        if number == code {
            let text = format!("firmware is not told this {word}, but where its boot file is");
            let problem = Problem::warning(name.span(), text);
            table.problem(problem.help(format!("to change that, write {key} = \"...\"")));
        }
    }
    match options::encode(number, &plain) {
        Ok(value) => Some(OptionSetting { code: number, value, always, booting_only }),
        Err(error) => {
            let (span, error) = innermost(value, &error);
            table.problem(Problem::error(span, format!("{word}: {error}")));
            None
        }
    }
}

/// The place within a value that an error is about, and what is left to say of it.
fn innermost<'e>(
    value: &Spanned<DeValue<'_>>,
    error: &'e ValueError,
) -> (Range<usize>, &'e ValueError) {
    if let Some(inner) = value.get_ref().as_table().and_then(|table| table.get("value"))
        && matches!(error, ValueError::In { .. })
    {
        return innermost(inner, error);
    }
    let ValueError::In { place, error: inner } = error else { return (value.span(), error) };
    let item = place.strip_prefix("item ").and_then(|number| number.parse::<usize>().ok());
    let child = match value.get_ref() {
        DeValue::Array(items) => item.and_then(|number| items.get(number.checked_sub(1)?)),
        DeValue::Table(table) => table.get(place.as_str()),
        _ => None,
    };
    child.map_or_else(|| (value.span(), error), |child| innermost(child, inner))
}

/// Sub-options of option 43 that were written by number or as octets, and that PXE firmware will
/// read as its own. Whoever says them for firmware alone knows that.
fn misread(
    table: &Table<'_>,
    value: &Spanned<DeValue<'_>>,
    setting: &OptionSetting,
) -> Vec<At<u8>> {
    if setting.code != code::VENDOR_SPECIFIC {
        return Vec::new();
    }
    let Some(numbers) = pxe::sub_options(&setting.value) else {
        let text = "these octets are no sub-options, as which clients read option 43";
        let problem = Problem::warning(value.span(), text);
        table
            .problem(problem.help("write { 1 = \"hex:0a\" }, or number, length and value of each"));
        return Vec::new();
    };
    let own = |number: &u8| pxe::SPACE.definition(*number).is_some() && !setting.booting_only;
    let named = |number: &u8| {
        let name = pxe::SPACE.definition(*number).map(|known| known.name).unwrap_or_default();
        let table = value.get_ref().as_table();
        let inner = table.and_then(|table| table.get("value")?.get_ref().as_table());
        table.into_iter().chain(inner).any(|table| table.contains_key(name))
    };
    let numbers = numbers.into_iter().filter(own).filter(|number| !named(number));
    numbers.map(|number| At { value: number, span: value.span() }).collect()
}

fn flag(table: &Table<'_>, value: &Spanned<DeValue<'_>>, name: &str) -> bool {
    let entry = value.get_ref().as_table().and_then(|entries| entries.get(name));
    let Some(entry) = entry else { return false };
    entry.get_ref().as_bool().unwrap_or_else(|| {
        table.problem(Problem::error(entry.span(), format!("{name} is true or false")));
        false
    })
}

/// Loaders by architecture, and their files.
fn loaders(table: &Table<'_>) -> (BTreeMap<Architecture, String>, Vec<At<String>>) {
    let (mut loaders, mut files) = (BTreeMap::new(), Vec::new());
    for (name, value) in table.entries("loader") {
        let Some(file) = value.get_ref().as_str() else {
            let problem = Problem::error(value.span(), "a loader is the name of a served file");
            table.problem(problem.help("write loader = { uefi-x64 = \"snponly.efi\" }"));
            continue;
        };
        if let Err(text) = boot_file(file) {
            table.problem(Problem::error(value.span(), text));
        }
        files.push(At { value: file.to_owned(), span: value.span() });
        match architectures(name.get_ref()) {
            Ok(known) => loaders.extend(known.into_iter().map(|arch| (arch, file.to_owned()))),
            Err(text) => table.problem(Problem::error(name.span(), text)),
        }
    }
    (loaders, files)
}

/// Architectures by name: the numbers of booting by PXE and by HTTP.
pub const ARCHITECTURES: &[(&str, &[u16])] = &[
    ("bios", &[0, 20]),
    ("uefi-ia32", &[6, 15]),
    ("uefi-x64", &[7, 9, 16]),
    ("uefi-arm32", &[10, 18]),
    ("uefi-arm64", &[11, 19]),
    ("uefi-riscv64", &[27, 28]),
    ("uefi-loongarch64", &[39, 40]),
];

/// The numbers that an architecture's name stands for, or the number itself.
pub fn architectures(name: &str) -> Result<Vec<Architecture>, String> {
    if let Some((_, numbers)) = ARCHITECTURES.iter().find(|(known, _)| *known == name) {
        return Ok(numbers.iter().map(|number| Architecture(*number)).collect());
    }
    let names = || ARCHITECTURES.iter().map(|(known, _)| *known);
    name.parse().map(|number| vec![Architecture(number)]).map_err(|_| {
        let part = names().find(|known| known.ends_with(&format!("-{name}")));
        match part.or_else(|| nearest(name, names())) {
            Some(nearest) => format!("there is no architecture {name}; did you mean {nearest}?"),
            None => format!(
                "write {}, or a number of option 93",
                names().collect::<Vec<_>>().join(", ")
            ),
        }
    })
}

/// A rate that is as good as none.
const RATE_MAX: i64 = 1_000_000;

/// What a table of leases holds at the most.
const OFFERS_MAX: i64 = limits::OFFERS_MAX as i64;

/// What guards a network: what a table leaves open holds as it is `above`.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// How long an address probe waits, if there is one.
    pub conflict_probe: Option<Duration>,
    /// How much of the service one source may have.
    pub rates: Rates,
}

impl Default for Guard {
    fn default() -> Self {
        Self { conflict_probe: Some(limits::CONFLICT_PROBE), rates: Rates::default() }
    }
}

/// What guards a network.
pub fn guard(table: &Table<'_>, above: Guard) -> Guard {
    let probe = table.parsed("conflict-probe", conflict_probe);
    let rate = |name, above: u32| {
        let written = table.integer(name, 0..RATE_MAX + 1);
        written.and_then(|at| u32::try_from(at.value).ok()).unwrap_or(above)
    };
    let most = |name, above: usize| {
        let written = table.integer(name, 1..OFFERS_MAX + 1);
        written.and_then(|at| usize::try_from(at.value).ok()).unwrap_or(above)
    };
    let rates = Rates {
        machine: rate("machine-rate", above.rates.machine),
        newcomers: rate("newcomer-rate", above.rates.newcomers),
        port: rate("port-rate", above.rates.port),
        informs: rate("inform-rate", above.rates.informs),
        offers: most("max-offers", above.rates.offers),
        port_offers: most("max-port-offers", above.rates.port_offers),
    };
    Guard { conflict_probe: probe.map_or(above.conflict_probe, |at| at.value), rates }
}

/// How long leases last, with what a table leaves open taken from `above`.
pub fn lease_times(table: &Table<'_>, above: LeaseTime) -> LeaseTime {
    if ["lease-time", "min-lease-time", "max-lease-time"].iter().all(|key| !table.has(key)) {
        return above; // and its mistakes are said there
    }
    let default = table.parsed("lease-time", lease_time);
    let min = table.parsed("min-lease-time", duration);
    let max = table.parsed("max-lease-time", lease_time);
    if let Some(At { value, span }) = &default
        && *value < Duration::from_secs(60)
    {
        let text = "leases of less than a minute keep clients renewing all the time";
        table.problem(Problem::warning(span.clone(), text));
    }
    let base = default.as_ref().map_or(above, |at| LeaseTime::of(at.value));
    let time = LeaseTime {
        default: base.default,
        min: min.as_ref().map_or_else(|| base.min.min(above.min), |at| at.value),
        max: max.as_ref().map_or(base.max, |at| at.value),
    };
    if time.min > time.default || time.default > time.max {
        let said = [min, max, default].into_iter().flatten().next();
        let span = said.map_or_else(|| table.span(), |at| at.span);
        let [min, default, max] = [time.min, time.default, time.max].map(Human);
        let text = format!(
            "min-lease-time, lease-time and max-lease-time must grow in this order, and are \
             {min}, {default} and {max}"
        );
        table.problem(Problem::error(span, text));
    }
    time
}
