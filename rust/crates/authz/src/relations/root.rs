//! The state of all relations at one revision: immutable once published, cloned by reference, changed by copying the
//! path to what changes. Change stamps travel inside it, so an answer and the state it was computed from cannot part.

use std::sync::Arc;

use panthera_base::{BucketId, TenantId};

use crate::error::AuthzError;
use crate::hash::HashKey;
use crate::model::permission::Rule;
use crate::model::{Event, Grantee, Permission, Relation, Schema, TupleKey};
use crate::relations::bucket::{Bucket, bucket_key};
use crate::relations::ids::Ids;
use crate::relations::node::{Qualifier, View};
use crate::relations::ptree::PTree;

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
    /// The revision of the last change of any tenant's schema.
    pub(crate) schemas_stamp: u64,
    pub(crate) buckets: PTree<u64, Arc<Bucket>>,
    /// Grantees and the buckets in which they stand anywhere: tells in which of all buckets a subject may have a right by
    /// its relations. A pair may be left of one that stood at many places and stands at none, until the next opening.
    pub(crate) standing: PTree<(Grantee, u64), ()>,
    /// Of the tenants that do not have the built-in one, by their numbers.
    pub(crate) schemas: PTree<u32, Arc<Schema>>,
}

impl Root {
    /// A tenant's bucket; `None` when nothing in it was ever granted.
    #[inline]
    pub(crate) fn bucket(&self, tenant: TenantId, bucket: BucketId) -> Option<&Arc<Bucket>> {
        self.buckets.get(&bucket_key(tenant, bucket))
    }

    /// The schema in force for a tenant.
    #[inline]
    pub(crate) fn schema(&self, tenant: TenantId) -> &Schema {
        let own = if self.schemas.is_empty() { None } else { self.schemas.get(&tenant.0) };
        match own {
            Some(schema) => schema,
            None => Schema::built_in(),
        }
    }

    /// The last revision that changed anything a verdict about a bucket of the tenant depends on.
    #[inline]
    pub(crate) fn changed(&self, tenant: TenantId, bucket: Option<&Bucket>) -> u64 {
        let relations = bucket.map_or(0, |b| b.stamp).max(self.ids_stamp);
        // Schemas change rarely: mostly this one comparison tells that none did since.
        if self.schemas_stamp <= relations { relations } else { relations.max(self.schema(tenant).stamp) }
    }

    /// Puts a tenant's schema in force.
    pub(crate) fn set_schema(&mut self, tenant: TenantId, schema: Arc<Schema>) {
        self.schemas_stamp = self.schemas_stamp.max(schema.stamp);
        self.schemas.insert(tenant.0, schema);
    }

    /// The schema of a tenant, to keep.
    pub(crate) fn shared_schema(&self, tenant: TenantId) -> Arc<Schema> {
        self.schemas.get(&tenant.0).map_or_else(|| Arc::new(Schema::built_in().clone()), Arc::clone)
    }

    /// What decides a permission on a tenant's resources.
    #[inline]
    pub(crate) fn rule(&self, tenant: TenantId, permission: Permission) -> Rule<'_> {
        self.schema(tenant).rule(permission)
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
            Event::Schema(tenant, schema) => {
                self.set_schema(*tenant, Arc::clone(schema));
                return Ok(false);
            }
            Event::NoSchema(tenant) => {
                self.schemas.remove(&tenant.0);
                // The built-in schema has no revision that verdicts by another one could be held against.
                self.ids_stamp = revision;
                return Ok(false);
            }
        };
        if let Some(target) = key.target.packed()? {
            self.ids_stamp = revision;
            return self.ids.write(target, key.grantee, &change);
        }
        let Some((bucket, path, object)) = key.target.in_bucket() else { return Ok(false) };
        let number = bucket_key(key.target.tenant, bucket);
        if self.buckets.get(&number).is_none() {
            self.buckets.insert(number, Arc::new(Bucket::new(crate::relations::base::Base::default(), revision)));
        }
        // In its place in the map: what nobody else sees yet is changed and not copied again.
        let Some(own) = self.buckets.get_mut(&number).map(Arc::make_mut) else { return Ok(false) };
        own.stamp = revision;
        let written = own.write(name, path, object, key.grantee, change);
        let at = (key.grantee, number);
        // Mostly it stood in the bucket before, and goes on doing so: nothing is copied then.
        if written.stands && self.standing.get(&at).is_none() {
            self.standing.insert(at, ());
        } else if written.stood && !written.stands && !own.may_stand(name, key.grantee) {
            self.standing.remove(&at);
        }
        Ok(written.had)
    }

    /// Puts in place what was read of a bucket that was not there.
    pub(crate) fn opened(&mut self, number: u64, bucket: Bucket) {
        for &grantee in bucket.base.grantees() {
            self.standing.insert((grantee, number), ());
        }
        self.buckets.insert(number, Arc::new(bucket));
    }

    /// The buckets in which a grantee stands, ascending, from one on (`bucket_key`).
    pub(crate) fn stands_in(&self, grantee: Grantee, from: u64) -> impl Iterator<Item = (TenantId, BucketId)> {
        let all = self.standing.iter_from(move |at| *at < (grantee, from));
        let all = all.take_while(move |((of, _), _)| *of == grantee);
        all.map(|((_, number), ())| (TenantId((number >> 32) as u32), BucketId(*number as u32)))
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
