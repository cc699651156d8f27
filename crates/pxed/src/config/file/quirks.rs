//! The quirks file: what another site, or this one at another time, has learned of firmware.

use std::cell::RefCell;
use std::fs;
use std::sync::Arc;

use pxed_proto::dhcp::{Signature, Told};
use pxed_proto::limits;
use pxed_proto::machine::Architecture;
use pxed_proto::wire::options::Value;
use toml::de::DeTable;

use super::document::{At, Notes, Table};
use super::report::{Problem, Text};
use super::schema::{FIRMWARE, QUIRKS};
use super::settings::form;
use super::syntax;
use crate::config::boot::check_file;

/// What the file that `quirks-file` names says; its mistakes are shown where they are in it.
pub fn quirks(top: &Table<'_>) -> Told {
    let Some(At { value: name, span }) = top.text("quirks-file") else { return Told::new() };
    let path = top.path(&name);
    let read = || fs::read_to_string(&path).map_err(|error| error.to_string());
    let source = match check_file(&path).and_then(|()| read()) {
        Ok(source) => source,
        Err(problem) => {
            let text = format!("quirks-file: {}: {problem}", path.display());
            top.problem(Problem::error(span, text));
            return Told::new();
        }
    };
    let (told, problems) = parse(&source);
    let text = Arc::new(Text { path: path.display().to_string(), source });
    problems.into_iter().for_each(|problem| top.problem(problem.within(&text)));
    told
}

/// What a quirks file says, and what is wrong with it.
fn parse(source: &str) -> (Told, Vec<Problem>) {
    let (document, errors) = DeTable::parse_recoverable(source);
    let problems = RefCell::new(syntax::problems(&errors, source));
    if !errors.is_empty() {
        return (Told::new(), problems.into_inner());
    }
    let notes = Notes { problems, ..Notes::default() };
    let told = firmwares(&Table::new(&QUIRKS, document.get_ref(), 0..0, &notes));
    (told, notes.problems.into_inner())
}

fn firmwares(top: &Table<'_>) -> Told {
    let mut told = Told::new();
    let tables = top.tables("firmware", &FIRMWARE);
    if let Some(more) = tables.get(limits::QUIRK_FILE_MAX) {
        let text = format!("a quirks file has at most {} firmwares", limits::QUIRK_FILE_MAX);
        top.problem(Problem::error(more.span(), text));
    }
    for table in tables.iter().take(limits::QUIRK_FILE_MAX) {
        for key in ["vendor-class", "parameters", "form"] {
            if !table.has(key) {
                let text = format!("{key} is missing in [[firmware]]");
                table.problem(Problem::error(table.span(), text));
            }
        }
        table.integer("machines", 0..i64::from(u32::MAX) + 1);
        let Some(form) = table.parsed("form", form) else { continue };
        if told.insert(signature(table), form.value).is_some() {
            let text = "this firmware is in the file already";
            table.problem(Problem::error(table.span(), text));
        }
    }
    told
}

fn signature(table: &Table<'_>) -> Signature {
    let option = |value: &Value| match value {
        Value::Integer(number) => u8::try_from(*number).map_err(|_| "an option is 0 to 255"),
        _ => Err("write the numbers of options: [1, 3, 60]"),
    };
    let option = |value: &Value| option(value).map_err(str::to_owned);
    let parameters = table.list_of("parameters", option);
    let architecture = table.integer("architecture", 0..0x1_0000);
    let architecture = architecture.and_then(|at| u16::try_from(at.value).ok());
    Signature {
        vendor_class: table.text("vendor-class").map(|at| at.value).unwrap_or_default(),
        architecture: architecture.map(Architecture),
        parameters: parameters.into_iter().map(|at| at.value).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong, and where.
    fn wrong(source: &str) -> Vec<String> {
        let told = |problem: Problem| {
            let span = problem.span.unwrap();
            let line = source[..span.start].matches('\n').count() + 1;
            format!("{line}: {}", problem.text)
        };
        parse(source).1.into_iter().map(told).collect()
    }

    #[test]
    fn mistakes_are_said_where_they_are() {
        let good = "[[firmware]]\nvendor-class = \"PXEClient\"\nparameters = [1]\n";
        for (source, expected) in [
            (format!("{good}form = \"direct\"\nmachines = 3\n"), vec![]),
            (
                format!("{good}form = \"redirekt\"\n"),
                vec!["4: form: there is no form redirekt; did you mean redirect?"],
            ),
            (
                format!("{good}form = \"auto\"\n"),
                vec![
                    "4: form: write direct, redirect, menu, binl, fields, options, unicast, delayed",
                ],
            ),
            (good.to_owned(), vec!["1: form is missing in [[firmware]]"]),
            (
                format!("{good}form = \"menu\"\nforms = 1\n"),
                vec!["5: there is no key forms in [[firmware]]"],
            ),
            (
                format!("{good}form = \"menu\"\n{good}form = \"menu\"\n"),
                vec!["5: this firmware is in the file already"],
            ),
            (
                "[[firmware]]\nvendor-class = \"\"\nform = \"menu\"\nparameters = [1, 256]".into(),
                vec!["4: parameters: an option is 0 to 255"],
            ),
            ("firmware = [\n".into(), vec!["1: unclosed array"]),
        ] {
            let wrong = wrong(&source);
            let starts = |(wrong, text): (&String, &&str)| wrong.starts_with(text);
            assert_eq!(wrong.len(), expected.len(), "{source}: {wrong:?}");
            assert!(wrong.iter().zip(&expected).all(starts), "{source}: {wrong:?}");
        }
    }
}
