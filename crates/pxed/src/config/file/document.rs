//! A TOML document, read table by table against the schema: every value keeps its place in the
//! text, and every mistake is collected instead of ending the reading.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use pxed_proto::wire::options::Value;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::misspelt::nearest;
use super::report::Problem;
use super::schema::{Key, SECTIONS, Section};
use crate::config::values::duration;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct At<T> {
    /// What was written.
    pub value: T,
    /// Its octets in the file.
    pub span: Range<usize>,
}

/// Where a table stands, and the values in it.
#[derive(Clone, Debug)]
pub struct Place {
    table: Range<usize>,
    values: BTreeMap<String, Range<usize>>,
}

impl Place {
    /// The table.
    pub fn table(&self) -> Range<usize> {
        self.table.clone()
    }

    /// The value of a key; the table, where that is not written.
    pub fn of(&self, key: &str) -> Range<usize> {
        self.values.get(key).cloned().unwrap_or_else(|| self.table())
    }
}

/// What is collected while a document is read, and where the file lies.
#[derive(Debug, Default)]
pub struct Notes {
    /// The mistakes.
    pub problems: RefCell<Vec<Problem>>,
    /// Relative paths begin here.
    pub directory: PathBuf,
}

/// One table of the document, with what may stand in it.
pub struct Table<'d> {
    section: &'static Section,
    table: &'d DeTable<'d>,
    span: Range<usize>,
    notes: &'d Notes,
}

impl<'d> Table<'d> {
    /// Reads `table` as `section`, complaining of keys that are not in it.
    pub fn new(
        section: &'static Section,
        table: &'d DeTable<'d>,
        span: Range<usize>,
        notes: &'d Notes,
    ) -> Self {
        let reader = Self { section, table, span, notes };
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if reader.key(name).is_none() {
                reader.unknown(name, key.span());
            }
        }
        reader
    }

    /// Where the table stands.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Where the table and its values stand.
    pub fn place(&self) -> Place {
        let value = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
            (key.get_ref().to_string(), value.span())
        };
        Place { table: self.span(), values: self.table.iter().map(value).collect() }
    }

    /// A path that is written in the file: a relative one begins where the file lies.
    pub fn path(&self, written: &str) -> PathBuf {
        self.notes.directory.join(written)
    }

    /// Is the key there?
    pub fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// A text, as it is.
    pub fn text(&self, name: &str) -> Option<At<String>> {
        self.parsed(name, |text| Ok(text.to_owned()))
    }

    /// A text that `parse` understands; what it says otherwise is shown.
    pub fn parsed<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<At<T>> {
        let found = self.find(name)?;
        self.parse_value(name, found, &parse)
    }

    /// One text or a list of them.
    pub fn list<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<At<T>> {
        match self.find(name) {
            None => Vec::new(),
            Some(found) => match found.get_ref() {
                DeValue::Array(items) => {
                    items.iter().filter_map(|item| self.parse_value(name, item, &parse)).collect()
                }
                _ => self.parse_value(name, found, &parse).into_iter().collect(),
            },
        }
    }

    /// One value or a list of them, of any type.
    pub fn list_of<T>(
        &self,
        name: &str,
        parse: impl Fn(&Value) -> Result<T, String>,
    ) -> Vec<At<T>> {
        let items: Vec<&Spanned<DeValue<'d>>> = match self.find(name) {
            None => return Vec::new(),
            Some(found) => match found.get_ref() {
                DeValue::Array(items) => items.iter().collect(),
                _ => vec![found],
            },
        };
        let parse = |item: &Spanned<DeValue<'d>>| match parse(&convert(item)) {
            Ok(value) => Some(At { value, span: item.span() }),
            Err(text) => {
                self.problem(Problem::error(item.span(), format!("{name}: {text}")));
                None
            }
        };
        items.into_iter().filter_map(parse).collect()
    }

    /// The entries of a table whose keys are not the schema's.
    pub fn entries(
        &self,
        name: &str,
    ) -> Vec<(&'d Spanned<DeString<'d>>, &'d Spanned<DeValue<'d>>)> {
        let Some(found) = self.find(name) else { return Vec::new() };
        match found.get_ref().as_table() {
            Some(table) => table.iter().collect(),
            None => self.wrong_type(name, found).unwrap_or_default(),
        }
    }

    /// The table `[name]`, read as `section`.
    pub fn table(&self, name: &str, section: &'static Section) -> Option<Table<'d>> {
        let found = self.find(name)?;
        self.subtable(name, found, section)
    }

    /// `true` or `false`.
    pub fn boolean(&self, name: &str) -> Option<At<bool>> {
        let found = self.find(name)?;
        match found.get_ref().as_bool() {
            Some(value) => Some(At { value, span: found.span() }),
            None => self.wrong_type(name, found),
        }
    }

    /// A whole number within bounds.
    pub fn integer(&self, name: &str, bounds: Range<i64>) -> Option<At<i64>> {
        let found = self.find(name)?;
        let Some(integer) = found.get_ref().as_integer() else {
            return self.wrong_type(name, found);
        };
        match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(value) if bounds.contains(&value) => Some(At { value, span: found.span() }),
            _ => {
                let (first, last) = (bounds.start, bounds.end - 1);
                let text = format!("{name} is from {first} to {last}");
                self.problem(Problem::error(found.span(), text));
                None
            }
        }
    }

    /// The tables of `[[name]]`, each read as `section`.
    pub fn tables(&self, name: &str, section: &'static Section) -> Vec<Table<'d>> {
        let Some(found) = self.find(name) else { return Vec::new() };
        match found.get_ref() {
            DeValue::Array(items) => {
                items.iter().filter_map(|item| self.subtable(name, item, section)).collect()
            }
            _ => {
                let text = format!("{name} may be there several times");
                let problem = Problem::error(found.span(), text);
                let form = match self.key(name) {
                    Some(Key { example, .. }) if !example.is_empty() => {
                        format!("{name} = {example}")
                    }
                    _ => section.path.to_owned(),
                };
                self.problem(problem.help(format!("write {form}")));
                Vec::new()
            }
        }
    }

    /// What the tables of `[[name]]` are called, also those with a mistake in them.
    pub fn names(&self, name: &str) -> Vec<String> {
        let tables = self.find(name).and_then(|found| found.get_ref().as_array());
        let name = |item: &Spanned<DeValue<'_>>| {
            Some(item.get_ref().as_table()?.get("name")?.get_ref().as_str()?.to_owned())
        };
        tables.into_iter().flat_map(|items| items.iter()).filter_map(name).collect()
    }

    /// The tables `[name.KEY]`, each with its key, read as `section`.
    pub fn named_tables(
        &self,
        name: &str,
        section: &'static Section,
    ) -> Vec<(At<String>, Table<'d>)> {
        let Some(found) = self.find(name) else { return Vec::new() };
        let Some(tables) = found.get_ref().as_table() else {
            self.wrong_type::<()>(name, found);
            return Vec::new();
        };
        let read = |(key, value): (&'d Spanned<DeString<'d>>, &'d Spanned<DeValue<'d>>)| {
            let name = At { value: key.get_ref().to_string(), span: key.span() };
            Some((name, self.subtable(key.get_ref(), value, section)?))
        };
        tables.iter().filter_map(read).collect()
    }

    /// How many problems there are so far.
    pub fn problem_count(&self) -> usize {
        self.notes.problems.borrow().len()
    }

    /// Notes a problem; what is read twice is said once.
    pub fn problem(&self, problem: Problem) {
        let mut problems = self.notes.problems.borrow_mut();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    fn subtable(
        &self,
        name: &str,
        found: &'d Spanned<DeValue<'d>>,
        section: &'static Section,
    ) -> Option<Table<'d>> {
        match found.get_ref().as_table() {
            Some(table) => Some(Table::new(section, table, found.span(), self.notes)),
            None => self.wrong_type(name, found),
        }
    }

    fn parse_value<T>(
        &self,
        name: &str,
        found: &Spanned<DeValue<'_>>,
        parse: &impl Fn(&str) -> Result<T, String>,
    ) -> Option<At<T>> {
        let Some(text) = found.get_ref().as_str() else { return self.wrong_type(name, found) };
        match parse(text) {
            Ok(value) => Some(At { value, span: found.span() }),
            Err(text) => {
                self.problem(Problem::error(found.span(), format!("{name}: {text}")));
                None
            }
        }
    }

    fn find(&self, name: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        debug_assert!(
            self.key(name).is_some(),
            "{name} is not in the schema of {}",
            self.section.path
        );
        self.table.get(name)
    }

    fn key(&self, name: &str) -> Option<&'static Key> {
        self.section.keys().find(|key| key.name == name)
    }

    fn unknown(&self, name: &str, span: Range<usize>) {
        let place = match self.section.path {
            "" => "at the top of the file".to_owned(),
            path => format!("in {path}"),
        };
        let problem = Problem::error(span, format!("there is no key {name} {place}"));
        let known = nearest(name, self.section.keys().map(|key| key.name));
        let elsewhere = || SECTIONS.iter().filter(|s| s.keys().any(|key| key.name == name));
        self.problem(match (known, elsewhere().next()) {
            (Some(known), _) => problem.help(format!("did you mean {known}?")),
            (None, Some(_)) => {
                let places: Vec<String> = elsewhere().map(|section| section.place()).collect();
                problem.help(format!("{name} belongs {}", places.join(", or ")))
            }
            (None, None) => problem,
        });
    }

    fn wrong_type<T>(&self, name: &str, found: &Spanned<DeValue<'_>>) -> Option<T> {
        let is = found.get_ref().type_str();
        let problem =
            Problem::error(found.span(), format!("{name} can not be {}", with_article(is)));
        let known = self.key(name);
        let is_duration = |key: &&Key| duration(key.example.trim_matches('"')).is_ok();
        let example = match found.get_ref().as_integer() {
            Some(seconds) if known.as_ref().is_some_and(is_duration) => {
                Some(format!("write {name} = \"{}s\"", seconds.as_str()))
            }
            _ => known.map(|key| format!("write {name} = {}", key.example)),
        };
        self.problem(match example {
            Some(example) => problem.help(example),
            None => problem,
        });
        None
    }
}

/// The value without TOML in it.
pub fn convert(value: &Spanned<DeValue<'_>>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| Value::Text(integer.as_str().to_owned()), Value::Integer),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Array(items) => Value::List(items.iter().map(convert).collect()),
        DeValue::Table(entries) => {
            let entry = |(key, value): (&Spanned<DeString<'_>>, _)| {
                (key.get_ref().to_string(), convert(value))
            };
            Value::Table(entries.iter().map(entry).collect())
        }
        DeValue::Float(float) => Value::Text(float.as_str().to_owned()),
        DeValue::Datetime(datetime) => Value::Text(datetime.to_string()),
    }
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}
