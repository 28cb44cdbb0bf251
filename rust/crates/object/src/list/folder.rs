//! A folder behind a share link as a page for people: names with sizes, folders first to walk into. No scripts, nothing
//! from elsewhere; whatever comes from a key is escaped as text and percent-encoded as an address.
//!
//! Belongs here: the page. Does not belong here: which names are on it (`objects`).

use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use panthera_meta::MetaError;
use panthera_meta::records::ObjectView;
use panthera_wire::xml::Writer;

use super::push_url_encoded;
use crate::api::{Reply, ReplyBody};
use crate::page;

/// What a share of a whole bucket is called: the bucket's name is the owner's.
const NAMELESS: &[u8] = b"Shared files";

/// A row for a folder or a file below the page's own folder.
fn put_row(out: &mut Writer, name: &[u8], about: &str) {
    // `./` first: a name may begin with a slash or look like another scheme. `bdi` keeps its direction to itself.
    out.raw(b"<li><a href=\"./");
    push_url_encoded(out.buffer(), name);
    out.raw(b"\"><bdi>").push_bytes(legible(name).as_bytes());
    out.raw(b"</bdi>").raw(about.as_bytes()).raw(b"</a></li>\n");
}

/// A name as a page shows it: what would move, hide or turn its letters around stands there as a character of its own, so
/// that `\u{202e}gpj.exe` does not read as a picture.
fn legible(name: &[u8]) -> String {
    let turns = |c: char| matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let shown = |c: char| if c.is_control() || turns(c) { char::REPLACEMENT_CHARACTER } else { c };
    String::from_utf8_lossy(name).chars().map(shown).collect()
}

/// A folder.
pub(super) fn put_folder(out: &mut Writer, folder: &[u8], shown: &[u8]) {
    put_row(out, below(folder, shown), "");
}

/// A file.
pub(super) fn put_file(out: &mut Writer, folder: &[u8], shown: &[u8], view: &ObjectView<'_>) -> Result<(), MetaError> {
    let (size, at) = (size(view.size()), panthera_wire::date::iso8601(view.ordinal().timestamp()));
    // 2026-11-25T18:35:22.000Z
    let minute = at.get(..16).unwrap_or(&at).replace('T', " ");
    let about =
        format!("<span class=\"about size\">{size}</span><time class=\"about\" datetime=\"{at}\">{minute} UTC</time>");
    put_row(out, below(folder, shown), &about);
    Ok(())
}

fn below<'k>(folder: &[u8], shown: &'k [u8]) -> &'k [u8] {
    shown.strip_prefix(folder).unwrap_or(shown)
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut value, mut unit) = (bytes as f64, None);
    for name in UNITS {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, Some(name));
    }
    unit.map_or(format!("{bytes} B"), |unit| format!("{value:.1} {unit}"))
}

/// The last element of a path that ends in a slash.
fn last_element(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path).rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}

/// The way down from the share to the folder, each step a link.
fn put_way(out: &mut Writer, share: &[u8], folder: &[u8]) {
    let Some(path) = folder.strip_suffix(b"/") else { return };
    let steps: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
    out.raw(b"<nav aria-label=\"Folders\">");
    for (up, name) in (1..=steps.len()).rev().zip(std::iter::once(share).chain(steps.iter().copied())) {
        out.raw(b"<a href=\"").raw("../".repeat(up).as_bytes()).raw(b"\"><bdi>").push_bytes(legible(name).as_bytes());
        out.raw(b"</bdi></a> / ");
    }
    out.raw(b"</nav>\n");
}

/// The whole page. The share is called by the last element of its path; `next` is the token of the page that follows.
pub(super) fn page(path: &[u8], folder: &[u8], rows: &[&[u8]], next: Option<&str>) -> Reply {
    let share = Some(last_element(path)).filter(|name| !name.is_empty()).unwrap_or(NAMELESS);
    let title = Some(last_element(folder)).filter(|name| !name.is_empty()).unwrap_or(share);
    let mut out = Writer::default();
    page::open(&mut out, legible(title).as_bytes());
    put_way(&mut out, share, folder);
    out.raw(b"<h1><bdi>").push_bytes(legible(title).as_bytes()).raw(b"</bdi></h1>\n");
    if rows.iter().all(|part| part.is_empty()) {
        out.raw(b"<p>There is nothing here.</p>\n");
    } else {
        out.raw(b"<ul>\n");
        for part in rows {
            out.raw(part);
        }
        out.raw(b"</ul>\n");
    }
    if let Some(token) = next {
        out.raw(b"<p><a href=\"?continuation-token=");
        push_url_encoded(out.buffer(), token.as_bytes());
        out.raw(b"\">More</a></p>\n");
    }
    page::close(&mut out);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::POLICY));
    let body = ReplyBody::Bytes(std::mem::take(out.buffer()).into());
    Reply { status: StatusCode::OK, headers, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_and_addresses_whatever_is_in_them() {
        let mut out = Writer::default();
        for name in ["f/<script>alert(1)</script>", "f/\"onload=x", "f/javascript:alert(1)", "f//etc", "f/a&b?c#d%2e"] {
            put_folder(&mut out, b"f/", name.as_bytes());
        }
        let page = String::from_utf8(std::mem::take(out.buffer())).unwrap();
        assert!(!page.contains("<script") && !page.contains("\"onload"), "{page}");
        assert!(page.contains("href=\"./javascript%3Aalert%281%29\"") && page.contains("href=\".//etc\""), "{page}");
        assert!(page.contains("href=\"./a%26b%3Fc%23d%252e\"><bdi>a&amp;b?c#d%2e<"), "{page}");
    }

    #[test]
    fn a_page_is_called_by_the_folder_or_the_share_and_never_by_what_is_above_it() {
        let text = |path: &str, folder: &str| {
            let reply = page(path.as_bytes(), folder.as_bytes(), &[], None);
            let ReplyBody::Bytes(body) = reply.body else { panic!("a page is whole") };
            String::from_utf8(body.to_vec()).unwrap()
        };
        assert!(text("", "").contains("<title>Shared files</title>"));
        let top = text("secret/photos/", "");
        assert!(top.contains("<title>photos</title>") && !top.contains("secret") && !top.contains("<nav"), "{top}");
        let deep = text("secret/photos/", "a/<b>/");
        assert!(deep.contains("<title>&lt;b&gt;</title>") && !deep.contains("secret"), "{deep}");
        let way = "<a href=\"../../\"><bdi>photos</bdi></a> / <a href=\"../\"><bdi>a</bdi></a> / </nav>";
        assert!(deep.contains(way), "{deep}");
    }

    #[test]
    fn names_read_as_what_they_are() {
        assert_eq!(legible("\u{202e}gpj.exe".as_bytes()), "\u{fffd}gpj.exe");
        assert_eq!(legible(b"line\nbreak\x07"), "line\u{fffd}break\u{fffd}");
        assert_eq!(legible("\u{5e9}\u{5dc}\u{5d5}\u{5dd}.txt".as_bytes()), "\u{5e9}\u{5dc}\u{5d5}\u{5dd}.txt");
    }

    #[test]
    fn sizes_are_for_people() {
        let cases = [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536 << 20, "1.5 GiB"), (u64::MAX, "16.0 EiB")];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }
}
