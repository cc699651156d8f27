//! Mistakes in a file's form: what is no TOML. One that makes nonsense of all that follows is said
//! alone.

use std::ops::Range;

use super::report::Problem;

/// The parser's errors, as far as each is a mistake of its own.
pub fn problems(errors: &[toml::de::Error], source: &str) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    let mut last_line = None;
    for error in errors {
        let span = error.span().unwrap_or_default();
        let line = line_of(source, span.start);
        if last_line.replace(line.clone()) == Some(line.clone()) {
            continue; // what comes of the mistake before it
        }
        let problem = Problem::error(span.clone(), error.message());
        if error.message() == "duplicate key" {
            problems.push(duplicate(problem, source, line));
            continue;
        }
        match unclosed(source, span.start).filter(|open| *open < line.start) {
            Some(open) => {
                problems.push(problem.see(open..open + 1, "this is not closed"));
                break;
            }
            None => problems.push(problem),
        }
    }
    problems
}

fn line_of(source: &str, at: usize) -> Range<usize> {
    let before = source.get(..at).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let rest = source.get(start..).unwrap_or_default();
    start..start + rest.find('\n').unwrap_or(rest.len())
}

/// Names the place where the key stands for the first time: as a table's heading, or in its table.
fn duplicate(problem: Problem, source: &str, line: Range<usize>) -> Problem {
    let (before, text) = source.split_at_checked(line.start).unwrap_or_default();
    let text = text.lines().next().unwrap_or_default().trim();
    let name = |line: &str| line.trim().trim_matches(['[', ']']).trim().to_owned();
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    let heading = text.starts_with('[');
    let in_table = before.rfind("\n[").filter(|_| !heading).unwrap_or(0);
    let mut at = in_table;
    let lines = before.get(in_table..).unwrap_or_default().split_inclusive('\n');
    let lines = lines.map(|line| {
        at += line.len();
        (at - line.len(), line)
    });
    let same = |line: &str| match heading {
        true => line.starts_with('[') && name(line) == name(text),
        false => !line.starts_with('[') && key(line) == key(text),
    };
    let Some((first, line)) = lines.into_iter().find(|(_, line)| same(line)) else {
        return problem;
    };
    let problem = problem.see(first..first + line.trim_end().len(), "the first time");
    match text.starts_with("[[") {
        true => problem.help(format!("write [[{}]] each time", name(text))),
        false => problem,
    }
}

/// The last bracket before `at` that nothing closes.
fn unclosed(source: &str, at: usize) -> Option<usize> {
    let mut open = Vec::new();
    let mut quote = None;
    let mut escaped = false;
    let mut comment = false;
    for (place, letter) in source.get(..at)?.char_indices() {
        let was_escaped = std::mem::take(&mut escaped);
        match (letter, quote) {
            ('\n', _) => (quote, comment) = (None, false),
            _ if comment => {}
            ('\\', Some('"')) => escaped = !was_escaped,
            (letter, Some(end)) if letter == end && !was_escaped => quote = None,
            (_, Some(_)) => {}
            ('#', None) => comment = true,
            ('"' | '\'', None) => quote = Some(letter),
            ('[' | '{', None) => open.push(place),
            (']' | '}', None) => {
                open.pop();
            }
            _ => {}
        }
    }
    open.pop()
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;

    fn said(source: &str) -> Vec<(usize, Option<&str>, Option<&str>)> {
        let (_, errors) = DeTable::parse_recoverable(source);
        let line = |at: usize| source[..at].matches('\n').count() + 1;
        let problems = problems(&errors, source);
        let told = |problem: &Problem| {
            let other = problem.other.as_ref().map(|(span, _)| &source[span.clone()]);
            (line(problem.span.clone().unwrap().start), other, problem.help.clone())
        };
        let told = problems.iter().map(told).collect::<Vec<_>>();
        told.into_iter()
            .map(|(line, other, help)| (line, other, help.map(|help| &*help.leak())))
            .collect()
    }

    #[test]
    fn each_mistake_is_said_once() {
        for (source, expected) in [
            ("a = 1\nb: 2\n", vec![(2, None, None)]),
            ("a = 1\nb = \nc = \n", vec![(2, None, None), (3, None, None)]),
            ("a = [\"x\" # [\nb = 1\nc = 2\n", vec![(2, Some("["), None)]),
            ("a = 1\nb = 2\na = 3\n", vec![(3, Some("a = 1"), None)]),
            ("[p.a]\nx = 1\n[p.a]\ny = 2\n", vec![(3, Some("[p.a]"), None)]),
            (
                "[subnet]\nx = 1\n[[subnet]]\ny = 2\n",
                vec![(3, Some("[subnet]"), Some("write [[subnet]] each time"))],
            ),
        ] {
            assert_eq!(said(source), expected, "{source}");
        }
    }
}
