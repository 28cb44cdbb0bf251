//! The page planner: which keys stand on a page, which roll up into a common prefix, and where the scan may jump to.
//!
//! Belongs here: pure decisions about byte strings in order. Does not belong here: rows, rendering, I/O. Every listing
//! by key (objects, versions, uploads) asks this one planner, so that markers and prefixes mean the same in all.

use std::borrow::Cow;

use panthera_meta::keys;

/// What the client asked to see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter<'a> {
    /// Only keys that begin with this.
    pub prefix: &'a [u8],
    /// Rolls keys up; empty for none.
    pub delimiter: &'a [u8],
}

/// Where a listing starts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    /// At the first key not below this one.
    At(Vec<u8>),
    /// There is nothing to list.
    Nowhere,
}

impl Filter<'_> {
    /// The common prefix the key rolls up into: up to and with the first delimiter after the prefix.
    pub fn roll_up<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        let rest = key.get(self.prefix.len()..)?;
        let at = match self.delimiter {
            [] => return None,
            [byte] => rest.iter().position(|b| b == byte)?,
            many => rest.windows(many.len()).position(|window| window == many)?,
        };
        Some(&key[..self.prefix.len() + at + self.delimiter.len()])
    }

    /// The first key a page may show when everything up to and including `marker` has been shown.
    ///
    /// A marker inside a common prefix means that the prefix has been shown: it is not shown again.
    pub fn after(&self, marker: &[u8]) -> Start {
        if marker < self.prefix {
            return Start::At(self.prefix.to_vec());
        }
        if !marker.starts_with(self.prefix) {
            return Start::Nowhere;
        }
        match self.roll_up(marker) {
            Some(shown) => self.past(shown),
            None => Start::At(keys::next_key(marker)),
        }
    }

    /// The first key a page may show when `key` itself may still be shown (its older versions, its later uploads).
    pub fn from(&self, key: &[u8]) -> Start {
        if key.starts_with(self.prefix) && self.roll_up(key).is_none() {
            return Start::At(key.to_vec());
        }
        self.after(key)
    }

    /// The first key a page may show when all before this one are done with.
    pub fn at(&self, key: &[u8]) -> Start {
        match (key.starts_with(self.prefix), key < self.prefix) {
            (true, _) => Start::At(key.to_vec()),
            (false, true) => Start::At(self.prefix.to_vec()),
            (false, false) => Start::Nowhere,
        }
    }

    /// The first key beyond a common prefix.
    fn past(&self, shown: &[u8]) -> Start {
        match beyond(shown) {
            Some(next) => Start::At(next),
            None => Start::Nowhere,
        }
    }
}

/// The least key above every key that begins with `prefix`; `None` when there is none.
pub(crate) fn beyond(prefix: &[u8]) -> Option<Vec<u8>> {
    prefix.iter().any(|&b| b != 0xFF).then(|| keys::successor(prefix))
}

/// What to do with the row at hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// It stands on the page.
    Entry,
    /// It rolls up into the common prefix of this length, which now stands on the page. The scan may go on beyond it.
    Prefix(usize),
    /// The page is full and this row is on a later one: the listing is truncated.
    Full,
}

/// A page being filled, row by row, in key order.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    filter: Filter<'a>,
    limit: usize,
    taken: usize,
    truncated: bool,
}

impl<'a> Page<'a> {
    /// An empty page for at most `limit` entries and common prefixes.
    pub fn new(filter: Filter<'a>, limit: usize) -> Self {
        Self { filter, limit, taken: 0, truncated: false }
    }

    /// Places the next row. Rows arrive in order, begin with the prefix, and after `Place::Prefix` the next row lies
    /// beyond that prefix. After `Place::Full` no row may come.
    pub fn place(&mut self, key: &[u8]) -> Place {
        if self.taken == self.limit {
            // A limit of 0 shows nothing and promises nothing (AWS).
            self.truncated = self.limit > 0;
            return Place::Full;
        }
        self.taken += 1;
        match self.filter.roll_up(key) {
            Some(shown) => Place::Prefix(shown.len()),
            None => Place::Entry,
        }
    }

    /// Entries and common prefixes on the page.
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// There is more behind the page.
    pub fn truncated(&self) -> bool {
        self.truncated
    }
}

/// The key inside an escaped row key, and what follows it; borrowed unless the key contains 0x00.
pub(crate) fn unescape(escaped: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let zero = escaped.iter().position(|&b| b == 0)?;
    if escaped.get(zero + 1) == Some(&1) {
        return Some((Cow::Borrowed(&escaped[..zero]), &escaped[zero + 2..]));
    }
    keys::unescape(escaped).map(|(key, rest)| (Cow::Owned(key), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(key: &str) -> Start {
        Start::At(key.as_bytes().to_vec())
    }

    fn filter<'a>(prefix: &'a str, delimiter: &'a str) -> Filter<'a> {
        Filter { prefix: prefix.as_bytes(), delimiter: delimiter.as_bytes() }
    }

    #[test]
    fn keys_roll_up_at_the_first_delimiter_after_the_prefix() {
        let cases = [
            ("", "/", "a/b/c", Some("a/")),
            ("a/", "/", "a/b/c", Some("a/b/")),
            ("a/", "/", "a/", None),
            ("a", "/", "a/", Some("a/")),
            ("a/", "/", "a/b", None),
            ("", "/", "/", Some("/")),
            ("", "/", "//x", Some("/")),
            ("/", "/", "//x", Some("//")),
            ("", "", "a/b", None),
            ("", "ab", "xabyab", Some("xab")),
            ("x", "aa", "xaaa", Some("xaa")),
            ("xa", "ab", "xab", None),
            ("", "日", "a日b", Some("a日")),
        ];
        for (prefix, delimiter, key, want) in cases {
            let got = filter(prefix, delimiter).roll_up(key.as_bytes());
            assert_eq!(got, want.map(str::as_bytes), "{prefix} {delimiter} {key}");
        }
    }

    #[test]
    fn a_marker_inside_a_common_prefix_is_past_it() {
        assert_eq!(filter("", "").after(b""), at("\0"));
        assert_eq!(filter("", "").after(b"a/b"), at("a/b\0"));
        assert_eq!(filter("", "/").after(b"a/b"), at("a0"));
        assert_eq!(filter("", "/").after(b"a/"), at("a0"));
        assert_eq!(filter("", "/").after(b"a"), at("a\0"));
        assert_eq!(filter("a/", "/").after(b"a/"), at("a/\0"));
        assert_eq!(filter("a/", "/").after(b"a"), at("a/"));
        assert_eq!(filter("a/", "/").after(b"b"), Start::Nowhere);
        assert_eq!(filter("a/", "/").after(b"a/x/y"), at("a/x0"));
        assert_eq!(Filter { prefix: b"", delimiter: b"\xff" }.after(b"\xff"), Start::Nowhere);
        assert_eq!(Filter { prefix: b"", delimiter: b"\xff" }.after(b"a\xff"), at("b"));
    }

    #[test]
    fn a_key_with_older_versions_may_come_again_but_not_its_common_prefix() {
        assert_eq!(filter("", "/").from(b"a"), at("a"));
        assert_eq!(filter("", "/").from(b"a/b"), at("a0"));
        assert_eq!(filter("b", "/").from(b"a"), at("b"));
        assert_eq!(filter("b", "/").from(b"c"), Start::Nowhere);
    }

    #[test]
    fn a_page_goes_on_at_a_key_even_inside_a_common_prefix() {
        assert_eq!(filter("", "/").at(b"a/b"), at("a/b"));
        assert_eq!(filter("b", "/").at(b"a"), at("b"));
        assert_eq!(filter("b", "/").at(b"b/x"), at("b/x"));
        assert_eq!(filter("b", "/").at(b"c"), Start::Nowhere);
    }

    #[test]
    fn a_page_is_truncated_exactly_when_something_is_behind_it() {
        let mut page = Page::new(filter("", "/"), 2);
        assert_eq!(page.place(b"a"), Place::Entry);
        assert_eq!(page.place(b"b/1"), Place::Prefix(2));
        assert!(!page.truncated());
        assert_eq!(page.place(b"c"), Place::Full);
        assert!(page.truncated());
        assert_eq!(page.taken(), 2);
        let mut none = Page::new(filter("", ""), 0);
        assert_eq!(none.place(b"a"), Place::Full);
        assert!(!none.truncated());
    }

    #[test]
    fn escaped_keys_are_read_with_and_without_zeros() {
        for key in [&b""[..], b"plain", b"\0", b"a\0b\0\0", b"\x01"] {
            let mut row = Vec::new();
            keys::escape(key, &mut row);
            row.extend_from_slice(b"rest");
            let (read, rest) = unescape(&row).expect("escaped");
            assert_eq!((read.as_ref(), rest), (key, &b"rest"[..]));
        }
        assert!(unescape(b"no end").is_none());
        assert!(unescape(b"bad\0\x02").is_none());
    }
}
