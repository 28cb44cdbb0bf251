//! Owner elements: one look-up for each distinct owner of a page.

use panthera_base::UserId;
use panthera_meta::records::UserRecord;
use panthera_meta::{MetaError, Snapshot, keys};
use panthera_wire::hex;
use panthera_wire::xml::Writer;

/// The canonical id AWS gives to whoever wrote without signing.
const ANONYMOUS_ID: &str = "65a011a29cdf8ec533ec3d1ccaae921c";

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
    met: Vec<(UserId, Owner, Vec<u8>)>,
}

impl<'s> Owners<'s> {
    pub fn new(snapshot: &'s dyn Snapshot) -> Self {
        Self { snapshot, met: Vec::new() }
    }

    /// The user's `<Owner>` element.
    pub fn element(&mut self, user: UserId) -> Result<&[u8], MetaError> {
        let at = self.meet(user)?;
        Ok(&self.met[at].2)
    }

    /// The user.
    pub fn owner(&mut self, user: UserId) -> Result<&Owner, MetaError> {
        let at = self.meet(user)?;
        Ok(&self.met[at].1)
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
pub(super) fn put(out: &mut Writer, element: &str, owner: &Owner) {
    out.open(element).text("ID", &owner.id).text("DisplayName", &owner.display_name).close(element);
}
