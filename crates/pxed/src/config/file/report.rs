//! What is wrong with a configuration file, shown with file, line, column and caret.

use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// One thing that is wrong, or probably wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// An error keeps pxed from using the file; a warning does not.
    pub is_error: bool,
    /// Where, in octets; `None` is the file as a whole.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub text: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Another place that it has to do with, and what is there.
    pub other: Option<(Range<usize>, String)>,
    /// The file that it is in, where that is another than the one that is read.
    pub file: Option<Arc<Text>>,
}

/// A file that the one that is read names.
#[derive(Debug, PartialEq, Eq)]
pub struct Text {
    /// Its name.
    pub path: String,
    /// What stands in it.
    pub source: String,
}

impl Problem {
    /// Something that can not be used.
    pub fn error(span: Range<usize>, text: impl Into<String>) -> Self {
        Self {
            is_error: true,
            span: Some(span),
            text: text.into(),
            help: None,
            other: None,
            file: None,
        }
    }

    /// Something legal that is probably a mistake.
    pub fn warning(span: Range<usize>, text: impl Into<String>) -> Self {
        Self { is_error: false, ..Self::error(span, text) }
    }

    /// Adds what to write instead.
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Adds another place that it has to do with.
    pub fn see(self, span: Range<usize>, text: impl Into<String>) -> Self {
        Self { other: Some((span, text.into())), ..self }
    }

    /// Says that it is in another file.
    pub fn within(self, file: &Arc<Text>) -> Self {
        Self { file: Some(file.clone()), ..self }
    }

    fn group<'a>(&'a self, path: &'a str, source: &'a str) -> Group<'a> {
        let (path, source) = match &self.file {
            Some(file) => (file.path.as_str(), file.source.as_str()),
            None => (path, source),
        };
        let level = if self.is_error { Level::ERROR } else { Level::WARNING };
        let title = level.primary_title(self.text.as_str());
        let mut group = match &self.span {
            None => Group::with_title(title),
            Some(span) => {
                let mut snippet = Snippet::source(source)
                    .path(path)
                    .annotation(AnnotationKind::Primary.span(within(span, source)));
                if let Some((span, text)) = &self.other {
                    let other = AnnotationKind::Context.span(within(span, source));
                    snippet = snippet.annotation(other.label(text.as_str()));
                }
                title.element(snippet)
            }
        };
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        group
    }
}

/// A span that the renderer can show: within the text, and on whole characters.
fn within(span: &Range<usize>, source: &str) -> Range<usize> {
    let end = source.floor_char_boundary(span.end.min(source.len()));
    // A table's span is its whole text: its first line is enough.
    let start = source.floor_char_boundary(span.start.min(end));
    let line_end = source.get(start..end).and_then(|text| text.find('\n')).map(|at| start + at);
    start..line_end.unwrap_or(end)
}

/// All problems as text, in the order of the file.
pub fn render(problems: &[Problem], path: &str, source: &str, styled: bool) -> String {
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    let place = |problem: &&Problem| problem.span.as_ref().map_or(0, |span| span.start);
    sorted.sort_by_key(|problem| (problem.file.is_some(), place(problem)));
    let render = |problem: &&Problem| renderer.render(&[problem.group(path, source)]);
    sorted.iter().map(render).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_shown_with_line_column_and_caret() {
        let source = "lease-time = \"1h\"\nrangee = \"x\"\n";
        let problem = Problem::error(18..24, "there is no key rangee").help("did you mean range?");
        let text = render(&[problem], "pxed.toml", source, false);
        for part in
            ["error: there is no key rangee", "pxed.toml:2:1", "^^^^^^", "did you mean range?"]
        {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }

    #[test]
    fn spans_that_do_not_fit_are_cut() {
        let problems = [Problem::error(5..900, "ä"), Problem::warning(1..2, "odd")];
        let text = render(&problems, "f", "ää=1", false);
        assert!(text.contains("error: ä") && text.contains("warning: odd"), "{text}");
    }
}
