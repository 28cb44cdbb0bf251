//! The upload record (`u` rows): what CreateMultipartUpload said, kept until completion.

use panthera_base::{TenantId, UserId};

use super::object::tag;
use super::{ObjectRecord, RecordError};

/// The share through whose mount an upload was initiated, and who did it there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ThroughShare {
    /// The share's number; its tenant is the bucket's.
    pub share: u32,
    /// The bearer's tenant.
    pub tenant: TenantId,
    /// The bearer.
    pub user: UserId,
}

/// An open multipart upload.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UploadRecord {
    /// What the object will be; no manifest, ordinal = initiation, owner and list as they will be.
    pub object: ObjectRecord,
    /// Who initiated it, when that is not who will own the object.
    pub initiator: Option<UserId>,
    /// How it came when it came through a mount: the initiator is the share's creator then.
    pub through: Option<ThroughShare>,
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
        let checksum = take(&mut object, tag::UPLOAD_CHECKSUM).ok_or_else(|| wrong("no checksum section"))?;
        let [checksum_algorithm, checksum_kind] = checksum[..] else {
            return Err(wrong("checksum section is not 2 bytes"));
        };
        let initiator = match take(&mut object, tag::UPLOAD_INITIATOR).as_deref() {
            None => None,
            Some(&[a, b, c, d]) => Some(UserId(u32::from_le_bytes([a, b, c, d]))),
            Some(_) => return Err(wrong("initiator section is not 4 bytes")),
        };
        let through = match take(&mut object, tag::UPLOAD_THROUGH).as_deref().map(<[u8]>::as_chunks) {
            None => None,
            Some(([share, tenant, user], [])) => Some(ThroughShare {
                share: u32::from_le_bytes(*share),
                tenant: TenantId(u32::from_le_bytes(*tenant)),
                user: UserId(u32::from_le_bytes(*user)),
            }),
            Some(_) => return Err(wrong("share section is not 12 bytes")),
        };
        if !object.manifest.chunks.is_empty() {
            return Err(wrong("an upload has no manifest"));
        }
        Ok(Self { object, initiator, through, checksum_algorithm, checksum_kind })
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        let mut object = self.object.clone();
        object.others.retain(|(t, _)| !OF_UPLOADS.contains(t));
        object.others.push((tag::UPLOAD_CHECKSUM, vec![self.checksum_algorithm, self.checksum_kind]));
        if let Some(initiator) = self.initiator {
            object.others.push((tag::UPLOAD_INITIATOR, initiator.0.to_le_bytes().to_vec()));
        }
        if let Some(ThroughShare { share, tenant, user }) = self.through {
            let numbers = [share, tenant.0, user.0].map(u32::to_le_bytes);
            object.others.push((tag::UPLOAD_THROUGH, numbers.concat()));
        }
        object.encode()
    }

    /// Who initiated it.
    pub fn initiator(&self) -> UserId {
        self.initiator.unwrap_or(self.object.owner)
    }
}

/// The sections that only uploads have.
const OF_UPLOADS: [u8; 3] = [tag::UPLOAD_CHECKSUM, tag::UPLOAD_INITIATOR, tag::UPLOAD_THROUGH];

/// Takes a section that only uploads have.
fn take(object: &mut ObjectRecord, wanted: u8) -> Option<Vec<u8>> {
    let at = object.others.iter().position(|(tag, _)| *tag == wanted)?;
    Some(object.others.remove(at).1)
}
