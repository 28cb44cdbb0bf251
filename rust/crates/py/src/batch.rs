//! Guards and operations as Python writes them: tuples of a word, a key and a value (see `storage/_core.pyi`).

use panthera_meta::{Batch, Guard, Op};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

/// One guard or operation.
pub type Entry = (String, PyBackedBytes, Option<PyBackedBytes>);

/// Builds the batch. Raises ValueError naming the word that is not one.
pub fn batch(guards: &[Entry], ops: &[Entry]) -> PyResult<Batch> {
    Ok(Batch {
        guards: guards.iter().map(guard).collect::<PyResult<_>>()?,
        ops: ops.iter().map(op).collect::<PyResult<_>>()?,
    })
}

fn needed(word: &str, value: &Option<PyBackedBytes>) -> PyResult<Vec<u8>> {
    match value {
        Some(value) => Ok(value.to_vec()),
        None => Err(PyValueError::new_err(format!("{word} needs a value"))),
    }
}

fn guard((word, key, value): &Entry) -> PyResult<Guard> {
    let key = key.to_vec();
    Ok(match word.as_str() {
        "absent" => Guard::Absent(key),
        "present" => Guard::Present(key),
        "equals" => Guard::Equals(key, needed(word, value)?),
        "empty_range" => Guard::EmptyRange(key..needed(word, value)?),
        _ => return Err(PyValueError::new_err(format!("no such guard: {word}"))),
    })
}

fn op((word, key, value): &Entry) -> PyResult<Op> {
    let key = key.to_vec();
    Ok(match word.as_str() {
        "put" => Op::Put { key, value: needed(word, value)?, tally: None },
        "delete" => Op::Delete { key, tally: None },
        "delete_range" => Op::DeleteRange(key..needed(word, value)?),
        "add" => Op::Add { key, deltas: deltas(&needed(word, value)?)? },
        _ => return Err(PyValueError::new_err(format!("no such operation: {word}"))),
    })
}

fn deltas(bytes: &[u8]) -> PyResult<Vec<i64>> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(8) {
        return Err(PyValueError::new_err("add needs little-endian i64 deltas, 8 bytes each"));
    }
    Ok(bytes.chunks_exact(8).map(|b| i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]])).collect())
}
