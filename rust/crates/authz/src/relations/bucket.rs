//! One bucket's tuples: a compact base, the layer being merged into it, and the fresh layer that writes go to. A place
//! in a newer layer stands for all that older layers say about it.

use std::sync::Arc;

use panthera_base::{BucketId, TenantId};

use crate::hash::HashKey;
use crate::model::{Grantee, Relation};
use crate::relations::base::{Base, Builder};
use crate::relations::node::{Qualifier, Record, View};
use crate::relations::ptree::PTree;

/// A fresh layer of this many places is merged into the base, unless the base is much larger: then at 1/32 of it, so
/// that merging costs each write a bounded number of rewritten places.
pub(crate) const MERGE_AT: usize = 4096;
const MERGE_SHARE: usize = 32;

/// Places at which a grantee once stood that are looked at to find out whether it still stands at one: more than most
/// grantees have in a bucket, and a microsecond or two of the writer's time.
const LOOKS: usize = 16;

/// A place by its bytes; prefixes sort before the object with the same bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct PathKey {
    pub(crate) path: Arc<[u8]>,
    pub(crate) object: bool,
}

/// Places that were written since the base was built.
#[derive(Clone, Default)]
pub(crate) struct Layer {
    places: PTree<u128, (PathKey, Arc<Record>)>,
    /// Grantee, then place: at which places a grantee was added since the older layers.
    rows: PTree<(Grantee, PathKey), ()>,
    /// Objects that were ever written to this layer.
    objects: usize,
}

impl Layer {
    fn get(&self, hash: u128) -> Option<&Arc<Record>> {
        if self.places.is_empty() { None } else { self.places.get(&hash).map(|(_, record)| record) }
    }

    /// Puts a place here. Only the grantee that was added is noted in the rows: the others of the place stand in the
    /// rows of an older layer, and a row that says too much costs one look at the place.
    fn put(&mut self, hash: u128, key: PathKey, record: Record, added: Option<Grantee>) {
        if let Some(grantee) = added {
            self.rows.insert((grantee, key.clone()), ());
        }
        self.objects += usize::from(key.object);
        self.places.insert(hash, (key, Arc::new(record)));
    }

    /// Where the grantee stands in this layer, from a path on.
    pub(crate) fn row<'a>(&'a self, grantee: Grantee, from: &[u8]) -> impl Iterator<Item = &'a PathKey> + use<'a> {
        let all = self.rows.iter_from(|(g, k)| (*g, &*k.path) < (grantee, from));
        all.take_while(move |((g, _), ())| *g == grantee).map(|((_, k), ())| k)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

/// What a write found and left at its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Written {
    /// Whether the relation was there.
    pub(crate) had: bool,
    /// Whether the grantee stood there in any relation.
    pub(crate) stood: bool,
    /// Whether it does now.
    pub(crate) stands: bool,
}

/// A bucket's tuples.
#[derive(Clone)]
pub(crate) struct Bucket {
    pub(crate) base: Arc<Base>,
    pub(crate) merging: Option<Arc<Layer>>,
    pub(crate) fresh: Layer,
    /// The revision of the last change here.
    pub(crate) stamp: u64,
}

/// Tenant and bucket in one number: the key of the map of buckets.
pub(crate) fn bucket_key(tenant: TenantId, bucket: BucketId) -> u64 {
    u64::from(tenant.0) << 32 | u64::from(bucket.0)
}

impl Bucket {
    pub(crate) fn new(base: Base, stamp: u64) -> Self {
        Self { base: Arc::new(base), merging: None, fresh: Layer::default(), stamp }
    }

    /// What is granted at the place with this name.
    #[inline]
    pub(crate) fn find(&self, hash: u128) -> Option<View<'_>> {
        self.find_fresh(hash).or_else(|| self.base.find(hash).map(|node| self.base.view(node)))
    }

    /// The same for several names at once, so that their cache misses overlap.
    #[inline]
    pub(crate) fn find_all<'a, const N: usize>(&'a self, names: &[u128; N], views: &mut [Option<View<'a>>; N]) {
        // Step by step for all: what one step reads depends on the step before, and on nothing of the other names.
        let first = names.map(|name| self.base.peek(name));
        let settled = self.is_settled();
        let mut nodes = [None; N];
        for ((node, name), first) in nodes.iter_mut().zip(names).zip(first) {
            *node = self.base.find_from(*name, first);
        }
        for ((view, name), node) in views.iter_mut().zip(names).zip(nodes) {
            let fresh = if settled { None } else { self.find_fresh(*name) };
            *view = fresh.or_else(|| node.map(|node| self.base.view(node)));
        }
    }

    /// The same, if it was written since the base was built.
    #[inline]
    pub(crate) fn find_fresh(&self, hash: u128) -> Option<View<'_>> {
        if let Some(record) = self.fresh.get(hash) {
            return Some(View::of(record));
        }
        self.merging.as_ref().and_then(|layer| layer.get(hash)).map(|record| View::of(record))
    }

    /// Whether the base alone tells everything.
    pub(crate) fn is_settled(&self) -> bool {
        self.fresh.is_empty() && self.merging.is_none()
    }

    /// Whether any object may have tuples of its own.
    pub(crate) fn has_objects(&self) -> bool {
        self.base.paths.object_count() > 0
            || self.fresh.objects > 0
            || self.merging.as_ref().is_some_and(|layer| layer.objects > 0)
    }

    /// The layers above the base.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &Layer> {
        std::iter::once(&self.fresh).chain(self.merging.as_deref())
    }

    /// At how many places a grantee stands, or stood since the last merge; layers are counted to `most` and one more.
    pub(crate) fn places_of(&self, grantee: Grantee, most: usize) -> usize {
        let layered = self.layers().map(|layer| layer.row(grantee, b"").take(most + 1).count());
        self.base.row(grantee).len() + layered.sum::<usize>()
    }

    /// Makes a relation hold at a place, or with `Err` no longer.
    pub(crate) fn write(
        &mut self,
        name: HashKey,
        path: &[u8],
        object: bool,
        grantee: Grantee,
        change: Result<Qualifier, Relation>,
    ) -> Written {
        let hash = name.place(path, object);
        let mut record = self.find(hash).map(View::to_record).unwrap_or_default();
        let (added, stood) = (change.is_ok().then_some(grantee), View::of(&record).has(grantee));
        let had = match change {
            Ok(qualifier) => record.set(grantee, qualifier),
            Err(relation) => record.remove(grantee, relation),
        };
        let written = Written { had, stood, stands: View::of(&record).has(grantee) };
        self.fresh.put(hash, PathKey { path: path.into(), object }, record, added);
        written
    }

    /// Whether the grantee stands anywhere: surely not, or perhaps.
    pub(crate) fn may_stand(&self, name: HashKey, grantee: Grantee) -> bool {
        let here = |path: &[u8], object| self.find(name.place(path, object)).is_some_and(|view| view.has(grantee));
        let mut looks = LOOKS;
        for key in self.layers().flat_map(|layer| layer.row(grantee, b"")) {
            if looks == 0 || here(&key.path, key.object) {
                return true;
            }
            looks -= 1;
        }
        let (mut reader, row) = (self.base.reader(), self.base.row(grantee));
        row.len() > looks || row.iter().any(|&node| here(reader.get(node), self.base.paths.is_object(node)))
    }

    /// Whether a merge should begin.
    pub(crate) fn is_due(&self, merge_at: usize) -> bool {
        let places = self.fresh.places.len();
        self.merging.is_none() && places >= merge_at && places >= self.base.len() as usize / MERGE_SHARE
    }

    /// Sets the fresh layer aside for merging.
    pub(crate) fn begin_merge(&mut self) {
        self.merging = Some(Arc::new(std::mem::take(&mut self.fresh)));
    }

    /// The base with the layer that was set aside. Long for a large bucket; needs no lock.
    pub(crate) fn merged(&self, name: HashKey) -> Base {
        let mut over: Vec<&(PathKey, Arc<Record>)> =
            self.merging.iter().flat_map(|layer| layer.places.iter().map(|(_, v)| v)).collect();
        over.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut over = over.into_iter().peekable();
        let mut builder = Builder::new(name);
        let mut reader = self.base.reader();
        for node in 0..self.base.len() {
            let (path, object) = (reader.get(node), self.base.paths.is_object(node));
            let mut replaced = false;
            while let Some((key, record)) = over.next_if(|(k, _)| (&*k.path, k.object) <= (path, object)) {
                replaced = (&*key.path, key.object) == (path, object);
                builder.push(&key.path, key.object, View::of(record));
            }
            if !replaced {
                builder.push(path, object, self.base.view(node));
            }
        }
        over.for_each(|(key, record)| builder.push(&key.path, key.object, View::of(record)));
        builder.finish()
    }

    /// About how many places there are; those in several layers count more than once.
    pub(crate) fn places(&self) -> usize {
        self.base.len() as usize + self.layers().map(|l| l.places.len()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use panthera_base::UserId;

    /// A grantee that stood at so many places, and was taken away from each; merged in between or not.
    fn left(places: usize, merge: bool) -> bool {
        let name = HashKey::random().unwrap();
        let grantee = Grantee::user(TenantId(1), UserId(1)).unwrap();
        let mut bucket = Bucket::new(Base::default(), 0);
        let paths: Vec<String> = (0..places).map(|n| format!("{n:03}/")).collect();
        for path in &paths {
            let reader = Qualifier { relation: Relation::Reader, expires_at: None, condition: None };
            let written = bucket.write(name, path.as_bytes(), false, grantee, Ok(reader));
            assert_eq!(written, Written { had: false, stood: false, stands: true });
            assert!(bucket.may_stand(name, grantee));
        }
        if merge {
            bucket.begin_merge();
            bucket = Bucket::new(bucket.merged(name), 0);
        }
        for path in &paths {
            assert!(bucket.may_stand(name, grantee));
            let written = bucket.write(name, path.as_bytes(), false, grantee, Err(Relation::Reader));
            assert_eq!(written, Written { had: true, stood: true, stands: false });
        }
        bucket.may_stand(name, grantee)
    }

    /// A newer layer has the whole place, and in its rows only who was added to it.
    #[test]
    fn who_stands_at_a_place_that_was_written_for_another_is_not_forgotten() {
        let name = HashKey::random().unwrap();
        let [one, other] = [1, 2].map(|user| Grantee::user(TenantId(1), UserId(user)).unwrap());
        let reader = || Qualifier { relation: Relation::Reader, expires_at: None, condition: None };
        let mut bucket = Bucket::new(Base::default(), 0);
        for path in [b"a/", b"b/"] {
            bucket.write(name, path, false, one, Ok(reader()));
        }
        bucket.begin_merge();
        bucket = Bucket::new(bucket.merged(name), 0);
        bucket.write(name, b"a/", false, other, Ok(reader()));
        bucket.write(name, b"b/", false, one, Err(Relation::Reader));
        assert!(bucket.may_stand(name, one));
        bucket.write(name, b"a/", false, one, Err(Relation::Reader));
        assert!(!bucket.may_stand(name, one) && bucket.may_stand(name, other));
    }

    #[test]
    fn who_stood_at_few_places_and_stands_at_none_is_forgotten() {
        for merge in [false, true] {
            for places in [1, 2, LOOKS] {
                assert!(!left(places, merge), "{places} {merge}");
            }
            assert!(left(LOOKS + 1, merge), "more is not looked at");
        }
    }
}
