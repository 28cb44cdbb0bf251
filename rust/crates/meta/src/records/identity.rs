//! The identity row: what hangs on one user, group or role. Managed policies stand in rows of their own
//! (`managed_policy`), so that changing one changes it for everybody at once.

use panthera_base::Timestamp;

use super::items::{Items, encode_pairs, put_short};
use super::sections::SectionWriter;
use super::{Fields, OtherSections, RecordError, VERSION};

const FIXED_BYTES: usize = 16;
const TAG_ATTACHED: u8 = 1;
const TAG_INLINE: u8 = 2;
const TAG_BOUNDARY: u8 = 3;
const TAG_TAGS: u8 = 4;
const TAG_TRUST_POLICY: u8 = 5;

/// A policy that belongs to one principal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InlinePolicy {
    /// Its name.
    pub name: String,
    /// The document as it was given.
    pub document: Vec<u8>,
    /// What is evaluated.
    pub compiled: Vec<u8>,
}

/// A principal's policies and tags.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IdentityRecord {
    /// When it changed last.
    pub changed: Timestamp,
    /// Names of managed policies, ascending.
    pub attached: Vec<String>,
    /// Ascending by name.
    pub inline: Vec<InlinePolicy>,
    /// The managed policy that bounds what the principal may do.
    pub boundary: Option<String>,
    /// What `aws:PrincipalTag` asks for.
    pub tags: Vec<(String, String)>,
    /// Who may assume a role: the document as it was given.
    pub trust_policy: Option<Vec<u8>>,
    /// Sections this version does not know.
    pub others: OtherSections,
}

impl IdentityRecord {
    /// Reads an identity.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let fields = Fields::new("identity", bytes, FIXED_BYTES)?;
        fields.flags(1, 0)?;
        fields.zero(2, 6)?;
        let mut record = Self { changed: Timestamp(fields.u64(8)?), ..Self::default() };
        for section in fields.sections(FIXED_BYTES) {
            let section = section?;
            let items = || Items::new("identity", &section);
            match section.tag {
                TAG_ATTACHED => record.attached = names(items())?,
                TAG_INLINE => record.inline = inline(items())?,
                TAG_BOUNDARY => record.boundary = Some(fields.text(&section)?),
                TAG_TAGS => record.tags = items().tags()?,
                TAG_TRUST_POLICY => record.trust_policy = Some(section.bytes.to_vec()),
                tag => record.others.push((tag, section.bytes.to_vec())),
            }
        }
        Ok(record)
    }

    /// Writes it. Names are the caller's to keep in order and below 256 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, 0, 0, 0, 0, 0, 0, 0];
        out.extend_from_slice(&self.changed.0.to_le_bytes());
        let mut sections = SectionWriter::default();
        if !self.attached.is_empty() {
            let mut names = Vec::new();
            self.attached.iter().for_each(|name| put_short(name.as_bytes(), &mut names));
            sections.put_owned(TAG_ATTACHED, names);
        }
        if !self.inline.is_empty() {
            let mut policies = Vec::new();
            for policy in &self.inline {
                put_short(policy.name.as_bytes(), &mut policies);
                for bytes in [&policy.compiled, &policy.document] {
                    policies.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                    policies.extend_from_slice(bytes);
                }
            }
            sections.put_owned(TAG_INLINE, policies);
        }
        sections.put_some(TAG_BOUNDARY, self.boundary.as_deref().map(str::as_bytes));
        if !self.tags.is_empty() {
            let pairs = self.tags.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes()));
            sections.put_owned(TAG_TAGS, encode_pairs(pairs));
        }
        sections.put_some(TAG_TRUST_POLICY, self.trust_policy.as_deref());
        sections.put_others(&self.others);
        sections.write(&mut out);
        out
    }
}

const DISORDER: &str = "names are not in ascending order";

fn names(mut items: Items<'_>) -> Result<Vec<String>, RecordError> {
    let mut out: Vec<String> = Vec::new();
    while items.more() {
        let name = items.name()?;
        if out.last().is_some_and(|before| *before >= name) {
            return Err(items.wrong(DISORDER));
        }
        out.push(name);
    }
    Ok(out)
}

fn inline(mut items: Items<'_>) -> Result<Vec<InlinePolicy>, RecordError> {
    let mut out: Vec<InlinePolicy> = Vec::new();
    while items.more() {
        let name = items.name()?;
        if out.last().is_some_and(|before| before.name >= name) {
            return Err(items.wrong(DISORDER));
        }
        let compiled = items.wide()?.to_vec();
        out.push(InlinePolicy { name, document: items.wide()?.to_vec(), compiled });
    }
    Ok(out)
}
