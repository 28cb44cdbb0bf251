//! Writes documents into one growing buffer: no tree, no allocation per element.
//!
//! Belongs here: escaping and numbers. The caller is trusted to close what it opens; names are constants of ours.

use bytes::Bytes;
use panthera_base::Timestamp;

/// The namespace of every S3 document.
const NAMESPACE: &[u8] = b"http://s3.amazonaws.com/doc/2006-03-01/";
const DECLARATION: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// An XML document in the making.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// A document whose root is in S3's namespace; `capacity` bytes are set aside.
    pub fn document(root: &str, capacity: usize) -> Self {
        let mut writer = Self::bare(capacity);
        writer.out.push(b'<');
        writer.out.extend_from_slice(root.as_bytes());
        writer.out.extend_from_slice(b" xmlns=\"");
        writer.out.extend_from_slice(NAMESPACE);
        writer.out.extend_from_slice(b"\">");
        writer
    }

    /// A document without a root yet (error documents have no namespace).
    pub fn bare(capacity: usize) -> Self {
        let mut out = Vec::with_capacity(capacity);
        out.extend_from_slice(DECLARATION);
        Self { out }
    }

    /// `<name>`
    pub fn open(&mut self, name: &str) -> &mut Self {
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
        self
    }

    /// `</name>`
    pub fn close(&mut self, name: &str) -> &mut Self {
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
        self
    }

    /// `<name>text</name>`, escaped.
    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.open(name);
        escape_into(&mut self.out, text.as_bytes());
        self.close(name)
    }

    /// As [`Writer::text`] for bytes that should be UTF-8; what is not becomes U+FFFD.
    pub fn bytes(&mut self, name: &str, text: &[u8]) -> &mut Self {
        self.open(name);
        self.push_bytes(text);
        self.close(name)
    }

    /// `<name>123</name>`
    pub fn number(&mut self, name: &str, number: u64) -> &mut Self {
        self.open(name);
        push_number(&mut self.out, number);
        self.close(name)
    }

    /// `<name>true</name>`
    pub fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.open(name);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        self.close(name)
    }

    /// `<name>2026-11-21T07:00:00.000Z</name>`
    pub fn time(&mut self, name: &str, time: Timestamp) -> &mut Self {
        self.open(name);
        crate::date::push_iso8601(&mut self.out, time);
        self.close(name)
    }

    /// Escaped text, no element around it; bytes that are not UTF-8 become U+FFFD.
    pub fn push_bytes(&mut self, text: &[u8]) -> &mut Self {
        match std::str::from_utf8(text) {
            Ok(_) => escape_into(&mut self.out, text),
            Err(_) => escape_into(&mut self.out, String::from_utf8_lossy(text).as_bytes()),
        }
        self
    }

    /// Verbatim bytes: constants of ours, and values that cannot need escaping.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.out.extend_from_slice(bytes);
        self
    }

    /// The buffer, for writers of other things (dates, URL encoding).
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Closes the root and gives the document.
    pub fn finish(mut self, root: &str) -> Bytes {
        self.close(root);
        Bytes::from(self.out)
    }
}

/// Decimal digits.
pub fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Bytes that end a run that can be copied as it is. 0xEF starts U+FFFE and U+FFFF, which XML has not.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = byte != b'\t' as usize && byte != b'\n' as usize;
        byte += 1;
    }
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'&' as usize] = true;
    table[b'"' as usize] = true;
    table[0xEF] = true;
    table
};

/// Valid UTF-8 in, XML text out. Characters XML 1.0 has no way to write get a character reference all the same, as AWS
/// does: lenient clients read the true key, strict ones complain instead of reading a wrong one.
fn escape_into(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&b| SPECIAL[b as usize]) {
        out.extend_from_slice(&rest[..at]);
        let mut used = 1;
        match rest[at] {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\r' => out.extend_from_slice(b"&#13;"),
            0xEF => used = push_three_byte(out, &rest[at..]),
            control => push_reference(out, control),
        }
        rest = &rest[at + used..];
    }
    out.extend_from_slice(rest);
}

fn push_reference(out: &mut Vec<u8>, control: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"&#x");
    if control >= 16 {
        out.push(HEX[usize::from(control >> 4)]);
    }
    out.push(HEX[usize::from(control & 15)]);
    out.push(b';');
}

/// A character whose UTF-8 starts with 0xEF; returns its length.
fn push_three_byte(out: &mut Vec<u8>, text: &[u8]) -> usize {
    match text {
        [0xEF, 0xBF, 0xBE, ..] => out.extend_from_slice(b"&#xfffe;"),
        [0xEF, 0xBF, 0xBF, ..] => out.extend_from_slice(b"&#xffff;"),
        _ => out.extend_from_slice(&text[..text.len().min(3)]),
    }
    text.len().min(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        escape_into(&mut out, text.as_bytes());
        String::from_utf8(out).expect("UTF-8 in, UTF-8 out")
    }

    #[test]
    fn text_is_escaped_and_nothing_else_is() {
        assert_eq!(escaped("plain/key-ü-日本-🦁"), "plain/key-ü-日本-🦁");
        assert_eq!(escaped("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;'");
        assert_eq!(escaped("a\tb\nc\rd"), "a\tb\nc&#13;d");
        assert_eq!(escaped("\u{0}\u{1}\u{1f}\u{7f}"), "&#x0;&#x1;&#x1f;\u{7f}");
        assert_eq!(escaped("\u{fffd}\u{fffe}\u{ffff}\u{feff}"), "\u{fffd}&#xfffe;&#xffff;\u{feff}");
    }

    #[test]
    fn numbers_have_all_their_digits() {
        for number in [0, 9, 10, 99, 1_000_000, u64::MAX] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }

    #[test]
    fn a_document_reads_as_written() {
        let mut w = Writer::document("Root", 64);
        w.text("Key", "a&b").number("Size", 7).flag("IsTruncated", false).open("Owner").close("Owner");
        w.bytes("Raw", b"a\xffb").time("At", Timestamp(1_795_244_400_123_456));
        let text = String::from_utf8(w.finish("Root").to_vec()).expect("UTF-8");
        assert_eq!(
            text,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Root xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Key>a&amp;b</Key><Size>7</Size><IsTruncated>false</IsTruncated><Owner></Owner><Raw>a\u{fffd}b</Raw>\
             <At>2026-11-21T07:00:00.123Z</At></Root>"
        );
    }
}
