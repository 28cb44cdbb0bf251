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

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
const STYLE: &str = "body{font:1rem system-ui,sans-serif;margin:2rem auto;max-width:50rem;padding:0 1rem}\
                     table{border-collapse:collapse;width:100%}td{padding:.3rem .5rem;border-top:1px solid #ddd}\
                     td+td{text-align:right;white-space:nowrap;color:#666}";

/// A row for a folder or a file below the page's own folder.
fn put_row(out: &mut Writer, name: &[u8], about: &str) {
    // `./` first: a name may begin with a slash or look like another scheme.
    out.raw(b"<tr><td><a href=\"./");
    push_url_encoded(out.buffer(), name);
    out.raw(b"\">").push_bytes(name);
    out.raw(b"</a></td><td>").raw(about.as_bytes()).raw(b"</td></tr>\n");
}

/// A folder.
pub(super) fn put_folder(out: &mut Writer, folder: &[u8], shown: &[u8]) {
    put_row(out, below(folder, shown), "");
}

/// A file.
pub(super) fn put_file(out: &mut Writer, folder: &[u8], shown: &[u8], view: &ObjectView<'_>) -> Result<(), MetaError> {
    let about = format!("{} \u{b7} {}", size(view.size()), panthera_wire::date::http_date(view.ordinal().timestamp()));
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

/// The whole page. `next` is the token of the page that follows.
pub(super) fn page(folder: &[u8], rows: &[&[u8]], next: Option<&str>) -> Reply {
    let mut out = Writer::default();
    out.raw(b"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>/").push_bytes(folder);
    out.raw(b"</title><meta name=\"viewport\" content=\"width=device-width\"><style>").raw(STYLE.as_bytes());
    out.raw(b"</style></head><body><h1>/").push_bytes(folder).raw(b"</h1>\n<table>\n");
    if !folder.is_empty() {
        out.raw(b"<tr><td><a href=\"../\">../</a></td><td></td></tr>\n");
    }
    for part in rows {
        out.raw(part);
    }
    out.raw(b"</table>\n");
    if let Some(token) = next {
        out.raw(b"<p><a href=\"?continuation-token=");
        push_url_encoded(out.buffer(), token.as_bytes());
        out.raw(b"\">more</a></p>\n");
    }
    out.raw(b"</body></html>\n");
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
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
        assert!(page.contains("href=\"./a%26b%3Fc%23d%252e\">a&amp;b?c#d%2e<"), "{page}");
    }

    #[test]
    fn sizes_are_for_people() {
        let cases = [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536 << 20, "1.5 GiB"), (u64::MAX, "16.0 EiB")];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }
}
