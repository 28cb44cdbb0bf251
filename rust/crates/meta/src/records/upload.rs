//! The upload record (`u` rows): what CreateMultipartUpload said, kept until completion.

use super::object::tag;
use super::{ObjectRecord, RecordError};

/// An open multipart upload.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UploadRecord {
    /// What the object will be; no manifest, ordinal = initiation, owner = initiator.
    pub object: ObjectRecord,
    /// Checksum algorithm announced at creation; 0 none.
    pub checksum_algorithm: u8,
    /// Checksum kind announced at creation.
    pub checksum_kind: u8,
}

impl UploadRecord {
    /// Reads an upload.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let wrong = |what| RecordError { record: "upload", offset: bytes.len(), what };
        let mut object = ObjectRecord::decode(bytes)?;
        let Some(at) = object.others.iter().position(|(t, _)| *t == tag::UPLOAD_CHECKSUM) else {
            return Err(wrong("no checksum section"));
        };
        let (_, checksum) = object.others.remove(at);
        let [checksum_algorithm, checksum_kind] = checksum[..] else {
            return Err(wrong("checksum section is not 2 bytes"));
        };
        if !object.manifest.chunks.is_empty() {
            return Err(wrong("an upload has no manifest"));
        }
        Ok(Self { object, checksum_algorithm, checksum_kind })
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        let mut object = self.object.clone();
        object.others.retain(|(t, _)| *t != tag::UPLOAD_CHECKSUM);
        object.others.push((tag::UPLOAD_CHECKSUM, vec![self.checksum_algorithm, self.checksum_kind]));
        object.encode()
    }
}
