//! Names that nobody knows, and the ones that were probably meant.

use std::ops::Range;

use super::report::Problem;

/// `there is no class arn`, and what was probably meant.
pub fn no_such(what: &str, name: &str, span: Range<usize>, known: &[String]) -> Problem {
    let problem = Problem::error(span, format!("there is no {what} {name}"));
    match nearest(name, known.iter().map(String::as_str)) {
        Some(nearest) => problem.help(format!("did you mean {nearest}?")),
        None => problem,
    }
}

/// The name that was probably meant: one within a third of its letters.
pub fn nearest<'n>(written: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let distances = names.map(|name| (distance(written, name), name));
    let (distance, name) = distances.min()?;
    (distance <= name.len().max(written.len()) / 3 + 1).then_some(name)
}

/// How many letters have to be changed, added, left out (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(b.chars()) {
            let changed = diagonal + usize::from(from != to);
            diagonal = *cell;
            left = changed.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::schema::TOP;
    use super::*;

    #[test]
    fn misspelt_keys_are_recognised() {
        let names = || TOP.keys().map(|key| key.name);
        for (written, meant) in [
            ("lease_time", Some("lease-time")),
            ("leasetime", Some("lease-time")),
            ("routers", Some("router")),
            ("boot_dir", Some("boot-dir")),
            ("colour", None),
        ] {
            assert_eq!(nearest(written, names()), meant, "{written}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
