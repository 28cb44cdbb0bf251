//! Row 27: opening the engine on a store on a disk, as a server does when it starts.

use std::sync::Arc;
use std::time::Instant;

use panthera_authz::{Engine, Settings};
use panthera_meta::lmdb::{Lmdb, Options};
use panthera_meta::{Batch, Metastore, Op, Step};

use crate::{Outcome, row};

const ROWS: usize = 10_000;

/// Copies the rows to LMDB, then opens twice: the second time all of the file is in the page cache, as after a restart.
pub fn open(from: &dyn Metastore) -> Outcome {
    let dir = tempfile::tempdir()?;
    let options = Options { sync: false, ..Options::default() };
    let meta = Arc::new(Lmdb::open(dir.path(), &options).map_err(|error| error.to_string())?);
    let (mut batch, mut outcome) = (Batch::default(), Ok(()));
    let copied = from.snapshot().and_then(|snapshot| {
        snapshot.scan(&[]..&[u8::MAX], &mut |key, value| {
            batch.ops.push(Op::Put { key: key.to_vec(), value: value.to_vec(), tally: None });
            if batch.ops.len() == ROWS {
                outcome = meta.commit(&std::mem::take(&mut batch)).map(|_| ());
            }
            if outcome.is_ok() { Step::Next } else { Step::Stop }
        })
    });
    copied.map_err(|error| error.to_string())?;
    outcome.and_then(|()| meta.commit(&batch)).map_err(|error| format!("{error:?}"))?;
    let mut times = Vec::new();
    for _ in 0..2 {
        let begin = Instant::now();
        drop(Engine::open(meta.clone(), Settings::default())?);
        times.push(begin.elapsed());
    }
    row("open, rows in LMDB: first; again (27)", "10M <= 2 s", &format!("{:.2?}; {:.2?}", times[0], times[1]));
    Ok(())
}
