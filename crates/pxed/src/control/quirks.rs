//! What was learned of the forms of proxy offers: the objects of docs/control.md, how they read, and
//! as a quirks file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pxed_proto::dhcp::{Quirk, Signature, Told, Votes};
use pxed_proto::machine::Architecture;
use serde::{Deserialize, Serialize};

use super::table::columns;
use crate::clock::Rfc3339;
use crate::dhcp;

/// What is known of forms.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Quirks {
    /// Of firmwares, as it was seen of their machines.
    pub firmwares: Vec<FirmwareQuirk>,
    /// Of firmwares, as the quirks file says it.
    pub file: Vec<FirmwareQuirk>,
    /// Of machines.
    pub machines: Vec<MachineQuirk>,
}

/// What the machines of one firmware follow.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FirmwareQuirk {
    pub vendor_class: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<u16>,
    pub parameters: Vec<u8>,
    /// The same, in words.
    pub signature: String,
    /// What most of them follow.
    pub form: String,
    /// How many machines follow which form.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub machines: BTreeMap<String, u32>,
}

/// What a machine follows.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineQuirk {
    pub mac: String,
    pub signature: String,
    pub form: String,
    pub times: u32,
    /// The first and the last time.
    pub since: String,
    pub last: String,
}

/// How many machines were forgotten.
#[derive(Debug, Serialize, Deserialize)]
pub struct Forgotten {
    pub machines: u64,
}

impl Quirks {
    /// What is told of it.
    pub fn of(quirks: &dhcp::Quirks) -> Self {
        let seen = |(firmware, votes): &(Signature, Votes)| {
            let machines = votes.all().map(|(form, count)| (form.to_owned(), count)).collect();
            let form = votes.most().map_or("", |(form, _)| form.name);
            FirmwareQuirk { machines, ..FirmwareQuirk::of(firmware, form) }
        };
        let told = |told: &Told| {
            told.iter().map(|(firmware, form)| FirmwareQuirk::of(firmware, form.name)).collect()
        };
        Self {
            firmwares: quirks.firmwares.iter().map(seen).collect(),
            file: told(&quirks.told),
            machines: quirks.machines.iter().map(MachineQuirk::of).collect(),
        }
    }
}

impl FirmwareQuirk {
    fn of(firmware: &Signature, form: &str) -> Self {
        Self {
            vendor_class: firmware.vendor_class.clone(),
            architecture: firmware.architecture.map(|architecture| architecture.0),
            parameters: firmware.parameters.clone(),
            signature: firmware.to_string(),
            form: form.to_owned(),
            machines: BTreeMap::new(),
        }
    }

    fn row(&self) -> Vec<String> {
        let count = |(form, count): (&String, &u32)| match *form == self.form {
            true => count.to_string(),
            false => format!("{count} follow {form}"),
        };
        let mut counts: Vec<String> = self.machines.iter().map(count).collect();
        counts.sort();
        let seen = match counts.is_empty() {
            true => "the quirks file".to_owned(),
            false => counts.join(", "),
        };
        vec![self.form.clone(), seen, self.signature.clone()]
    }
}

impl MachineQuirk {
    fn of(quirk: &Quirk) -> Self {
        let Quirk { hardware, signature, works } = quirk;
        Self {
            mac: hardware.to_string(),
            signature: signature.to_string(),
            form: works.form.name.to_owned(),
            times: works.times,
            since: Rfc3339(works.since).to_string(),
            last: Rfc3339(works.last).to_string(),
        }
    }

    fn row(&self) -> Vec<String> {
        let Self { mac, signature, form, times, since, last } = self;
        [mac, form, &times.to_string(), since, last, signature].map(String::clone).to_vec()
    }
}

/// As people read it.
pub fn shown(quirks: &Quirks) -> String {
    let Quirks { firmwares, file, machines } = quirks;
    if firmwares.is_empty() && file.is_empty() && machines.is_empty() {
        return "nothing was learned yet of the forms of proxy offers\n".to_owned();
    }
    let rows = |heading: &[&str], rows: Vec<Vec<String>>| {
        let heading = heading.iter().map(|&name| name.to_owned()).collect();
        columns(std::iter::once(heading).chain(rows).collect())
    };
    let all = firmwares.iter().chain(file).map(FirmwareQuirk::row).collect();
    let firmwares = rows(&["FORM", "MACHINES", "FIRMWARE"], all);
    let heading = ["MACHINE", "FORM", "TIMES", "SINCE", "LAST", "FIRMWARE"];
    let machines = rows(&heading, machines.iter().map(MachineQuirk::row).collect());
    format!("{firmwares}\n{machines}")
}

/// As a quirks file: what was seen here, and what the quirks file says of other firmware.
pub fn exported(quirks: &Quirks) -> String {
    let mut text = "# The forms of proxy offers that firmware follows, as pxed has learned them. \
                    quirks-file = \"...\"\n# in the configuration of another pxed takes them over.\n"
        .to_owned();
    let seen = |told: &&FirmwareQuirk| {
        let same = |seen: &FirmwareQuirk| {
            (&seen.vendor_class, seen.architecture, &seen.parameters)
                == (&told.vendor_class, told.architecture, &told.parameters)
        };
        !quirks.firmwares.iter().any(same)
    };
    for firmware in quirks.firmwares.iter().chain(quirks.file.iter().filter(seen)) {
        // A string, and it can not fail.
        let _ = write_firmware(&mut text, firmware);
    }
    text
}

fn write_firmware(text: &mut String, firmware: &FirmwareQuirk) -> std::fmt::Result {
    let FirmwareQuirk { vendor_class, architecture, parameters, form, machines, .. } = firmware;
    // Signatures have no quotation marks and no backslashes in them.
    writeln!(text, "\n[[firmware]]\nvendor-class = \"{vendor_class}\"")?;
    if let Some(architecture) = architecture {
        let name = Architecture(*architecture);
        writeln!(text, "architecture = {architecture} # {name}")?;
    }
    writeln!(text, "parameters = {parameters:?}\nform = \"{form}\"")?;
    match machines.get(form) {
        Some(machines) => writeln!(text, "machines = {machines}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quirks() -> Quirks {
        let text = r#"{"firmwares":[{"vendor_class":"PXEClient:Arch:00007:UNDI","architecture":7,
            "parameters":[1,3,60],"signature":"S","form":"redirect",
            "machines":{"direct":1,"redirect":3}}],
            "file":[{"vendor_class":"PXEClient","parameters":[],"signature":"T","form":"menu"},
                    {"vendor_class":"PXEClient:Arch:00007:UNDI","architecture":7,
                     "parameters":[1,3,60],"signature":"S","form":"direct"}],
            "machines":[{"mac":"52:54:00:00:00:01","signature":"S","form":"redirect","times":4,
            "since":"2026-11-22T22:15:18.042Z","last":"2026-11-23T01:00:00.000Z"}]}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn quirks_read_as_tables() {
        let expected = "\
FORM      MACHINES            FIRMWARE
redirect  1 follow direct, 3  S
menu      the quirks file     T
direct    the quirks file     S

MACHINE            FORM      TIMES  SINCE                     LAST                      FIRMWARE
52:54:00:00:00:01  redirect  4      2026-11-22T22:15:18.042Z  2026-11-23T01:00:00.000Z  S
";
        assert_eq!(shown(&quirks()), expected);
        assert!(shown(&Quirks::default()).starts_with("nothing was learned"));
    }

    #[test]
    fn an_export_has_what_was_seen_before_what_was_told() {
        let text = exported(&quirks());
        let (_, firmwares) = text.split_once("\n\n").unwrap();
        let expected = "\
[[firmware]]
vendor-class = \"PXEClient:Arch:00007:UNDI\"
architecture = 7 # UEFI x64
parameters = [1, 3, 60]
form = \"redirect\"
machines = 3

[[firmware]]
vendor-class = \"PXEClient\"
parameters = []
form = \"menu\"
";
        assert_eq!(firmwares, expected);
    }
}
