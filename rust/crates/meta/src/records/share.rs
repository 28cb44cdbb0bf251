//! The rows of sharing: the share, the way from its secret to it, its count of downloads, and the mount of a share in
//! another tenant's bucket. `Debug` keeps what authenticates to itself.

use std::fmt;

use panthera_base::{BucketId, TenantId, Timestamp, UserId};

use super::sections::SectionWriter;
use super::{Fields, OtherSections, RecordError, VERSION};

const FIXED_BYTES: usize = 88;
const FLAG_REVOKED: u8 = 1;
const FLAG_OBJECT: u8 = 2;
const FLAG_BEARER: u8 = 4;
const TAG_BUCKET: u8 = 1;
const TAG_PATH: u8 = 2;
const TAG_TENANTS: u8 = 3;
const TAG_GROUPS: u8 = 4;
const TAG_PASSWORD: u8 = 5;
const TAG_AUDIENCE: u8 = 6;
const GROUP_BYTES: usize = 8;
const SALT_BYTES: usize = 16;
const PASSWORD_BYTES: usize = 4 + SALT_BYTES + 32;
const POINTER_BYTES: usize = 12;
const DOWNLOADS_BYTES: usize = 24;
const MOUNT_BYTES: usize = 24;

/// What a share offers at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cap(u8);

impl Cap {
    /// Read objects.
    pub const READER: Cap = Cap(1);
    /// See names.
    pub const LISTER: Cap = Cap(2);
    /// Write objects.
    pub const WRITER: Cap = Cap(4);
    /// Delete objects.
    pub const DELETER: Cap = Cap(8);
    const ALL: u8 = 15;

    /// From its bits. `None` when one is not known.
    pub fn from_bits(bits: u8) -> Option<Self> {
        (bits & !Self::ALL == 0).then_some(Self(bits))
    }

    /// Its bits.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of the other is in it.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// How a password is kept: PBKDF2-HMAC-SHA256.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PasswordHash {
    /// Iterations.
    pub iterations: u32,
    /// Salt.
    pub salt: [u8; SALT_BYTES],
    /// What comes out.
    pub hash: [u8; 32],
}

/// A share: a place of its owner's, offered to others.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ShareRecord {
    /// It gives nothing any more.
    pub revoked: bool,
    /// Of one object; else of a prefix, or of a bucket when the path is empty.
    pub object: bool,
    /// Whoever has its token may use it.
    pub bearer: bool,
    /// What it offers at most.
    pub cap: Cap,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its number within the tenant.
    pub share: u32,
    /// The bucket.
    pub bucket: BucketId,
    /// Who made it and in whose right it works.
    pub creator: UserId,
    /// When it was made.
    pub created: Timestamp,
    /// The first moment at which it gives nothing; `None` never.
    pub expires: Option<Timestamp>,
    /// Grows with every change of the record.
    pub generation: u64,
    /// How often it may be downloaded; `None` without limit.
    pub downloads: Option<u64>,
    /// SHA-256 of the secret in its token.
    pub secret_sha256: [u8; 32],
    /// The bucket's name.
    pub bucket_name: String,
    /// The key, or the prefix with its `/`.
    pub path: Vec<u8>,
    /// Tenants whose users may use it.
    pub tenants: Vec<TenantId>,
    /// Groups whose members may use it.
    pub groups: Vec<(TenantId, u32)>,
    /// What must be known beside the token.
    pub password: Option<PasswordHash>,
    /// Whom the creator named, in the creator's words, one a line.
    pub audience: Option<String>,
    /// Sections this version does not know.
    pub others: OtherSections,
}

impl ShareRecord {
    /// Reads a share.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let fields = Fields::new("share", bytes, FIXED_BYTES)?;
        let flags = fields.flags(1, FLAG_REVOKED | FLAG_OBJECT | FLAG_BEARER)?;
        let cap = Cap::from_bits(fields.u8(2)?).ok_or_else(|| fields.wrong(2, "unknown right"))?;
        fields.zero(3, 1)?;
        fields.zero(20, 4)?;
        let (expires, downloads) = (fields.u64(32)?, fields.u64(48)?);
        let mut record = Self {
            revoked: flags & FLAG_REVOKED != 0,
            object: flags & FLAG_OBJECT != 0,
            bearer: flags & FLAG_BEARER != 0,
            cap,
            tenant: TenantId(fields.u32(4)?),
            share: fields.u32(8)?,
            bucket: BucketId(fields.u32(12)?),
            creator: UserId(fields.u32(16)?),
            created: Timestamp(fields.u64(24)?),
            expires: (expires != 0).then_some(Timestamp(expires)),
            generation: fields.u64(40)?,
            downloads: (downloads != 0).then_some(downloads),
            secret_sha256: fields.array(56)?,
            ..Self::default()
        };
        for section in fields.sections(FIXED_BYTES) {
            let section = section?;
            let odd = || fields.wrong(section.offset, "ends inside an item of a section");
            match section.tag {
                TAG_BUCKET => record.bucket_name = fields.text(&section)?,
                TAG_PATH => record.path = section.bytes.to_vec(),
                TAG_TENANTS => {
                    let (numbers, rest) = section.bytes.as_chunks::<4>();
                    if !rest.is_empty() {
                        return Err(odd());
                    }
                    record.tenants = numbers.iter().map(|n| TenantId(u32::from_le_bytes(*n))).collect();
                }
                TAG_GROUPS => {
                    let (groups, rest) = section.bytes.as_chunks::<GROUP_BYTES>();
                    if !rest.is_empty() {
                        return Err(odd());
                    }
                    let number = |b: &[u8]| u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
                    record.groups = groups.iter().map(|g| (TenantId(number(&g[..4])), number(&g[4..]))).collect();
                }
                TAG_PASSWORD => record.password = Some(PasswordHash::decode(section.bytes).ok_or_else(odd)?),
                TAG_AUDIENCE => record.audience = Some(fields.text(&section)?),
                tag => record.others.push((tag, section.bytes.to_vec())),
            }
        }
        Ok(record)
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flag(self.revoked, FLAG_REVOKED) | flag(self.object, FLAG_OBJECT) | flag(self.bearer, FLAG_BEARER);
        let mut out = Vec::with_capacity(FIXED_BYTES);
        out.extend_from_slice(&[VERSION, flags, self.cap.0, 0]);
        for number in [self.tenant.0, self.share, self.bucket.0, self.creator.0, 0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let expires = self.expires.unwrap_or_default().0;
        for number in [self.created.0, expires, self.generation, self.downloads.unwrap_or_default()] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.secret_sha256);
        let mut sections = SectionWriter::default();
        sections.put(TAG_BUCKET, self.bucket_name.as_bytes());
        sections.put(TAG_PATH, &self.path);
        if !self.tenants.is_empty() {
            sections.put_owned(TAG_TENANTS, self.tenants.iter().flat_map(|t| t.0.to_le_bytes()).collect());
        }
        if !self.groups.is_empty() {
            let groups = self.groups.iter().flat_map(|(t, g)| [t.0.to_le_bytes(), g.to_le_bytes()]).flatten();
            sections.put_owned(TAG_GROUPS, groups.collect());
        }
        if let Some(password) = &self.password {
            sections.put_owned(TAG_PASSWORD, password.encode());
        }
        sections.put_some(TAG_AUDIENCE, self.audience.as_deref().map(str::as_bytes));
        sections.put_others(&self.others);
        sections.write(&mut out);
        out
    }
}

impl PasswordHash {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; PASSWORD_BYTES] = bytes.try_into().ok()?;
        let (iterations, rest) = bytes.split_first_chunk::<4>()?;
        let (salt, rest) = rest.split_first_chunk::<SALT_BYTES>()?;
        Some(Self { iterations: u32::from_le_bytes(*iterations), salt: *salt, hash: rest.try_into().ok()? })
    }

    fn encode(&self) -> Vec<u8> {
        [&self.iterations.to_le_bytes()[..], &self.salt, &self.hash].concat()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

impl fmt::Debug for ShareRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShareRecord")
            .field("tenant", &self.tenant)
            .field("share", &self.share)
            .field("revoked", &self.revoked)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// A record of fixed length whose flags are all still to come.
fn plain<'a>(record: &'static str, bytes: &'a [u8], len: usize, zero: usize) -> Result<Fields<'a>, RecordError> {
    let fields = Fields::new(record, bytes, len)?;
    if bytes.len() != len {
        return Err(fields.wrong(len, "longer than it can be"));
    }
    fields.flags(1, 0)?;
    fields.zero(2, zero)?;
    Ok(fields)
}

/// Which share a secret belongs to: the value of `h` rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SharePointer {
    /// The share's tenant.
    pub tenant: TenantId,
    /// The share.
    pub share: u32,
}

impl SharePointer {
    /// Reads it.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let fields = plain("share pointer", bytes, POINTER_BYTES, 2)?;
        Ok(Self { tenant: TenantId(fields.u32(4)?), share: fields.u32(8)? })
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        [&[VERSION, 0, 0, 0], &self.tenant.0.to_le_bytes()[..], &self.share.to_le_bytes()].concat()
    }
}

/// How often a share was downloaded: the value of `d` rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DownloadsRecord {
    /// Downloads that began.
    pub count: u64,
    /// When the last one did.
    pub last: Timestamp,
}

impl DownloadsRecord {
    /// Reads it.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let fields = plain("downloads", bytes, DOWNLOADS_BYTES, 6)?;
        Ok(Self { count: fields.u64(8)?, last: Timestamp(fields.u64(16)?) })
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        [&[VERSION, 0, 0, 0, 0, 0, 0, 0], &self.count.to_le_bytes()[..], &self.last.0.to_le_bytes()].concat()
    }
}

/// A share of another tenant, seen under a prefix of one's own bucket: the value of `M` rows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MountRecord {
    /// The share's tenant.
    pub tenant: TenantId,
    /// The share.
    pub share: u32,
    /// Who mounted it.
    pub creator: UserId,
    /// When.
    pub created: Timestamp,
}

impl MountRecord {
    /// Reads it.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let fields = plain("mount", bytes, MOUNT_BYTES, 2)?;
        Ok(Self {
            tenant: TenantId(fields.u32(4)?),
            share: fields.u32(8)?,
            creator: UserId(fields.u32(12)?),
            created: Timestamp(fields.u64(16)?),
        })
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, 0, 0, 0];
        for number in [self.tenant.0, self.share, self.creator.0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.created.0.to_le_bytes());
        out
    }
}
