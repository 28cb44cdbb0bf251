//! Reads request bodies: a small strict pull tokenizer.
//!
//! UTF-8 only (with or without BOM and declaration), no DOCTYPE, no entities beyond the five and character references,
//! depth capped, names compared without their namespace prefix. Everything else is MalformedXML. Time and memory are
//! linear in the body, which the pipeline has capped.

use std::borrow::Cow;

use panthera_base::limits::XML_DEPTH;
use panthera_base::{ErrorCode, S3Error, S3Result};

/// A position in a document, inside some element.
///
/// Walk it like this: [`Reader::root`], then [`Reader::child`] until it gives `None`; for each child either
/// [`Reader::text`] (a leaf), [`Reader::skip`], or a nested loop of `child`; then [`Reader::finish`].
#[derive(Debug)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Qualified names of the open elements.
    open: Vec<&'a str>,
    /// The last start tag was `<a/>`: its end is still to be told.
    empty: bool,
    /// The root element has been entered.
    rooted: bool,
}

enum Event<'a> {
    Start(&'a str),
    Text(Cow<'a, str>),
    End,
}

fn malformed(why: &str) -> S3Error {
    S3Error::new(ErrorCode::MalformedXML).detail(why)
}

impl<'a> Reader<'a> {
    /// Begins to read a body.
    pub fn new(body: &'a [u8]) -> S3Result<Self> {
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        let text = std::str::from_utf8(body).map_err(|_| malformed("not UTF-8"))?;
        let mut reader = Self { text, at: 0, open: Vec::with_capacity(4), empty: false, rooted: false };
        reader.declaration()?;
        Ok(reader)
    }

    /// Enters the root, which must have this name.
    pub fn root(&mut self, name: &str) -> S3Result<()> {
        match self.next()? {
            Some(Event::Start(found)) if found == name => Ok(()),
            Some(Event::Start(_)) => Err(malformed("another root element")),
            _ => Err(malformed("no root element")),
        }
    }

    /// Enters the next child of the current element and gives its name, or leaves the element and gives `None`.
    /// Text between children must be white space.
    pub fn child(&mut self) -> S3Result<Option<&'a str>> {
        loop {
            match self.next()? {
                Some(Event::Start(name)) => return Ok(Some(name)),
                Some(Event::End) => return Ok(None),
                Some(Event::Text(text)) if text.bytes().all(is_space) => {}
                Some(Event::Text(_)) => return Err(malformed("text between elements")),
                None => return Err(malformed("ends early")),
            }
        }
    }

    /// The text of the current element, verbatim, and leaves it. Elements inside are an error.
    pub fn text(&mut self) -> S3Result<Cow<'a, str>> {
        let mut text = Cow::Borrowed("");
        loop {
            match self.next()? {
                Some(Event::Text(more)) if text.is_empty() => text = more,
                Some(Event::Text(more)) => text.to_mut().push_str(&more),
                Some(Event::End) => return Ok(text),
                Some(Event::Start(_)) => return Err(malformed("an element where text belongs")),
                None => return Err(malformed("ends early")),
            }
        }
    }

    /// Leaves the current element without looking at what is in it.
    pub fn skip(&mut self) -> S3Result<()> {
        let outside = self.open.len().saturating_sub(1);
        while self.open.len() > outside {
            if self.next()?.is_none() {
                return Err(malformed("ends early"));
            }
        }
        Ok(())
    }

    /// Checks that the root is closed and nothing follows it.
    pub fn finish(&mut self) -> S3Result<()> {
        match self.next()? {
            None if self.open.is_empty() => Ok(()),
            _ => Err(malformed("something after the root element")),
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Takes everything before `end`, and moves past it.
    fn until(&mut self, end: &str) -> S3Result<&'a str> {
        let rest = self.rest();
        let at = rest.find(end).ok_or_else(|| malformed("ends early"))?;
        self.at += at + end.len();
        Ok(&rest[..at])
    }

    fn declaration(&mut self) -> S3Result<()> {
        let Some(after) = self.rest().strip_prefix("<?xml") else { return Ok(()) };
        if !after.starts_with(|c: char| c.is_ascii() && is_space(c as u8)) {
            return Ok(());
        }
        let inside = self.until("?>")?;
        check_chars(inside)?;
        if let Some((_, value)) = inside.split_once("encoding") {
            let value = value.trim_start().strip_prefix('=').map(str::trim_start).unwrap_or_default();
            let name = value.get(1..).and_then(|v| v.split(['"', '\'']).next()).unwrap_or_default();
            if !name.eq_ignore_ascii_case("utf-8") && !name.eq_ignore_ascii_case("us-ascii") {
                return Err(malformed("encoding is not UTF-8"));
            }
        }
        Ok(())
    }

    fn next(&mut self) -> S3Result<Option<Event<'a>>> {
        if std::mem::take(&mut self.empty) {
            self.open.pop();
            return Ok(Some(Event::End));
        }
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return if self.open.is_empty() { Ok(None) } else { Err(malformed("ends early")) };
            }
            if rest.starts_with("<!--") {
                self.comment()?;
            } else if rest.starts_with("<![CDATA[") {
                return self.cdata().map(Some);
            } else if rest.starts_with("<!") {
                return Err(malformed("DOCTYPE and declarations are not accepted"));
            } else if rest.starts_with("<?") {
                self.instruction()?;
            } else if rest.starts_with("</") {
                return self.end_tag().map(Some);
            } else if rest.starts_with('<') {
                return self.start_tag().map(Some);
            } else if let Some(text) = self.characters()? {
                return Ok(Some(Event::Text(text)));
            }
        }
    }

    fn comment(&mut self) -> S3Result<()> {
        self.at += "<!--".len();
        let inside = self.until("--")?;
        check_chars(inside)?;
        if !self.rest().starts_with('>') {
            return Err(malformed("-- inside a comment"));
        }
        self.at += 1;
        Ok(())
    }

    fn instruction(&mut self) -> S3Result<()> {
        self.at += "<?".len();
        let inside = self.until("?>")?;
        check_chars(inside)?;
        let target = inside.split(|c: char| c.is_ascii_whitespace()).next().unwrap_or_default();
        if target.is_empty() || target.eq_ignore_ascii_case("xml") {
            return Err(malformed("a declaration where none belongs"));
        }
        Ok(())
    }

    fn cdata(&mut self) -> S3Result<Event<'a>> {
        if self.open.is_empty() {
            return Err(malformed("text outside the root element"));
        }
        self.at += "<![CDATA[".len();
        let inside = self.until("]]>")?;
        check_chars(inside)?;
        Ok(Event::Text(normalize_newlines(inside)))
    }

    fn end_tag(&mut self) -> S3Result<Event<'a>> {
        self.at += 2;
        let name = self.name()?;
        self.spaces();
        if !self.rest().starts_with('>') {
            return Err(malformed("an end tag that does not end"));
        }
        self.at += 1;
        match self.open.pop() {
            Some(open) if open == name => Ok(Event::End),
            _ => Err(malformed("an end tag without its start tag")),
        }
    }

    fn start_tag(&mut self) -> S3Result<Event<'a>> {
        if self.open.is_empty() && std::mem::replace(&mut self.rooted, true) {
            return Err(malformed("two root elements"));
        }
        if self.open.len() >= XML_DEPTH {
            return Err(malformed("nested too deeply"));
        }
        self.at += 1;
        let name = self.name()?;
        loop {
            let spaced = self.spaces();
            let rest = self.rest();
            if rest.starts_with('>') {
                self.at += 1;
                break;
            }
            if rest.starts_with("/>") {
                self.at += 2;
                self.empty = true;
                break;
            }
            if !spaced {
                return Err(malformed("attributes need a space between them"));
            }
            self.attribute()?;
        }
        self.open.push(name);
        Ok(Event::Start(name.rsplit_once(':').map_or(name, |(_, local)| local)))
    }

    /// Checks one attribute and forgets it: no document that reaches native code uses any.
    fn attribute(&mut self) -> S3Result<()> {
        self.name()?;
        self.spaces();
        if !self.rest().starts_with('=') {
            return Err(malformed("an attribute without value"));
        }
        self.at += 1;
        self.spaces();
        let quote = if self.rest().starts_with('"') { "\"" } else { "'" };
        if !self.rest().starts_with(quote) {
            return Err(malformed("an attribute without quotes"));
        }
        self.at += 1;
        let value = self.until(quote)?;
        if value.contains('<') {
            return Err(malformed("< in an attribute"));
        }
        unescape(value).map(drop)
    }

    fn name(&mut self) -> S3Result<&'a str> {
        let rest = self.rest();
        let ends = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-' | '.') || !c.is_ascii());
        let end = rest.find(ends).unwrap_or(rest.len());
        let name = &rest[..end];
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.') {
            return Err(malformed("a name that is none"));
        }
        self.at += end;
        Ok(name)
    }

    fn spaces(&mut self) -> bool {
        let spaces = self.rest().bytes().take_while(|&b| is_space(b)).count();
        self.at += spaces;
        spaces > 0
    }

    /// Text up to the next `<`. `None` for white space outside the root.
    fn characters(&mut self) -> S3Result<Option<Cow<'a, str>>> {
        let rest = self.rest();
        let raw = &rest[..rest.find('<').unwrap_or(rest.len())];
        self.at += raw.len();
        if self.open.is_empty() {
            return if raw.bytes().all(is_space) { Ok(None) } else { Err(malformed("text outside the root element")) };
        }
        if raw.contains("]]>") {
            return Err(malformed("]]> in text"));
        }
        unescape(raw).map(Some)
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Refuses characters XML 1.0 does not have.
fn check_chars(text: &str) -> S3Result<()> {
    let bad = |b: u8| b < 0x20 && !is_space(b);
    if text.bytes().any(bad) || text.contains(['\u{FFFE}', '\u{FFFF}']) {
        return Err(malformed("a character XML does not have"));
    }
    Ok(())
}

fn normalize_newlines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")) } else { Cow::Borrowed(text) }
}

fn unescape(raw: &str) -> S3Result<Cow<'_, str>> {
    check_chars(raw)?;
    if !raw.contains('&') {
        return Ok(normalize_newlines(raw));
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('&') {
        out.push_str(&normalize_newlines(&rest[..at]));
        let end = rest[at..].find(';').ok_or_else(|| malformed("& that starts no reference"))?;
        out.push(reference(&rest[at + 1..at + end])?);
        rest = &rest[at + end + 1..];
    }
    out.push_str(&normalize_newlines(rest));
    Ok(Cow::Owned(out))
}

/// What stands between `&` and `;`. References to control characters are accepted although XML 1.0 has no such
/// characters: it is how keys that contain them are written, by AWS and by our listings.
fn reference(name: &str) -> S3Result<char> {
    let number = match name {
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "amp" => return Ok('&'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => name.strip_prefix('#').ok_or_else(|| malformed("an entity beyond the five"))?,
    };
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(malformed("a character reference that is none"));
    }
    u32::from_str_radix(digits, radix)
        .ok()
        .and_then(char::from_u32)
        .ok_or_else(|| malformed("a reference to no character"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document as nested brackets: enough to see structure and text.
    fn shape(body: &[u8]) -> S3Result<String> {
        let mut reader = Reader::new(body)?;
        let mut out = String::new();
        while let Some(event) = reader.next()? {
            match event {
                Event::Start(name) => out.push_str(&format!("{name}(")),
                Event::Text(text) => out.push_str(&text),
                Event::End => out.push(')'),
            }
        }
        Ok(out)
    }

    #[test]
    fn reads_what_clients_send() {
        let cases: &[(&str, &str)] = &[
            ("<a/>", "a()"),
            ("<a></a>", "a()"),
            ("\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>x</a>\n", "a(x)"),
            ("<?xml version='1.0' encoding='utf-8' standalone=\"yes\"?><a/>", "a()"),
            ("<!-- <hi --><a><!----><b>1</b><?pi x?></a ><!-- bye -->", "a(b(1))"),
            ("<s3:a xmlns:s3=\"u\" s3:x = 'y>z'><s3:b/></s3:a>", "a(b())"),
            ("<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x1F981;&#1;</a>", "a(<>&\"'A\u{1F981}\u{1})"),
            ("<a><![CDATA[<b>&amp;]]></a>", "a(<b>&amp;)"),
            ("<a>x\r\ny\rz&#13;</a>", "a(x\ny\nz\r)"),
            ("<a>  keep  </a>", "a(  keep  )"),
            ("<ключ>日本</ключ>", "ключ(日本)"),
        ];
        for (body, want) in cases {
            assert_eq!(shape(body.as_bytes()).expect(body), *want, "{body}");
        }
    }

    #[test]
    fn refuses_what_is_not_xml_or_not_ours() {
        let cases: &[&str] = &[
            "",
            " ",
            "x",
            "<",
            "<a",
            "<a>",
            "</a>",
            "<a></b>",
            "<a><b></a></b>",
            "<a/><b/>",
            "<a/>x",
            "x<a/>",
            "<a/",
            "<a b/>",
            "<a b=c/>",
            "<a b='<'/>",
            "<a b='&x;'/>",
            "<a b='1'c='2'/>",
            "<1a/>",
            "<-a/>",
            "< a/>",
            "<a>&</a>",
            "<a>&nbsp;</a>",
            "<a>&#xD800;</a>",
            "<a>&#x110000;</a>",
            "<a>&#99999999999;</a>",
            "<a>&#;</a>",
            "<a>&#+65;</a>",
            "<a>&#x;</a>",
            "<a>\u{1}</a>",
            "<a>\u{0}</a>",
            "<a>\u{ffff}</a>",
            "<a>]]></a>",
            "<a><!-- -- --></a>",
            "<a><!--</a>",
            "<!DOCTYPE a><a/>",
            "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
            "<a><!ELEMENT b></a>",
            "<![CDATA[x]]><a/>",
            "<a><![CDATA[x</a>",
            "<?xml version='1.0' encoding='utf-16'?><a/>",
            "<a/><?xml version='1.0'?>",
            "<a><?xml x?></a>",
            "<?xml version='1.0'<a/>",
        ];
        for body in cases {
            let error = match shape(body.as_bytes()) {
                Ok(read) if read.is_empty() => {
                    Reader::new(body.as_bytes()).and_then(|mut r| r.root("a")).expect_err(body)
                }
                other => other.expect_err(body),
            };
            assert_eq!(error.code(), ErrorCode::MalformedXML, "{body}");
        }
        assert!(shape(b"<a>\xff</a>").is_err());
        assert!(shape(&"<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()).is_err());
    }

    #[test]
    fn depth_is_capped_at_the_limit() {
        let nested = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
        assert!(shape(nested(XML_DEPTH).as_bytes()).is_ok());
        assert!(shape(nested(XML_DEPTH + 1).as_bytes()).is_err());
        assert!(shape("<a>".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn a_walk_by_name_skips_the_unknown() {
        let body = b"<Delete xmlns=\"x\"> <Quiet>true</Quiet><Later><a>1<b/></a></Later><Object><Key>a&amp;<!-- c -->b</Key></Object></Delete>";
        let mut reader = Reader::new(body).expect("well-formed");
        reader.root("Delete").expect("root");
        let mut seen = Vec::new();
        while let Some(name) = reader.child().expect("child") {
            match name {
                "Quiet" => seen.push(reader.text().expect("text").into_owned()),
                "Object" => {
                    while let Some(field) = reader.child().expect("child") {
                        seen.push(format!("{field}={}", reader.text().expect("text")));
                    }
                }
                _ => reader.skip().expect("skip"),
            }
        }
        reader.finish().expect("end");
        assert_eq!(seen, ["true", "Key=a&b"]);
    }

    #[test]
    fn structure_errors_are_told_where_they_are_met() {
        let open = |body: &'static str| {
            let mut reader = Reader::new(body.as_bytes()).expect("UTF-8");
            reader.root("a").expect("root");
            reader
        };
        assert!(Reader::new(b"<b/>").and_then(|mut r| r.root("a")).is_err());
        assert!(open("<a>text<b/></a>").child().is_err());
        assert!(open("<a>text<b/></a>").text().is_err());
        assert!(open("<a><b>").child().is_ok());
        assert!(open("<a><b>").skip().is_err());
        assert_eq!(open("<a/>").child().expect("fine"), None);
        assert_eq!(open("<a/>").text().expect("fine"), "");
        let mut trailing = open("<a></a><!-- ok -->");
        assert_eq!(trailing.child().expect("fine"), None);
        trailing.finish().expect("comment may follow");
        let mut unclosed = open("<a><b/></a>");
        unclosed.child().expect("b");
        assert!(unclosed.finish().is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = shape(&body);
        }

        #[test]
        fn any_markup_soup_is_read_or_refused(parts in proptest::collection::vec(
            proptest::sample::select(vec!["<a>", "</a>", "<b/>", "&amp;", "&#x41;", "text", " ", "<!--", "-->", "<![CDATA[", "]]>", "<?xml ", "?>", "é", "\"", "<a b='"]),
            0..30)) {
            let _ = shape(parts.concat().as_bytes());
        }

        #[test]
        fn what_the_writer_escapes_the_reader_reads(text in "\\PC*|[\u{0}-\u{20}<>&\"'\u{fff0}-\u{ffff}]{0,20}") {
            let mut writer = crate::xml::Writer::document("a", 0);
            writer.text("k", &text);
            let body = writer.finish("a");
            let mut reader = Reader::new(&body).expect("UTF-8");
            reader.root("a").expect("root");
            proptest::prop_assert_eq!(reader.child().expect("child"), Some("k"));
            proptest::prop_assert_eq!(reader.text().expect("text"), text);
            proptest::prop_assert_eq!(reader.child().expect("end"), None);
            reader.finish().expect("end");
        }
    }
}
