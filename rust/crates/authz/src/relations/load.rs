//! Opening: all `r` rows of a store become a root, in one pass and in the order they lie in.

use std::sync::Arc;

use panthera_meta::{MetaError, Metastore, Snapshot, Step};

use crate::error::AuthzError;
use crate::hash::HashKey;
use crate::model::codec::{self, State};
use crate::model::{Event, Target, Tuple, TupleKey};
use crate::relations::base::Builder;
use crate::relations::bucket::{Bucket, bucket_key};
use crate::relations::node::{Qualifier, Record, View};
use crate::relations::root::Root;
use crate::relations::write::Writer;

/// Reads everything.
pub(crate) fn load(meta: &dyn Metastore, name: HashKey) -> Result<(Root, Writer), AuthzError> {
    let snapshot = meta.snapshot()?;
    let stored = snapshot.get(&codec::state_key())?.map(State::decode).transpose()?;
    let mut loader =
        Loader { name, root: Root::default(), at: Vec::new(), target: None, record: Record::default(), bucket: None };
    if let Some(state) = &stored {
        loader.root.revision = state.revision;
        loader.root.ids_stamp = state.revision;
    }
    schemas(&*snapshot, &mut loader.root)?;
    loader.rows(&*snapshot)?;
    Ok((loader.root, Writer::new(stored)))
}

fn schemas(snapshot: &dyn Snapshot, root: &mut Root) -> Result<(), AuthzError> {
    let (mut all, (from, to)) = (Vec::new(), codec::ALL_SCHEMAS);
    snapshot.scan(from..to, &mut |key, value| {
        all.push(codec::schema_tenant(key).and_then(|tenant| match tenant {
            Some(tenant) => codec::decode_schema(value).map(|schema| Some((tenant, schema))),
            None => Ok(None),
        }));
        Step::Next
    })?;
    for schema in all {
        if let Some((tenant, schema)) = schema? {
            root.set_schema(tenant, Arc::new(schema));
        }
    }
    Ok(())
}

struct Loader {
    name: HashKey,
    root: Root,
    /// The row key of the target that is being read, without the tail.
    at: Vec<u8>,
    target: Option<Target>,
    record: Record,
    bucket: Option<(u64, Builder)>,
}

impl Loader {
    fn rows(&mut self, snapshot: &dyn Snapshot) -> Result<(), AuthzError> {
        let mut failed = None;
        let (from, to) = codec::ALL_TUPLES;
        snapshot.scan(from..to, &mut |key, value| match self.row(key, value) {
            Ok(()) => Step::Next,
            Err(e) => {
                failed = Some(e);
                Step::Stop
            }
        })?;
        if let Some(e) = failed {
            return Err(e);
        }
        self.place();
        self.close_bucket();
        Ok(())
    }

    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), AuthzError> {
        let head = key
            .len()
            .checked_sub(codec::TAIL)
            .ok_or_else(|| AuthzError::Store(MetaError::Corrupt("relations: a tuple's row key is too short".into())))?;
        // Most rows are of the place the last one was of: only what ends the key is new.
        if self.at != key[..head] || self.target.is_none() {
            let target = codec::decode_key(key)?.target;
            self.place();
            self.at.clear();
            self.at.extend_from_slice(&key[..head]);
            self.target = Some(target);
        }
        let (relation, grantee) = codec::decode_tail(&key[head..])?;
        let (expires_at, condition) = codec::decode_value(value)?;
        let Some(target) = self.target.as_ref().filter(|t| t.in_bucket().is_none()) else {
            self.record.set(grantee, Qualifier { relation, expires_at, condition: condition.map(Arc::new) });
            return Ok(());
        };
        let key = TupleKey { target: target.clone(), relation, grantee };
        let (name, revision) = (self.name, self.root.revision);
        self.root.apply(name, &Event::Set(Tuple { key, expires_at, condition }), revision).map(|_| ())
    }

    /// Hands the place that was being read to its bucket.
    fn place(&mut self) {
        let Some(target) = self.target.take() else { return };
        let Some((bucket, path, object)) = target.in_bucket() else { return };
        let number = bucket_key(target.tenant, bucket);
        if self.bucket.as_ref().is_some_and(|(open, _)| *open != number) {
            self.close_bucket();
        }
        let (_, builder) = self.bucket.get_or_insert_with(|| (number, Builder::new(self.name)));
        builder.push(path, object, View::of(&self.record));
        self.record = Record::default();
    }

    fn close_bucket(&mut self) {
        if let Some((number, builder)) = self.bucket.take() {
            let bucket = Bucket::new(builder.finish(), self.root.revision);
            self.root.opened(number, bucket);
        }
    }
}
