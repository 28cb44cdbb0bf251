//! Small values that are not records of their own: numbers behind names, the null version's ordinal, documents,
//! marks, the store's format.

use panthera_base::Ordinal;

use super::{Fields, RecordError, VERSION};

/// The layout this code reads and writes (`m | format`).
pub const STORE_FORMAT: u32 = 1;

fn exact<'a>(record: &'static str, bytes: &'a [u8], len: usize) -> Result<Fields<'a>, RecordError> {
    let fields = Fields::new(record, bytes, len)?;
    if bytes.len() == len { Ok(fields) } else { Err(fields.wrong(len, "longer than it can be")) }
}

/// The value of `n`, `N` and `B` rows.
pub fn encode_id(id: u32) -> Vec<u8> {
    let [a, b, c, d] = id.to_le_bytes();
    vec![VERSION, a, b, c, d]
}

/// Reads the value of `n`, `N` and `B` rows.
pub fn decode_id(bytes: &[u8]) -> Result<u32, RecordError> {
    exact("id", bytes, 5)?.u32(1)
}

/// The value of `z` rows.
pub fn encode_ordinal(ordinal: Ordinal) -> Vec<u8> {
    let mut out = Vec::with_capacity(9);
    out.push(VERSION);
    out.extend_from_slice(&ordinal.0.to_le_bytes());
    out
}

/// Reads the value of `z` rows.
pub fn decode_ordinal(bytes: &[u8]) -> Result<Ordinal, RecordError> {
    exact("null version", bytes, 9)?.u64(1).map(Ordinal)
}

/// The value of `c` rows.
pub fn encode_document(document: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + document.len());
    out.push(VERSION);
    out.extend_from_slice(document);
    out
}

/// Reads the value of `c` rows.
pub fn decode_document(bytes: &[u8]) -> Result<&[u8], RecordError> {
    Fields::new("document", bytes, 1).map(|_| &bytes[1..])
}

/// The value of `a` and `w` rows: the key says everything.
pub fn encode_mark() -> Vec<u8> {
    vec![VERSION]
}

/// Reads the value of `a` and `w` rows.
pub fn decode_mark(bytes: &[u8]) -> Result<(), RecordError> {
    exact("mark", bytes, 1).map(drop)
}

/// The value of `m | format`.
pub fn encode_format(format: u32) -> Vec<u8> {
    format.to_le_bytes().to_vec()
}

/// Reads the value of `m | format`.
pub fn decode_format(bytes: &[u8]) -> Result<u32, RecordError> {
    let wrong = || RecordError { record: "format", offset: 0, what: "is not 4 bytes" };
    bytes.try_into().map(u32::from_le_bytes).map_err(|_| wrong())
}
