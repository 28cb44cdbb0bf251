//! Listings against sorting and filtering in memory, page by page, with the tokens the pages give.

use std::collections::BTreeSet;

use panthera_base::ErrorCode;
use panthera_meta::records::Versioning;
use panthera_object::api::{NativeOp, Query};
use panthera_wire::{uri, xml};

use crate::service::{Answer, Scene};
use crate::tape::Tape;

const LETTERS: [&str; 7] = ["a", "b", "/", "//", "\u{1}", "ü", "\u{10FFFF}"];

fn key(tape: &mut Tape<'_>) -> String {
    (0..tape.below(6)).map(|_| tape.pick(&LETTERS)).collect()
}

/// Keys and common prefixes in one order, as a client that pages through sees them.
fn naive(keys: &BTreeSet<String>, prefix: &str, delimiter: &str, after: &str) -> Vec<(bool, String)> {
    let mut out: Vec<(bool, String)> = Vec::new();
    for key in keys.iter().filter(|key| key.starts_with(prefix)) {
        let rest = &key[prefix.len()..];
        let common = rest
            .find(delimiter)
            .filter(|_| !delimiter.is_empty())
            .map(|at| &key[..prefix.len() + at + delimiter.len()]);
        let item = common.map_or((false, key.as_str()), |common| (true, common));
        // A prefix is left out when it stands before the place to start, like a key.
        if key.as_str() > after && item.1 > after && out.last().is_none_or(|last| last.1 != item.1) {
            out.push((item.0, item.1.to_owned()));
        }
    }
    out
}

struct Page {
    items: Vec<(bool, String)>,
    token: Option<String>,
}

fn page(answer: &Answer, coded: bool) -> Page {
    let mut out = Page { items: Vec::new(), token: None };
    let mut read = || -> Result<(), panthera_base::S3Error> {
        let decode = |text: &str| {
            let plain = || text.to_owned();
            if coded {
                String::from_utf8(uri::percent_decode(&text.replace('+', " ")).unwrap_or_default()).unwrap_or_default()
            } else {
                plain()
            }
        };
        let mut reader = xml::Reader::new(&answer.body)?;
        reader.root("ListBucketResult")?;
        while let Some(name) = reader.child()? {
            match name {
                "Contents" | "CommonPrefixes" => {
                    while let Some(inner) = reader.child()? {
                        match inner {
                            "Key" | "Prefix" => out.items.push((inner == "Prefix", decode(&reader.text()?))),
                            _ => reader.skip()?,
                        }
                    }
                }
                "NextContinuationToken" => out.token = Some(reader.text()?.into_owned()),
                _ => reader.skip()?,
            }
        }
        reader.finish()
    };
    let read = read();
    assert!(read.is_ok(), "a listing is no document: {read:?}");
    out.items.sort_by(|a, b| a.1.cmp(&b.1));
    out
}

/// Keys, prefix, delimiter, start, page size; the rest is a token nobody gave.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let scene = Scene::new(Versioning::Never);
    let keys: BTreeSet<String> = (0..tape.below(24)).map(|_| key(&mut tape)).filter(|key| !key.is_empty()).collect();
    for key in &keys {
        assert!(scene.send(scene.call(NativeOp::PutObject, key.as_bytes())).error.is_none());
    }
    let (prefix, after) = (key(&mut tape), key(&mut tape));
    let delimiter = tape.pick(&["", "/", "a", "//", "ü"]);
    let (size, coded) = (1 + tape.below(6), tape.flag());
    let ask = |token: Option<&str>| {
        let mut call = scene.call(NativeOp::ListObjectsV2, b"");
        let size = size.to_string();
        let mut pairs = vec![("list-type", "2"), ("prefix", &prefix), ("delimiter", delimiter), ("max-keys", &size)];
        pairs.extend(token.map(|token| ("continuation-token", token)));
        pairs.extend((!after.is_empty()).then_some(("start-after", after.as_str())));
        pairs.extend(coded.then_some(("encoding-type", "url")));
        call.query = Query(pairs.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect());
        scene.send(call)
    };
    let mut got = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let answer = ask(token.as_deref());
        assert!(answer.error.is_none(), "our own token is refused: {:?}", answer.error);
        let page = page(&answer, coded);
        assert!(page.items.len() <= size, "a page is too long");
        assert!(page.token.is_none() || page.items.len() == size, "a page is too short");
        got.extend(page.items);
        token = page.token;
        if token.is_none() {
            break;
        }
        assert!(got.len() <= keys.len(), "listing does not end");
    }
    assert_eq!(
        got,
        naive(&keys, &prefix, delimiter, &after),
        "{keys:?} prefix {prefix:?} delimiter {delimiter:?} after {after:?}"
    );
    let stranger = String::from_utf8_lossy(tape.rest()).into_owned();
    if let Some(error) = ask(Some(&stranger)).error {
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }
}
