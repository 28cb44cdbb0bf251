//! The state of all relations at one revision: immutable once published, cloned by reference, changed by copying the
//! path to what changes. Change stamps travel inside it, so an answer and the state it was computed from cannot part.

use std::sync::Arc;

use panthera_base::{BucketId, TenantId};

use crate::bucket::{Bucket, bucket_key};
use crate::codec::Event;
use crate::error::AuthzError;
use crate::hash::HashKey;
use crate::ids::Ids;
use crate::model::{Relation, TupleKey};
use crate::node::{Qualifier, View};
use crate::ptree::PTree;

/// All relations at a revision.
#[derive(Clone, Default)]
pub(crate) struct Root {
    /// The log's revision it shows.
    pub(crate) revision: u64,
    /// Counts how often this process loaded the store anew: a revision means one state only within a generation.
    pub(crate) generation: u64,
    pub(crate) ids: Ids,
    /// The revision of the last change of `ids`: memberships, flags of groups, grants on tenants.
    pub(crate) ids_stamp: u64,
    pub(crate) buckets: PTree<u64, Arc<Bucket>>,
}

impl Root {
    /// A tenant's bucket; `None` when nothing in it was ever granted.
    #[inline]
    pub(crate) fn bucket(&self, tenant: TenantId, bucket: BucketId) -> Option<&Arc<Bucket>> {
        self.buckets.get(&bucket_key(tenant, bucket))
    }

    /// What the memberships are stamped with.
    pub(crate) fn membership(&self) -> (&Ids, (u64, u64)) {
        (&self.ids, (self.generation, self.ids_stamp))
    }

    /// What the log says happened. On an error this root is half changed and must be dropped.
    pub(crate) fn apply(&mut self, name: HashKey, event: &Event, revision: u64) -> Result<bool, AuthzError> {
        let (key, change) = match event {
            Event::Set(tuple) => {
                let condition = tuple.condition.clone().map(Arc::new);
                let qualifier = Qualifier { relation: tuple.key.relation, expires_at: tuple.expires_at, condition };
                (&tuple.key, Ok(qualifier))
            }
            Event::Gone(key) => (key, Err(key.relation)),
        };
        if let Some(target) = key.target.packed()? {
            self.ids_stamp = revision;
            return self.ids.write(target, key.grantee, &change);
        }
        let Some((bucket, path, object)) = key.target.in_bucket() else { return Ok(false) };
        let number = bucket_key(key.target.tenant, bucket);
        let mut shared = match self.buckets.get(&number) {
            Some(shared) => Arc::clone(shared),
            None => Arc::new(Bucket::new(crate::base::Base::default(), revision)),
        };
        let own = Arc::make_mut(&mut shared);
        own.stamp = revision;
        let had = own.write(name, path, object, key.grantee, change);
        self.buckets.insert(number, shared);
        Ok(had)
    }

    /// The tuple with this key, as its expiry and condition.
    pub(crate) fn find(&self, name: HashKey, key: &TupleKey) -> Result<Option<Qualifier>, AuthzError> {
        let plain = |relation: Relation| Qualifier { relation, expires_at: None, condition: None };
        let relation = key.relation;
        if let Some(target) = key.target.packed()? {
            let edge = self.ids.get(target, key.grantee);
            let qualified = edge.qualifiers.iter().find(|q| q.relation == relation).cloned();
            return Ok(qualified.or((edge.mask & relation.bit() != 0).then(|| plain(relation))));
        }
        let Some((bucket, path, object)) = key.target.in_bucket() else { return Ok(None) };
        let Some(bucket) = self.bucket(key.target.tenant, bucket) else { return Ok(None) };
        let Some(view) = bucket.find(name.place(path, object)) else { return Ok(None) };
        Ok(in_view(view, key).or_else(|| {
            let edge = view.edges.iter().find(|e| e.grantee() == key.grantee);
            edge.filter(|e| e.mask & relation.bit() != 0).map(|_| plain(relation))
        }))
    }
}

fn in_view(view: View<'_>, key: &TupleKey) -> Option<Qualifier> {
    view.qualifiers_of(key.grantee).find(|q| q.relation == key.relation).cloned()
}
