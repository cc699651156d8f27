//! What the reference page says beside the tables of keys: whole rules, and the values of options.

use std::fmt::Write;

use pxed_proto::wire::options::{TYPES, definitions};

/// A file as one could be.
pub const WORKED: &str = include_str!("worked.toml");

/// What stands before the tables.
pub const BEFORE: &str = "\
# The configuration file

`pxed serve --config FILE` reads it, `pxed check FILE` says what is wrong with it or what it comes to,
and `pxed explain --config FILE --mac MAC` what a machine would get. It is TOML; durations are written
`90s`, `5m`, `1h`, `2d`. This page is generated from the same tables as the parser's own messages.

## Paths

Paths that do not begin with / begin in the directory of the file; those of flags, in the current
one. `loader` and `bootfile` are no paths: they name served files, beneath `boot-dir`.

## Who is given what

It is said in layers, and the last one that says something wins: the top of the file, its subnet,
its classes (a later one over an earlier one), its groups (likewise), its reservation. Each option
and each boot setting is found by itself: a class that says `dns` leaves the subnet's `router` as it
is. `host-name` of a reservation is option 12 of that layer, as `router`, `dns` and `domain` are
options 3, 6 and 15 of theirs. A flag of `pxed serve` wins over all of them (`--router` in the
subnets that the router is in).

A machine has one reservation: the one of its MAC, else of its client identifier, its UUID, its
circuit ID, its remote ID. It is in the group that its reservation names, and in those that have its
MAC.

An address is the reserved one; else the one that the client has, had or asks for; else a free one
of a pool for a class that it belongs to; else a free one of the subnet's range.

## A standby

With `min-secs = 4` pxed is silent to a client until that has asked for four seconds, as its
messages say (`secs`): only if the other server does not answer. `offer-delay` answers everybody,
and lets each offer wait, so that the other server's is there first. Two such servers need ranges
that do not overlap.

## An example
";

/// What stands behind them.
pub fn after() -> String {
    let mut text = String::from(TEMPLATES);
    text.push_str(VALUES);
    for (name, form) in TYPES {
        let _ = writeln!(text, "| `{name}` | `{}` |", form.example());
    }
    text.push_str(OPTIONS);
    for option in definitions().filter(|option| option.settable().is_ok()) {
        let (number, name, example) = (option.number, option.name, option.example());
        let _ = writeln!(text, "| {number} | `{name}` | {} | `{example}` |", option.form.name());
    }
    text
}

const TEMPLATES: &str = "
## Values in arguments and scripts

`append` and the text of a `script` are templates: what stands between `{{` and `}}` is filled in for
each machine. A name that is none is a mistake. Filters work: `{{ mac | replace(\":\", \"-\") }}`.

| name | what it is | example |
|---|---|---|
| `mac` | the machine's MAC | `52:54:00:12:34:56` |
| `uuid` | its UUID, empty if it says none | `4c4c4544-0042-3510-8054-b4c04f335931` |
| `ip` | the address that it asks from | `192.168.77.100` |
| `server` | the server's address on its network | `192.168.77.1` |
| `http` | where the server's files are, by HTTP | `http://192.168.77.1:8067` |
";

const VALUES: &str = "
## Values of options

An option is written by its name or number, with a value of its own type: see the table of options.
One item may stand for a list of one. Three more forms work for every option and sub-option:

- `\"hex:01 02 ff\"` are the octets themselves;
- `{ type = \"u16\", value = 7 }` is a value of a type of the table below: the only way, beside
  `hex:`, for a number that is not in the table of options;
- `{ value = ..., always = true, booting-only = true }`, around any of these, sends the option also
  to clients that do not ask for it, and only to firmware.

What pxed sets itself (addresses, times, the mask, what is copied from a request) can not be set;
the mistake says where it comes from instead.

```toml
[subnet.options]
domain-search = [\"lab.example\", \"example\"]
classless-static-routes = [\"10.9.0.0/16 via 192.168.77.253\", \"0.0.0.0/0 via 192.168.77.254\"]
vendor-specific-information = { menu-prompt = { timeout = 5, text = \"F8\" } }
vendor-identifying-vendor-class = { 3561 = \"gateway\" }
vendor-identifying-vendor-options = { 3561 = { 1 = { type = \"text\", value = \"acs.example\" } } }
224 = { type = \"addresses\", value = [\"192.168.77.9\"] }
```

Clients that know option 121 do not look at option 3: give the default route in both.

Sub-options are a table, by name where they have one (those of PXE in option 43, and of iPXE in 175),
else by number with `hex:` or a type. Options 124 and 125 have the enterprise's number around them.
PXE firmware reads option 43 as its own, whoever it was meant for: say what is another vendor's in a
class with `match = { firmware = \"not-booting\" }`, which also keeps any other option from firmware.

| type | a value |
|---|---|
";

const OPTIONS: &str = "
## Options

| number | name | type | a value |
|---|---|---|---|
";
