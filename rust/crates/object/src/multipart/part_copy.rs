//! UploadPartCopy: a part made of what is stored. Whole chunks are shared; the ends of a range that fall inside a chunk
//! become chunks of their own. Bytes are read for the part's MD5, which nobody wrote down, unless the part is a whole
//! object whose digests are known.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use panthera_base::{ErrorCode, S3Error, S3Result};
use panthera_meta::records::{ChunkRef, PartRecord};
use panthera_wire::checksum::{Algorithm, ChecksumType, Digest};
use panthera_wire::headers;
use panthera_wire::xml::Writer;

use super::part::{PartPlace, part_record};
use super::{part_number, upload_id};
use crate::access::settled;
use crate::api::{Call, OpResult, Reply, ReplyBody};
use crate::copy::{Source, check_size, whole_second};
use crate::service::ObjectService;
use crate::write::ingest::{Content, Gather, Intake};
use crate::write::request;

/// Copies that must read more than this answer early and keep the connection alive.
const SLOW_BYTES: u64 = 64 << 20;

struct PartCopyJob {
    service: Arc<ObjectService>,
    bucket: Arc<panthera_meta::records::BucketRecord>,
    key: Vec<u8>,
    upload: panthera_base::Ordinal,
    number: u16,
    source: Source,
    /// First and last byte, when the request named them.
    range: Option<(u64, u64)>,
    /// The upload's algorithm.
    algorithm: Option<Algorithm>,
}

impl ObjectService {
    pub(crate) async fn upload_part_copy(self: &Arc<Self>, mut call: Call) -> OpResult {
        request::prepare_part(&mut call)?;
        let place = PartPlace::of(&call)?;
        let upload = self.open_upload(&place)?;
        let range = headers::copy_source_range(&call.headers)?;
        let source = self.copy_source(&call)?;
        settled(call.context.trail.as_deref()).await?;
        let size = source.record.size;
        match range {
            Some((_, last)) if last >= size => return Err(beyond(size)),
            Some((first, last)) => check_size(last - first + 1)?,
            None => check_size(size)?,
        }
        let job = PartCopyJob {
            service: Arc::clone(self),
            upload: upload_id(&call.query)?,
            number: part_number(&call.query)?,
            algorithm: upload.checksum().map(|(algorithm, _)| algorithm),
            bucket: call.bucket,
            key: call.key,
            source,
            range,
        };
        if job.known_content().is_none() && job.len() > SLOW_BYTES {
            return Ok(Reply { body: ReplyBody::Slow(Box::pin(job.run())), ..Reply::empty(http::StatusCode::OK) });
        }
        let (headers, body) = job.run().await?;
        let mut reply = Reply::xml(body);
        reply.headers.extend(headers);
        Ok(reply)
    }
}

fn beyond(size: u64) -> S3Error {
    S3Error::with_message(
        ErrorCode::InvalidRange,
        format!("Range specified is not valid for source object of size: {size}"),
    )
}

impl PartCopyJob {
    /// The bytes of the source that are copied, as a half-open range.
    fn span(&self) -> (u64, u64) {
        self.range.map_or((0, self.source.record.size), |(first, last)| (first, last + 1))
    }

    fn len(&self) -> u64 {
        let (start, end) = self.span();
        end - start
    }

    fn foreign(&self) -> bool {
        self.source.bucket.tenant != self.bucket.tenant
    }

    /// The content without reading a byte: a whole object of our domain, with its MD5 and a checksum that will do.
    fn known_content(&self) -> Option<Content> {
        let record = &self.source.record;
        if self.foreign() || record.multipart_etag || self.span() != (0, record.size) {
            return None;
        }
        let full = ChecksumType::FullObject.code();
        let mut whole = record.checksums.iter().filter(|stored| stored.kind == full);
        let wanted = self.algorithm.unwrap_or(Algorithm::Crc64Nvme);
        let stored = whole.find(|stored| stored.algorithm == wanted.code())?;
        let checksum = (wanted, Digest::new(&stored.value)?);
        let manifest = record.manifest.clone();
        Some(Content { size: record.size, md5: record.etag, checksum, manifest, unsaved: None })
    }

    async fn run(self) -> S3Result<(HeaderMap, Bytes)> {
        let content = match self.known_content() {
            Some(content) => content,
            None => self.gather().await?,
        };
        if content.size != self.len() {
            return Err(S3Error::internal("the source's manifest does not add up to its size"));
        }
        let (mut record, chunk) = part_record(content);
        let place = PartPlace { bucket: self.bucket.id, key: &self.key, upload: self.upload, number: self.number };
        self.service.put_part(place, &mut record, chunk).await?;
        let mut headers = HeaderMap::new();
        if let Some(version) = self.source.version_id() {
            request::set(&mut headers, "x-amz-copy-source-version-id", version);
        }
        Ok((headers, document(&record)))
    }

    /// Reads the bytes: for their digests, and for the ends that are no whole chunks.
    async fn gather(&self) -> S3Result<Content> {
        let domain = self.service.domain_key(self.bucket.tenant)?;
        let algorithm = self.algorithm.unwrap_or(Algorithm::Crc64Nvme);
        let pieces = cut(&self.service.data_chunks(&self.source.record.manifest).await?, self.span());
        if self.foreign() {
            let mut intake = Intake::new(&self.service, domain, algorithm);
            for piece in pieces {
                intake.push(&self.service.chunk_bytes(piece.chunk, piece.from..piece.to).await?).await?;
            }
            return intake.finish().await;
        }
        let mut gather = Gather::new(&self.service, domain, algorithm);
        for piece in pieces {
            let bytes = self.service.chunk_bytes(piece.chunk, piece.from..piece.to).await?;
            match piece.is_whole() {
                true => gather.share(piece.chunk, bytes).await?,
                false => gather.store(bytes).await?,
            }
        }
        gather.finish().await
    }
}

/// What a range needs of one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    chunk: ChunkRef,
    from: u32,
    to: u32,
}

impl Piece {
    fn is_whole(&self) -> bool {
        self.from == 0 && self.to == self.chunk.len
    }
}

/// The pieces of consecutive chunks that lie in the half-open range.
fn cut(chunks: &[ChunkRef], (start, end): (u64, u64)) -> Vec<Piece> {
    let (mut at, mut pieces) = (0u64, Vec::new());
    for &chunk in chunks {
        let (first, next) = (at, at + u64::from(chunk.len));
        let (from, to) = (start.max(first), end.min(next));
        if from < to {
            pieces.push(Piece { chunk, from: (from - first) as u32, to: (to - first) as u32 });
        }
        at = next;
    }
    pieces
}

fn document(record: &PartRecord) -> Bytes {
    let mut out = Writer::document("CopyPartResult", 512);
    out.time("LastModified", whole_second(record.ordinal.timestamp()));
    out.text("ETag", &format!("\"{}\"", request::etag(&record.md5, None)));
    let algorithm = Algorithm::from_code(record.checksum_algorithm);
    if let (Some(algorithm), Some(digest)) = (algorithm, Digest::new(&record.checksum)) {
        out.text(algorithm.element(), &digest.to_base64());
    }
    out.finish("CopyPartResult")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_at_chunks() {
        let chunk = |n: u8, len| ChunkRef { id: [n; 32], len };
        let chunks = [chunk(1, 10), chunk(2, 20), chunk(3, 5)];
        let of = |start, end| -> Vec<(u8, u32, u32, bool)> {
            cut(&chunks, (start, end)).iter().map(|p| (p.chunk.id[0], p.from, p.to, p.is_whole())).collect()
        };
        assert_eq!(of(0, 35), [(1, 0, 10, true), (2, 0, 20, true), (3, 0, 5, true)]);
        assert_eq!(of(10, 30), [(2, 0, 20, true)]);
        assert_eq!(of(9, 31), [(1, 9, 10, false), (2, 0, 20, true), (3, 0, 1, false)]);
        assert_eq!(of(12, 13), [(2, 2, 3, false)]);
        assert_eq!(of(0, 0), []);
    }
}
