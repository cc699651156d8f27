//! What a machine that asks by HTTP for its script is given.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use pxed_proto::boot::{Decision, Wishes, decide};
use pxed_proto::catalog::{Catalog, Profile};
use pxed_proto::ipxe;
use pxed_proto::limits;
use pxed_proto::machine::{Firmware, HardwareAddress, Machine};
use pxed_proto::wire::options;
use tokio::task::block_in_place;

use crate::files::Files;
use crate::http::{Script, ScriptRequest};
use crate::journal::Journal;
use crate::reload::Live;

/// Writes scripts from the catalog that is in force; a profile that is the user's own script is
/// read anew for every machine, so that an edit needs no restart.
pub fn writer(live: Arc<Live>, journal: Arc<Journal>) -> Script {
    Arc::new(move |request| {
        // The file may be on a disk that sleeps, or on a network: others must not wait for it.
        let file = |name: &str| block_in_place(|| read(name, &live.files));
        write(request, &live.catalog(), &file).unwrap_or_else(|error| {
            journal.script_failed(&error);
            format!("#!ipxe\necho pxed: {}\nsleep 10\nexit 1\n", error.replace('\n', " "))
        })
    })
}

/// The script for one machine; `file` reads a served one.
///
/// # Errors
///
/// What is wrong with the file or the template.
pub fn write(
    request: &ScriptRequest,
    catalog: &Catalog,
    file: &dyn Fn(&str) -> Result<String, String>,
) -> Result<String, String> {
    match filled(request, catalog)? {
        Profile::Script(name) => file(&name)
            .and_then(|text| render(&text, &facts(request)))
            .map_err(|error| format!("{name}: {error}")),
        profile => Ok(ipxe::script(&machine(request), &profile, &request.web).unwrap_or_default()),
    }
}

/// Who a script is for.
pub fn machine(request: &ScriptRequest) -> Machine {
    let nobody = HardwareAddress::from(pxed_proto::net::Mac([0; 6]));
    request.machine.map_or(Machine { hardware: nobody, uuid: None }, Machine::from)
}

/// The profile that is decided on, its arguments filled in.
///
/// # Errors
///
/// What is wrong with the template.
pub fn filled(request: &ScriptRequest, catalog: &Catalog) -> Result<Profile, String> {
    let profile = request.profile.as_deref().map(Arc::from);
    let wishes = Wishes { profile: profile.as_ref(), ..Wishes::default() };
    // Whoever asks for a script runs iPXE, or a loader in its place.
    let Decision::Script(profile) = decide(Firmware::Ipxe(None), &wishes, catalog) else {
        return Ok(Profile::Nothing);
    };
    Ok(match profile {
        Profile::Linux { kernel, initrds, arguments } => Profile::Linux {
            kernel: kernel.clone(),
            initrds: initrds.clone(),
            arguments: render(arguments, &facts(request))?,
        },
        other => other.clone(),
    })
}

/// What templates may use.
fn facts(request: &ScriptRequest) -> Value {
    let ip = request.client.ip();
    context! {
        mac => request.machine.map(|mac| mac.to_string()).unwrap_or_default(),
        uuid => request.uuid.clone().unwrap_or_default(),
        ip => ip.to_string(),
        server => request.web.address.ip().to_string(),
        http => request.web.to_string(),
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // A name that is misspelt is a mistake, and not nothing.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment
}

fn render(template: &str, facts: &Value) -> Result<String, String> {
    let mut text = environment().render_str(template, facts).map_err(|error| message(&error))?;
    // The engine takes a last line's end away; a script is served as it was written.
    if template.ends_with('\n') && !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// What is wrong with a template, and in which line, without the engine's name for it.
fn message(error: &minijinja::Error) -> String {
    let text = error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned);
    match error.line() {
        Some(line) if line > 1 => format!("{text} (template, line {line})"),
        _ => format!("{text} (template)"),
    }
}

/// Can every machine's value be filled in?
///
/// # Errors
///
/// What is wrong with the template.
pub fn check_template(template: &str) -> Result<(), String> {
    let facts = context! {
        mac => "52:54:00:12:34:56",
        uuid => "",
        ip => "192.168.77.100",
        server => "192.168.77.1",
        http => "http://192.168.77.1:8067",
    };
    render(template, &facts).map(drop).map_err(|problem| match undefined(&problem) {
        Some(name) => {
            let names = ["mac", "uuid", "ip", "server", "http"];
            let meant =
                options::nearest_of(name, names).map(|name| format!("; did you mean {name}?"));
            let known = names.join(", ");
            format!("{problem}{}; there are {known}", meant.unwrap_or_default())
        }
        None => problem,
    })
}

/// The name that is none, of such a problem.
fn undefined(problem: &str) -> Option<&str> {
    let (before, _) = problem.split_once("` is undefined")?;
    before.rsplit('`').next()
}

/// A served file as a script's text.
///
/// # Errors
///
/// Why it is none.
pub fn read(name: &str, files: &Files) -> Result<String, String> {
    let open = files.open(name.as_bytes()).map_err(|error| error.to_string())?;
    let len = usize::try_from(open.len).unwrap_or(usize::MAX);
    if len > limits::SCRIPT_MAX {
        return Err(format!("longer than {} octets", limits::SCRIPT_MAX));
    }
    let mut bytes = vec![0; len];
    open.file.read_exact_at(&mut bytes, 0).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned())
}
