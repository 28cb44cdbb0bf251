//! The XML reader: any bytes end in a document or an error, and what the writer writes is read back.

use std::borrow::Cow;

use panthera_base::{ErrorCode, S3Result, Timestamp, limits};
use panthera_wire::xml::{Reader, Writer};

use crate::tape::Tape;

/// The name of the first start tag, found without understanding anything.
fn root_of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let start = text.match_indices('<').find(|(at, _)| text[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic()));
    let Some((at, _)) = start else { return "Delete".into() };
    let name: String = text[at + 1..].chars().take_while(|c| !c.is_ascii_whitespace() && !"/>".contains(*c)).collect();
    name.rsplit(':').next().unwrap_or_default().to_owned()
}

/// Walks as the tape says; counts steps, which the length of the body bounds.
fn walk(body: &[u8], tape: &mut Tape<'_>) -> S3Result<usize> {
    let mut reader = Reader::new(body)?;
    reader.root(&root_of(body))?;
    let (mut depth, mut steps) = (1_usize, 0_usize);
    while depth > 0 {
        steps += 1;
        assert!(steps <= body.len() + 1, "more steps than bytes");
        match reader.child()? {
            None => depth -= 1,
            Some(name) => {
                assert!(!name.contains([':', '<', '>', ' ']));
                match tape.below(3) {
                    0 => reader.skip()?,
                    1 => assert!(reader.text()?.len() <= body.len()),
                    _ => depth += 1,
                }
                assert!(depth <= limits::XML_DEPTH);
            }
        }
    }
    reader.finish()?;
    Ok(steps)
}

fn read_back(document: &[u8]) -> S3Result<Vec<(String, String)>> {
    let mut reader = Reader::new(document)?;
    reader.root("Root")?;
    let mut out = Vec::new();
    while let Some(name) = reader.child()? {
        out.push((name.to_owned(), reader.text().map(Cow::into_owned)?));
    }
    reader.finish()?;
    Ok(out)
}

/// How to walk in four bytes, then a body; the whole input is a list of texts as well.
pub fn run(data: &[u8]) {
    let (plan, body) = data.split_at(data.len().min(4));
    if let Err(error) = walk(body, &mut Tape::new(plan)) {
        assert_eq!(error.code(), ErrorCode::MalformedXML);
    }
    let mut tape = Tape::new(data);
    let mut writer = Writer::document("Root", 64);
    let mut written = Vec::new();
    for _ in 0..tape.below(8) {
        let (name, text) = (format!("N{}", tape.name()), tape.text());
        writer.text(&name, &text);
        written.push((name, text));
    }
    let number = tape.u64();
    writer.number("Number", number).bytes("Bytes", body).time("Time", Timestamp(number)).flag("Flag", number == 0);
    written.push(("Number".into(), number.to_string()));
    written.push(("Bytes".into(), String::from_utf8_lossy(body).into_owned()));
    let document = writer.finish("Root");
    match read_back(&document) {
        Ok(read) => assert_eq!(read[..written.len()], written),
        Err(error) => panic!("what we write we cannot read: {error:?}"),
    }
}
