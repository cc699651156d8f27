//! Enough of iPXE's scripts to run what pxed writes: `kernel`, `initrd`, `boot`, `chain`, `goto`,
//! `echo`, `sleep`, `exit`, labels, comments, and `||`.

use std::time::Duration;

/// A script that is being run.
#[derive(Clone, Debug)]
pub struct Script {
    lines: Vec<Vec<String>>,
    at: usize,
    pending: Option<Pending>,
    kernel: Option<(String, String)>,
    initrds: Vec<String>,
}

/// What is being fetched.
#[derive(Clone, Debug)]
enum Pending {
    Kernel { arguments: String },
    Initrd { name: Option<String> },
    Chain,
}

/// What iPXE does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Fetches it, then calls [`Script::fetched`].
    Fetch(String),
    /// Prints.
    Echo(String),
    /// Waits.
    Sleep(Duration),
    /// Leaves, with this status.
    Exit(u8),
    /// Starts the kernel.
    Boot {
        /// Its name.
        kernel: String,
        /// Its arguments.
        arguments: String,
        /// Its initial file systems.
        initrds: Vec<String>,
    },
}

impl Script {
    /// Reads a script; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("#!ipxe\n")?;
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        let lines = rest.lines().filter(|line| !line.starts_with('#')).map(words).collect();
        Some(Self { lines, at: 0, pending: None, kernel: None, initrds: Vec::new() })
    }

    /// Runs on to the next step that takes time or can be seen.
    pub fn step(&mut self) -> Step {
        loop {
            let Some(words) = self.lines.get(self.at).cloned() else { return Step::Exit(0) };
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let command = words.split(|word| *word == "||").next().unwrap_or_default();
            self.at += 1;
            match command {
                [] => {}
                [label] if label.starts_with(':') => {}
                ["goto", label] => self.goto(label),
                ["echo", text @ ..] => return Step::Echo(text.join(" ")),
                ["sleep", seconds] => {
                    return Step::Sleep(Duration::from_secs(seconds.parse().unwrap_or(0)));
                }
                ["exit", status] => return Step::Exit(status.parse().unwrap_or(0)),
                ["exit"] => return Step::Exit(0),
                ["kernel", url, arguments @ ..] => {
                    let arguments = arguments.join(" ");
                    return self.fetch(url, Pending::Kernel { arguments });
                }
                ["initrd", "--name", name, url] => {
                    return self.fetch(url, Pending::Initrd { name: Some((*name).to_owned()) });
                }
                ["initrd", url] => return self.fetch(url, Pending::Initrd { name: None }),
                ["chain", url] => return self.fetch(url, Pending::Chain),
                ["boot"] => match self.kernel.take() {
                    Some((kernel, arguments)) => {
                        let initrds = std::mem::take(&mut self.initrds);
                        return Step::Boot { kernel, arguments, initrds };
                    }
                    None => self.fail(),
                },
                _ => self.fail(),
            }
        }
    }

    /// What was fetched: the name of the file, or nothing.
    pub fn fetched(&mut self, file: Option<String>) {
        match (self.pending.take(), file) {
            (Some(Pending::Kernel { arguments }), Some(file)) => {
                self.kernel = Some((file, arguments));
            }
            (Some(Pending::Initrd { name }), Some(file)) => {
                self.initrds.push(name.unwrap_or(file));
            }
            (Some(Pending::Chain), Some(file)) => self.kernel = Some((file, String::new())),
            (_, None) | (None, _) => self.fail(),
        }
    }

    fn fetch(&mut self, url: &str, pending: Pending) -> Step {
        self.pending = Some(pending);
        Step::Fetch(url.to_owned())
    }

    /// The line before failed: what stands behind its `||` is done, or else the script ends.
    fn fail(&mut self) {
        let line = self.lines[self.at - 1].clone();
        let words: Vec<&str> = line.iter().map(String::as_str).collect();
        match words.split(|word| *word == "||").nth(1) {
            Some(["goto", label]) => self.goto(label),
            _ => self.at = self.lines.len(),
        }
    }

    fn goto(&mut self, label: &str) {
        let is_label = |line: &Vec<String>| {
            line.first().is_some_and(|word| word.strip_prefix(':') == Some(label))
        };
        self.at = self.lines.iter().position(is_label).unwrap_or(self.lines.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_goes_where_the_script_says() {
        let text = "#!ipxe\nkernel http://a/k x=1 || goto failed\nboot\n:failed\necho no\nexit 1\n";
        let mut script = Script::parse(text).unwrap();
        assert_eq!(script.step(), Step::Fetch("http://a/k".to_owned()));
        script.fetched(None);
        assert_eq!(script.step(), Step::Echo("no".to_owned()));
        assert_eq!(script.step(), Step::Exit(1));
        assert!(Script::parse("<html>").is_none());
    }
}
