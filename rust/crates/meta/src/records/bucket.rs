//! The bucket row.

use panthera_base::{BucketId, TenantId, Timestamp, UserId};

use super::sections::SectionWriter;
use super::{FenceRecord, Fields, OtherSections, RecordError, Section, VERSION, Versioning};

const FIXED_BYTES: usize = 32;
const FLAG_OBJECT_LOCK: u16 = 1;
const TAG_REGION: u8 = 1;
const TAG_POLICY: u8 = 64;
const TAG_PUBLIC_ACCESS_BLOCK: u8 = 65;
const TAG_OWNERSHIP: u8 = 66;
const TAG_ACL: u8 = 67;
const TAG_LISTING: u8 = 68;
const TAG_MOUNTS: u8 = 69;

/// Who owns the objects of a bucket (AWS: S3 Object Ownership), and with it whether access control lists count.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
pub enum Ownership {
    /// The bucket's owner; lists decide nothing.
    #[default]
    BucketOwnerEnforced = 0,
    /// The writer, or the bucket's owner where the writer says `bucket-owner-full-control`.
    BucketOwnerPreferred = 1,
    /// The writer.
    ObjectWriter = 2,
}

impl Ownership {
    /// The ownership with this number.
    pub fn from_u8(number: u8) -> Option<Self> {
        [Self::BucketOwnerEnforced, Self::BucketOwnerPreferred, Self::ObjectWriter].get(number as usize).copied()
    }
}

/// The settings of Block Public Access, as bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PublicAccessBlock(u8);

impl PublicAccessBlock {
    /// BlockPublicAcls: public ACLs cannot be put.
    pub const BLOCK_PUBLIC_ACLS: Self = Self(1);
    /// IgnorePublicAcls: public ACLs grant nothing.
    pub const IGNORE_PUBLIC_ACLS: Self = Self(2);
    /// BlockPublicPolicy: a public policy cannot be put.
    pub const BLOCK_PUBLIC_POLICY: Self = Self(4);
    /// RestrictPublicBuckets: a public policy grants nothing outside of the owner's account.
    pub const RESTRICT_PUBLIC_BUCKETS: Self = Self(8);
    /// All four.
    pub const ALL: Self = Self(15);

    /// The settings of these bits; `None` when a bit is unknown.
    pub fn from_bits(bits: u8) -> Option<Self> {
        (bits & !Self::ALL.0 == 0).then_some(Self(bits))
    }

    /// As bits.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Whether all of `other` are on.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What a listing of the bucket shows to who may not list all of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
pub enum ListingMode {
    /// The names it may discover.
    #[default]
    Filtered = 0,
    /// Nothing, as Amazon's buckets do.
    Strict = 1,
}

/// A bucket and its compiled configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BucketRecord {
    /// Versioning state.
    pub versioning: Versioning,
    /// Object lock is enabled.
    pub object_lock: bool,
    /// The bucket's number.
    pub id: BucketId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Who created it.
    pub owner: UserId,
    /// When.
    pub created: Timestamp,
    /// Grows with every change of configuration.
    pub generation: u64,
    /// The location constraint it was created with.
    pub region: Option<String>,
    /// Who owns its objects.
    pub ownership: Ownership,
    /// Its access control list, compiled ([`super::decode_acl`]); `None` is the owner alone.
    pub acl: Option<Vec<u8>>,
    /// The compiled bucket policy.
    pub policy: Option<Vec<u8>>,
    /// Which of the four settings of Block Public Access are on; `None` without a configuration.
    pub public_access_block: Option<PublicAccessBlock>,
    /// What its listings show.
    pub listing: ListingMode,
    /// How many shares of other tenants are mounted in it.
    pub mounts: u32,
    /// Sections this version does not know.
    pub others: OtherSections,
}

impl BucketRecord {
    /// Reads a bucket.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let fields = Fields::new("bucket", bytes, FIXED_BYTES)?;
        let versioning = Versioning::from_u8(fields.u8(1)?).ok_or_else(|| fields.wrong(1, "unknown versioning"))?;
        let flags = fields.u16(2)?;
        if flags & !FLAG_OBJECT_LOCK != 0 {
            return Err(fields.wrong(2, "unknown flag"));
        }
        let mut record = Self {
            versioning,
            object_lock: flags & FLAG_OBJECT_LOCK != 0,
            id: BucketId(fields.u32(4)?),
            tenant: TenantId(fields.u32(8)?),
            owner: UserId(fields.u32(12)?),
            created: Timestamp(fields.u64(16)?),
            generation: fields.u64(24)?,
            region: None,
            ownership: Ownership::default(),
            acl: None,
            policy: None,
            public_access_block: None,
            listing: ListingMode::default(),
            mounts: 0,
            others: Vec::new(),
        };
        let unknown = |section: &Section<'_>| fields.wrong(section.offset, "unknown ownership");
        for section in fields.sections(FIXED_BYTES) {
            let section = section?;
            match section.tag {
                TAG_REGION => record.region = Some(fields.text(&section)?),
                TAG_OWNERSHIP => record.ownership = ownership(&section).ok_or_else(|| unknown(&section))?,
                TAG_ACL => record.acl = Some(section.bytes.to_vec()),
                TAG_POLICY => record.policy = Some(section.bytes.to_vec()),
                TAG_PUBLIC_ACCESS_BLOCK => record.public_access_block = Some(block(&fields, &section)?),
                TAG_LISTING => {
                    record.listing =
                        listing(&section).ok_or_else(|| fields.wrong(section.offset, "unknown listing mode"))?;
                }
                TAG_MOUNTS => {
                    record.mounts =
                        mounts(&section).ok_or_else(|| fields.wrong(section.offset, "is no number of mounts"))?;
                }
                tag => record.others.push((tag, section.bytes.to_vec())),
            }
        }
        Ok(record)
    }

    /// Whether a row says nothing beyond what each one does: no policy, no list, no setting. Told without reading it.
    pub fn is_bare(bytes: &[u8]) -> bool {
        bytes.len() == FIXED_BYTES
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED_BYTES);
        out.extend_from_slice(&[VERSION, self.versioning as u8]);
        out.extend_from_slice(&u16::from(self.object_lock).to_le_bytes());
        out.extend_from_slice(&self.id.0.to_le_bytes());
        out.extend_from_slice(&self.tenant.0.to_le_bytes());
        out.extend_from_slice(&self.owner.0.to_le_bytes());
        out.extend_from_slice(&self.created.0.to_le_bytes());
        out.extend_from_slice(&self.generation.to_le_bytes());
        let mut sections = SectionWriter::default();
        sections.put_some(TAG_REGION, self.region.as_deref().map(str::as_bytes));
        if self.ownership != Ownership::default() {
            sections.put_owned(TAG_OWNERSHIP, vec![self.ownership as u8]);
        }
        sections.put_some(TAG_ACL, self.acl.as_deref());
        sections.put_some(TAG_POLICY, self.policy.as_deref());
        let block = self.public_access_block.map(|block| [block.bits()]);
        sections.put_some(TAG_PUBLIC_ACCESS_BLOCK, block.as_ref().map(<[u8; 1]>::as_slice));
        if self.listing != ListingMode::default() {
            sections.put_owned(TAG_LISTING, vec![self.listing as u8]);
        }
        if self.mounts != 0 {
            sections.put_owned(TAG_MOUNTS, self.mounts.to_le_bytes().to_vec());
        }
        sections.put_others(&self.others);
        sections.write(&mut out);
        out
    }

    /// What the bucket's fence row says when its generation is `generation`.
    pub fn fence(&self, generation: u64) -> FenceRecord {
        FenceRecord { versioning: self.versioning, object_lock: self.object_lock, generation }
    }
}

/// The default is not written, so nothing else may stand for it.
fn ownership(section: &Section<'_>) -> Option<Ownership> {
    let &[number] = section.bytes else { return None };
    Ownership::from_u8(number).filter(|known| *known != Ownership::default())
}

fn block(fields: &Fields<'_>, section: &Section<'_>) -> Result<PublicAccessBlock, RecordError> {
    match section.bytes {
        &[bits] => PublicAccessBlock::from_bits(bits).ok_or_else(|| fields.wrong(section.offset, "unknown setting")),
        _ => Err(fields.wrong(section.offset, "public access block is not one byte")),
    }
}

fn mounts(section: &Section<'_>) -> Option<u32> {
    let count = u32::from_le_bytes(section.bytes.try_into().ok()?);
    (count != 0).then_some(count)
}

fn listing(section: &Section<'_>) -> Option<ListingMode> {
    (section.bytes == [ListingMode::Strict as u8]).then_some(ListingMode::Strict)
}
