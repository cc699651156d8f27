//! What tells one version of a file from another, and the requests that ask for it (RFC 9110
//! section 13).

use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;
use hyper::HeaderMap;
use hyper::header::{HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE};

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
    pub(super) fn of(open: &OpenFile) -> io::Result<Self> {
        let since_epoch = open.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (nanos, inode) = (since_epoch.as_nanos(), open.file.metadata()?.ino());
        let etag = format!("\"{:x}-{nanos:x}-{inode:x}\"", open.len);
        Ok(Self { etag, modified: http_date(open.modified) })
    }

    /// Does the client have this version? `If-None-Match` decides where there is one.
    pub(super) fn not_modified(&self, headers: &HeaderMap) -> bool {
        if headers.contains_key(IF_NONE_MATCH) {
            return headers.get_all(IF_NONE_MATCH).iter().any(|value| {
                let tags = value.to_str().unwrap_or_default().split(',').map(str::trim);
                tags.map(|tag| tag.trim_start_matches("W/"))
                    .any(|tag| tag == "*" || tag == self.etag)
            });
        }
        let since = text(headers, IF_MODIFIED_SINCE).and_then(|date| date.parse().ok());
        since.zip(self.modified).is_some_and(|(since, modified): (HttpDate, _)| modified <= since)
    }

    /// Does the range that is asked for continue this version? Yes, where the client did not ask.
    pub(super) fn range_applies(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(IF_RANGE) {
            return true;
        }
        text(headers, IF_RANGE).is_some_and(|value| {
            value == self.etag || self.modified.is_some_and(|date| value.parse().ok() == Some(date))
        })
    }
}

/// A header's value, where it is ASCII.
pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
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

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    const MODIFIED: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
    const BEFORE: &str = "Sun, 09 Sep 2001 01:46:39 GMT";
    const AFTER: &str = "Mon, 10 Sep 2001 01:46:40 GMT";

    #[test]
    fn not_modified() {
        for (pairs, expected) in [
            (vec![], false),
            (vec![(IF_NONE_MATCH, "\"a-b-c\"")], true),
            (vec![(IF_NONE_MATCH, "\"x\", W/\"a-b-c\"")], true),
            (vec![(IF_NONE_MATCH, "*")], true),
            (vec![(IF_NONE_MATCH, "\"x\"")], false),
            (vec![(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, AFTER)], false),
            (vec![(IF_MODIFIED_SINCE, MODIFIED)], true),
            (vec![(IF_MODIFIED_SINCE, AFTER)], true),
            (vec![(IF_MODIFIED_SINCE, BEFORE)], false),
            (vec![(IF_MODIFIED_SINCE, "yesterday")], false),
        ] {
            assert_eq!(validators().not_modified(&headers(&pairs)), expected, "{pairs:?}");
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
            let applies = validators().range_applies(&headers(&[(IF_RANGE, value)]));
            assert_eq!(applies, expected, "{value}");
        }
        assert!(validators().range_applies(&HeaderMap::new()));
    }

    #[test]
    fn times_that_http_can_not_say() {
        assert_eq!(http_date(UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(http_date(UNIX_EPOCH + Duration::from_secs(1 << 40)), None);
    }
}
