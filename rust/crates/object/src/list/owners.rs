//! Owner elements: one look-up for each distinct owner of a page.

use panthera_base::UserId;
use panthera_meta::records::{BucketRecord, Ownership, UploadRecord, UserRecord};
use panthera_meta::{MetaError, Snapshot, keys};
use panthera_wire::acl::ANONYMOUS_ID;
use panthera_wire::hex;
use panthera_wire::xml::Writer;

/// What an owner element says.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    /// Canonical id.
    pub id: String,
    /// Display name.
    pub display_name: String,
}

/// The owners met on a page, and their rendered `<Owner>` elements.
pub(super) struct Owners<'s> {
    snapshot: &'s dyn Snapshot,
    /// Who owns everything, whoever wrote it: the bucket's owner, where object ownership says so.
    all: Option<UserId>,
    met: Vec<(UserId, Owner, Vec<u8>)>,
}

impl<'s> Owners<'s> {
    pub fn new(snapshot: &'s dyn Snapshot, bucket: &BucketRecord) -> Self {
        let all = (bucket.ownership == Ownership::BucketOwnerEnforced).then_some(bucket.owner);
        Self { snapshot, all, met: Vec::new() }
    }

    /// The `<Owner>` element of what this user owns.
    pub fn element(&mut self, user: UserId) -> Result<&[u8], MetaError> {
        let at = self.meet(self.all.unwrap_or(user))?;
        Ok(&self.met[at].2)
    }

    /// The owner of what this user owns.
    pub fn owner(&mut self, user: UserId) -> Result<&Owner, MetaError> {
        self.user(self.all.unwrap_or(user))
    }

    /// The user himself.
    pub fn user(&mut self, user: UserId) -> Result<&Owner, MetaError> {
        let at = self.meet(user)?;
        Ok(&self.met[at].1)
    }

    /// `<Initiator>` and `<Owner>` of an upload. What came through a mount was initiated by its bearer for those on that
    /// side, and `mounted` owns the bucket there; on the share's side by the share's creator.
    pub fn put_both(
        &mut self,
        out: &mut Writer,
        upload: &UploadRecord,
        mounted: Option<UserId>,
    ) -> Result<(), MetaError> {
        let through = upload.through.filter(|_| mounted.is_some());
        put(out, "Initiator", self.user(through.map_or(upload.initiator(), |by| by.user))?);
        let owner = match mounted {
            Some(owner) => self.user(owner)?,
            None => self.owner(upload.object.owner)?,
        };
        put(out, "Owner", owner);
        Ok(())
    }

    /// Where the user stands in the list. Pages have few owners: a short list is searched from the newest.
    fn meet(&mut self, user: UserId) -> Result<usize, MetaError> {
        if let Some(at) = self.met.iter().rposition(|(known, ..)| *known == user) {
            return Ok(at);
        }
        let owner = self.look_up(user)?;
        let mut out = Writer::default();
        put(&mut out, "Owner", &owner);
        let element = std::mem::take(out.buffer());
        self.met.push((user, owner, element));
        Ok(self.met.len() - 1)
    }

    /// Who the user is. A user that is gone keeps no name.
    fn look_up(&self, user: UserId) -> Result<Owner, MetaError> {
        if user == UserId(0) {
            return Ok(Owner { id: ANONYMOUS_ID.to_owned(), display_name: String::new() });
        }
        let Some(row) = self.snapshot.get(&keys::user(user))? else {
            return Ok(Owner { id: String::new(), display_name: String::new() });
        };
        let record = UserRecord::decode(row)?;
        Ok(Owner { id: hex::encode(&record.canonical_id), display_name: record.display_name.unwrap_or(record.name) })
    }
}

/// `<Owner>` or `<Initiator>`.
fn put(out: &mut Writer, element: &str, owner: &Owner) {
    out.open(element).text("ID", &owner.id).text("DisplayName", &owner.display_name).close(element);
}
