//! Every chunk that some manifest names: the roots of the mark, for statistics and (later) garbage collection.
//!
//! Belongs here: walking the rows that hold manifests. Does not belong here: what is done with unmarked chunks.

use std::ops::Range;

use bytes::Bytes;
use panthera_base::{S3Error, S3Result};
use panthera_meta::keys::{self, kind};
use panthera_meta::records::{ChunkRef, Manifest, ObjectView, PartView};
use panthera_meta::{MetaError, Metastore, Step};
use panthera_volume::{ChunkId, LiveSet, VolumeStats};

use crate::commit::{Ticket, meta_error, volume_error};
use crate::service::ObjectService;

/// Rows visited in one read transaction: a few milliseconds, so that the metastore can reuse its pages.
const ROWS_PER_SNAPSHOT: usize = 10_000;

type Volumes = panthera_volume::Store<Ticket>;

impl ObjectService {
    /// Every volume with its live and dead bytes. Blocks for seconds on large stores: it marks every manifest.
    ///
    /// Fails when any row cannot be read: what was not seen must not count as dead.
    pub fn volume_stats(&self) -> S3Result<Vec<VolumeStats>> {
        let live = mark(&*self.meta, &self.volumes)?;
        Ok(self.volumes.volumes(&live))
    }
}

/// Marks the chunks of current objects, versions and open uploads.
fn mark(meta: &dyn Metastore, volumes: &Volumes) -> S3Result<LiveSet> {
    let mut live = LiveSet::new();
    for rows in [kind::OBJECT, kind::VERSION, kind::PART] {
        let range = keys::kind_range(rows);
        let mut next = Some(range.start.clone());
        while let Some(from) = next.take() {
            let (found, rest) = page(meta, rows, from..range.end.clone()).map_err(|error| meta_error(&error))?;
            for manifest in &found {
                mark_manifest(volumes, &mut live, manifest)?;
            }
            next = rest;
        }
    }
    Ok(live)
}

/// The manifests of the next rows, and the key to go on from.
fn page(meta: &dyn Metastore, rows: u8, range: Range<Vec<u8>>) -> Result<(Vec<Manifest>, Option<Vec<u8>>), MetaError> {
    let mut found = Vec::new();
    let mut rest = None;
    let mut visited = 0;
    let mut bad = None;
    meta.snapshot()?.scan(&range.start..&range.end, &mut |key, value| {
        if visited == ROWS_PER_SNAPSHOT {
            rest = Some(key.to_vec());
            return Step::Stop;
        }
        visited += 1;
        let read = if rows == kind::PART {
            PartView::new(value).map(|part| Manifest { indirect: part.indirect, chunks: part.chunks().collect() })
        } else {
            ObjectView::new(value).map(|row| Manifest { indirect: row.indirect(), chunks: row.chunks().collect() })
        };
        match read {
            Ok(manifest) => found.push(manifest),
            Err(error) => {
                bad = Some(MetaError::Corrupt(format!("row {}: {error}", key.escape_ascii())));
                return Step::Stop;
            }
        }
        Step::Next
    })?;
    match bad {
        Some(error) => Err(error),
        None => Ok((found, rest)),
    }
}

fn mark_manifest(volumes: &Volumes, live: &mut LiveSet, manifest: &Manifest) -> S3Result<()> {
    for chunk in &manifest.chunks {
        mark_chunk(volumes, live, chunk);
    }
    if manifest.indirect {
        let mut entries = Vec::new();
        for chunk in &manifest.chunks {
            let bytes: Bytes =
                volumes.read(&ChunkId(chunk.id), chunk.len, 0..chunk.len).map_err(|error| volume_error(&error))?;
            entries.extend_from_slice(&bytes);
        }
        for chunk in Manifest::decode_entries(&entries).map_err(S3Error::internal)? {
            mark_chunk(volumes, live, &chunk);
        }
    }
    Ok(())
}

fn mark_chunk(volumes: &Volumes, live: &mut LiveSet, chunk: &ChunkRef) {
    // A chunk that is in no volume is the offline checker's finding; statistics go on.
    volumes.mark(live, &ChunkId(chunk.id), chunk.len);
}
