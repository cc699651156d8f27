//! What tells one version of a file from another, and the requests that ask for it (RFC 9110
//! section 13).

use std::time::{SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

use super::head::Head;
use crate::files::OpenFile;

/// A file's ETag and Last-Modified.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Validators {
    /// Strong: whatever changes a file's content changes its length or its time, and what replaces
    /// it is another inode.
    pub(super) etag: String,
    /// `None` where HTTP has no words for the time.
    pub(super) modified: Option<HttpDate>,
}

impl Validators {
    pub(super) fn of(open: &OpenFile) -> Self {
        let since_epoch = open.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (seconds, nanos) = (since_epoch.as_secs(), since_epoch.subsec_nanos());
        let etag = format!("\"{:x}-{seconds:x}.{nanos:x}-{:x}\"", open.len, open.inode);
        Self { etag, modified: http_date(open.modified) }
    }

    /// What a request's conditions come to, in the order of RFC 9110 section 13.2.2.
    pub(super) fn stands(&self, head: &Head) -> Standing {
        let holds = match (&head.if_match, &head.if_unmodified_since) {
            (Some(tags), _) => self.listed(tags, Comparison::Strong),
            (None, Some(date)) => self.not_after(date).unwrap_or(true),
            (None, None) => true,
        };
        let has = match (&head.if_none_match, &head.if_modified_since) {
            (Some(tags), _) => self.listed(tags, Comparison::Weak),
            (None, Some(date)) => self.not_after(date).unwrap_or(false),
            (None, None) => false,
        };
        match (holds, has) {
            (false, _) => Standing::Failed,
            (true, true) => Standing::NotModified,
            (true, false) => Standing::Wanted,
        }
    }

    /// Is this version among `tags`, or any?
    fn listed(&self, tags: &str, comparison: Comparison) -> bool {
        tags.split(',').map(str::trim).any(|tag| match (tag.strip_prefix("W/"), comparison) {
            (Some(tag), Comparison::Weak) => tag == self.etag,
            (Some(_), Comparison::Strong) => false,
            (None, _) => tag == "*" || tag == self.etag,
        })
    }

    /// Was the file last changed at that time or before? `None` where there is no telling.
    fn not_after(&self, date: &str) -> Option<bool> {
        Some(self.modified? <= date.parse().ok()?)
    }

    /// Does the range that is asked for continue this version? Yes, where the client did not ask.
    pub(super) fn range_applies(&self, head: &Head) -> bool {
        head.if_range.as_ref().is_none_or(|value| {
            *value == self.etag
                || self.modified.is_some_and(|date| value.parse().ok() == Some(date))
        })
    }
}

/// What becomes of a request for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is sent.
    Wanted,
    /// The client has it.
    NotModified,
    /// It is not what the client wants to go on with.
    Failed,
}

/// RFC 9110 section 8.8.3.2.
#[derive(Clone, Copy, Debug)]
enum Comparison {
    Strong,
    Weak,
}

fn http_date(time: SystemTime) -> Option<HttpDate> {
    const YEAR_10000: u64 = 253_402_300_800;
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    (seconds < YEAR_10000).then(|| time.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn validators() -> Validators {
        let modified = http_date(UNIX_EPOCH + Duration::from_secs(1_000_000_000));
        Validators { etag: "\"a-b-c\"".to_owned(), modified }
    }

    const MODIFIED: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
    const BEFORE: &str = "Sun, 09 Sep 2001 01:46:39 GMT";
    const AFTER: &str = "Mon, 10 Sep 2001 01:46:40 GMT";

    fn some(value: &str) -> Option<String> {
        Some(value.to_owned())
    }

    #[test]
    fn conditions() {
        let not = |tags: &str| Head { if_none_match: some(tags), ..Head::default() };
        let only = |tags: &str| Head { if_match: some(tags), ..Head::default() };
        let since = |date: &str| Head { if_modified_since: some(date), ..Head::default() };
        let until = |date: &str| Head { if_unmodified_since: some(date), ..Head::default() };
        for (head, expected) in [
            (Head::default(), Standing::Wanted),
            (not("\"a-b-c\""), Standing::NotModified),
            (not("\"x\", W/\"a-b-c\""), Standing::NotModified),
            (not("*"), Standing::NotModified),
            (not("\"x\""), Standing::Wanted),
            (Head { if_modified_since: some(AFTER), ..not("\"x\"") }, Standing::Wanted),
            (since(MODIFIED), Standing::NotModified),
            (since(AFTER), Standing::NotModified),
            (since(BEFORE), Standing::Wanted),
            (since("yesterday"), Standing::Wanted),
            (only("\"x\",\"a-b-c\""), Standing::Wanted),
            (only("*"), Standing::Wanted),
            (only("W/\"a-b-c\""), Standing::Failed),
            (only("\"x\""), Standing::Failed),
            (Head { if_unmodified_since: some(AFTER), ..only("\"x\"") }, Standing::Failed),
            (until(MODIFIED), Standing::Wanted),
            (until(BEFORE), Standing::Failed),
            (until("yesterday"), Standing::Wanted),
        ] {
            assert_eq!(validators().stands(&head), expected, "{head:?}");
        }
    }

    #[test]
    fn a_range_continues_only_its_own_version() {
        for (value, expected) in [
            ("\"a-b-c\"", true),
            ("W/\"a-b-c\"", false),
            ("\"x\"", false),
            (MODIFIED, true),
            (AFTER, false),
            ("", false),
        ] {
            let head = Head { if_range: some(value), ..Head::default() };
            assert_eq!(validators().range_applies(&head), expected, "{value}");
        }
        assert!(validators().range_applies(&Head::default()));
    }

    #[test]
    fn times_that_http_can_not_say() {
        assert_eq!(http_date(UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(http_date(UNIX_EPOCH + Duration::from_secs(1 << 40)), None);
    }
}
