//! What pages for people have in common: a head, a style, and a policy that lets nothing in and nothing out. No scripts,
//! nothing from elsewhere; light or dark as the reader has it, narrow or wide.
//!
//! Belongs here: the frame. Does not belong here: what a page says (`list::folder`, errors in crate `front`).

use panthera_wire::xml::Writer;

/// Content-Security-Policy of every page.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                          frame-ancestors 'none'";

const STYLE: &str = ":root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6570;--line:#d9dee3;--page:#fff;--link:#0b57d0;\
--over:#f2f5f8}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#9aa5b1;--line:#333a41;--page:#16191c;--link:#8ab4f8;\
--over:#20252a}}\
*{box-sizing:border-box}body{margin:0 auto;max-width:56rem;padding:1.5rem 1rem 3rem;background:var(--page);\
color:var(--ink);font:1rem/1.5 system-ui,sans-serif}\
h1{font-size:1.375rem;line-height:1.3;margin:.5rem 0 .25rem;overflow-wrap:anywhere}p{margin:.5rem 0;color:var(--soft)}\
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}\
nav{margin:0 0 1rem;color:var(--soft);overflow-wrap:anywhere}\
ul{list-style:none;margin:0;padding:0;border-top:1px solid var(--line)}li{border-bottom:1px solid var(--line)}\
li a{display:flex;flex-wrap:wrap;gap:0 1.25rem;padding:.625rem .5rem}li a:hover{background:var(--over)}\
li bdi{flex:1 1 16rem;min-width:0;overflow-wrap:anywhere;white-space:pre-wrap;text-align:left}\
.about{color:var(--soft);white-space:nowrap;font-variant-numeric:tabular-nums}.size{min-width:6rem;text-align:right}\
@media(max-width:36rem){li bdi{flex-basis:100%}.size{min-width:0;text-align:left}}";

/// A page up to its body. The title is text, whatever is in it.
pub fn open(out: &mut Writer, title: &[u8]) {
    out.raw(b"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>").push_bytes(title);
    out.raw(b"</title><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    out.raw(b"<meta name=\"robots\" content=\"noindex\"><style>").raw(STYLE.as_bytes()).raw(b"</style></head><body>\n");
}

/// Its end.
pub fn close(out: &mut Writer) {
    out.raw(b"</body></html>\n");
}
