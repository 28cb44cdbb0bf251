//! Reading what is stored, for writes that build on it: the chunks of a manifest, the bytes of a chunk.
//!
//! Does not belong here: reading for clients (module `read`), which has ranges, read-ahead and answers.

use std::ops::Range;

use bytes::Bytes;
use panthera_base::{S3Error, S3Result};
use panthera_meta::records::{ChunkRef, Manifest};
use panthera_volume::ChunkId;
use tokio::task::spawn_blocking;

use crate::commit::volume_error;
use crate::service::ObjectService;

impl ObjectService {
    /// The chunks that hold the data, whether or not the manifest is indirect.
    pub(crate) async fn data_chunks(&self, manifest: &Manifest) -> S3Result<Vec<ChunkRef>> {
        if !manifest.indirect {
            return Ok(manifest.chunks.clone());
        }
        let mut entries = Vec::new();
        for &chunk in &manifest.chunks {
            entries.extend_from_slice(&self.chunk_bytes(chunk, 0..chunk.len).await?);
        }
        Manifest::decode_entries(&entries).map_err(S3Error::internal)
    }

    /// Part of a chunk's bytes, verified.
    pub(crate) async fn chunk_bytes(&self, chunk: ChunkRef, range: Range<u32>) -> S3Result<Bytes> {
        let id = ChunkId(chunk.id);
        let read = match self.volumes.read_cached(&id, chunk.len, range.clone()) {
            Some(read) => read,
            None => {
                let volumes = self.volumes.clone();
                spawn_blocking(move || volumes.read(&id, chunk.len, range)).await.map_err(S3Error::internal)?
            }
        };
        read.map_err(|error| volume_error(&error))
    }
}
