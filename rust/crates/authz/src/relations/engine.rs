//! The engine: a published root that readers take without a lock, and the questions that one root answers about one
//! place. Writing is in `write`, listing in `ranges`, reverse questions in `lookup`.

use std::sync::Arc;

use panthera_base::limits::KEY_BYTES;
use panthera_base::{BucketId, TenantId, Timestamp};
use panthera_meta::Metastore;

use crate::audit::{AuditSettings, Book};
use crate::error::AuthzError;
use crate::hash::HashKey;
use crate::model::permission::Rule;
use crate::model::{Facts, Permission, Relation, Schema, Target};
use crate::relations::bucket::MERGE_AT;
use crate::relations::eval::{Eval, State};
use crate::relations::queue::Queue;
use crate::relations::resolve::{Depends, MEMO_PLACES, Memo, Principal, Resolved};
use crate::relations::root::Root;
use crate::relations::verdict::{VERDICT_PLACES, Verdicts};
use crate::relations::write::Writer;
use crate::sync::{ArcSwap, Condvar, Mutex};

/// Users kept by who decides: a busy gateway's of some minutes. An entry of a user without policies has about 300 bytes.
/// Under the model checker all meet at one place, which hides nothing.
pub(crate) const IDENTITY_PLACES: usize = if cfg!(feature = "model") { 1 } else { 1 << 14 };

/// What can be set when an engine is opened; the defaults are for service.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Places in a bucket's fresh layer at which it is merged into the compact base.
    pub merge_at: usize,
    /// Places of the memo of resolved subjects; 0 switches it off.
    pub memo_places: usize,
    /// Places of the cache of verdicts; 0 switches it off.
    pub verdict_places: usize,
    /// Places of the cache of identities, and a quarter as many of what hangs on users and groups; 0 switches both off.
    pub identity_places: usize,
}

impl Settings {
    /// Nothing is kept: slower, and the same answers.
    pub fn without_caches() -> Self {
        Self { memo_places: 0, verdict_places: 0, identity_places: 0, ..Self::default() }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            merge_at: MERGE_AT,
            memo_places: MEMO_PLACES,
            verdict_places: VERDICT_PLACES,
            identity_places: IDENTITY_PLACES,
        }
    }
}

/// A cache's name, and its hits and misses since the start.
pub type CacheRow = (&'static str, (u64, u64));

/// When, and what else is known of the request. One for a whole request: expiry is judged by a single moment.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Now.
    pub now: Timestamp,
    /// Facts for conditions.
    pub facts: Facts,
}

/// A place in a tenant that is asked about, borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spot<'a> {
    /// The tenant.
    Tenant,
    /// A bucket.
    Bucket(BucketId),
    /// A prefix that ends in `/`.
    Prefix(BucketId, &'a [u8]),
    /// The object with this key, there or not.
    Object(BucketId, &'a [u8]),
}

impl<'a> Spot<'a> {
    /// Of an action's resource: the service, a bucket, or a key in it.
    pub(crate) fn of(bucket: Option<BucketId>, key: Option<&'a [u8]>) -> Self {
        match (bucket, key) {
            (None, _) => Self::Tenant,
            (Some(bucket), None) => Self::Bucket(bucket),
            (Some(bucket), Some(key)) => Self::Object(bucket, key),
        }
    }

    pub(crate) fn bucket(self) -> Option<BucketId> {
        match self {
            Self::Tenant => None,
            Self::Bucket(bucket) | Self::Prefix(bucket, _) | Self::Object(bucket, _) => Some(bucket),
        }
    }

    pub(crate) fn validate(self) -> Result<(), AuthzError> {
        match self {
            Self::Prefix(_, path) if !path.ends_with(b"/") => Err(AuthzError::Invalid("a prefix ends in '/'".into())),
            Self::Prefix(_, path) | Self::Object(_, path) if path.is_empty() || path.len() > KEY_BYTES => {
                Err(AuthzError::Invalid(format!("a key has 1 to {KEY_BYTES} bytes")))
            }
            _ => Ok(()),
        }
    }
}

/// The answer to a check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Allowed.
    pub allowed: bool,
    /// A deny relation applies, whether or not anything allows.
    pub denied: bool,
    /// It is the tenant's own owner or admin who asks.
    pub tenant_admin: bool,
    /// The state it was computed from.
    pub revision: u64,
    /// The first moment at which an expiry may change it; 0 for never.
    pub valid_until: u64,
    /// A condition was evaluated: the answer is for this request only.
    pub conditional: bool,
}

pub(crate) fn answer(rule: Rule<'_>, state: &State, revision: u64) -> Answer {
    let Depends { valid_until, conditional, .. } = state.depends;
    let allowed = state.gives(rule);
    Answer {
        allowed,
        denied: !allowed && state.deny & rule.denies() != 0,
        tenant_admin: state.allow & crate::model::bits::TENANT_ADMIN != 0,
        revision,
        valid_until,
        conditional,
    }
}

pub(crate) struct Inner {
    pub(crate) name: HashKey,
    pub(crate) meta: Arc<dyn Metastore>,
    pub(crate) root: ArcSwap<Root>,
    pub(crate) memo: Memo,
    pub(crate) verdicts: Verdicts,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) queue: Queue,
    /// The published revision, for those who wait for the next.
    pub(crate) published: Mutex<u64>,
    pub(crate) news: Condvar,
    pub(crate) settings: Settings,
    pub(crate) book: Arc<Book>,
}

/// The relationship engine of a store. Cheap to clone; all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

impl Engine {
    /// Loads all tuples of a store. Its audit log has no limit.
    pub fn open(meta: Arc<dyn Metastore>, settings: Settings) -> Result<Self, AuthzError> {
        let book = Book::open(meta, AuditSettings::default())?;
        Self::with_book(settings, book)
    }

    /// Loads all tuples of the store that the audit log is in.
    pub fn with_book(settings: Settings, book: Arc<Book>) -> Result<Self, AuthzError> {
        let meta = Arc::clone(&book.meta);
        let name = HashKey::random()?;
        let (root, writer) = crate::relations::load::load(&*meta, name)?;
        let inner = Inner {
            name,
            meta,
            published: Mutex::new(root.revision),
            root: ArcSwap::from_pointee(root),
            memo: Memo::new(settings.memo_places),
            verdicts: Verdicts::new(settings.verdict_places)?,
            writer: Mutex::new(writer),
            queue: Queue::new(),
            news: Condvar::new(),
            settings,
            book,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The audit log that changes are written to.
    pub fn book(&self) -> &Arc<Book> {
        &self.inner.book
    }

    /// The revision that checks see now.
    pub fn revision(&self) -> u64 {
        self.inner.root.load().revision
    }

    /// Whether the principal has the permission there. Takes no lock; sees the newest published state.
    #[inline]
    pub fn check(
        &self,
        principal: Principal,
        permission: Permission,
        tenant: TenantId,
        spot: Spot<'_>,
        moment: &Moment,
    ) -> Result<Answer, AuthzError> {
        self.check_at(&self.inner.root.load(), principal, permission, tenant, spot, moment)
    }

    /// The same at a root that was published a moment ago.
    #[inline]
    pub(crate) fn check_at(
        &self,
        root: &Root,
        principal: Principal,
        permission: Permission,
        tenant: TenantId,
        spot: Spot<'_>,
        moment: &Moment,
    ) -> Result<Answer, AuthzError> {
        spot.validate()?;
        let inner = &*self.inner;
        let bucket = spot.bucket().and_then(|b| root.bucket(tenant, b)).map(|b| &**b);
        let name = inner.verdicts.name(root, principal, permission, tenant, spot);
        if let Some(name) = name {
            let since = root.changed(tenant, bucket);
            if let Some(known) = inner.verdicts.get(name, since, root, moment.now) {
                return Ok(known);
            }
        }
        let (answer, keep) =
            inner.memo.with(root.membership(), principal, tenant, (moment.now, &moment.facts), |resolved| {
                let eval = Eval { bucket, name: inner.name, resolved, now: moment.now, facts: &moment.facts };
                let state = at(&eval, spot);
                // An answer in which something has expired is not true for an earlier moment.
                let rule = root.rule(tenant, permission);
                (answer(rule, &state, root.revision), !state.depends.conditional && !state.depends.expired)
            })?;
        if let Some(name) = name.filter(|_| keep) {
            inner.verdicts.put(name, &answer);
        }
        Ok(answer)
    }

    /// Whether the principal stands in this relation to a target that is named by number: manager of a group, owner of
    /// a share, assignee of a role.
    pub fn stands(
        &self,
        principal: Principal,
        relation: Relation,
        target: &Target,
        moment: &Moment,
    ) -> Result<bool, AuthzError> {
        let Some(packed) = target.packed()? else {
            return Err(AuthzError::Invalid("the target is named by number".into()));
        };
        let pinned = self.pin(principal, target.tenant, None, moment)?;
        let holds = |mask: u32, qualifiers: &[crate::relations::node::Qualifier]| {
            let mut depends = Depends::default();
            mask & relation.bit() != 0
                || qualifiers
                    .iter()
                    .filter(|q| q.relation == relation)
                    .any(|q| depends.on(q, moment.now, &moment.facts) == crate::model::condition::Tri::True)
        };
        Ok(pinned.resolved.grantees.iter().any(|(grantee, strata)| {
            let edge = pinned.root.ids.get(packed, *grantee);
            strata & crate::relations::resolve::ALLOW != 0 && holds(edge.mask, edge.qualifiers)
        }))
    }

    /// One root and one resolved subject, for questions that take longer than a check.
    pub(crate) fn pin(
        &self,
        principal: Principal,
        tenant: TenantId,
        bucket: Option<BucketId>,
        moment: &Moment,
    ) -> Result<Pinned, AuthzError> {
        let root = self.inner.root.load_full();
        let resolved = self.inner.memo.get(root.membership(), principal, tenant, (moment.now, &moment.facts))?;
        Ok(Pinned { root, resolved, name: self.inner.name, tenant, bucket, moment: *moment })
    }

    /// The schema in force for a tenant.
    pub fn schema(&self, tenant: TenantId) -> Arc<Schema> {
        self.inner.root.load().shared_schema(tenant)
    }

    /// The caches by name, with their hits and misses.
    pub fn caches(&self) -> [CacheRow; 2] {
        let Inner { verdicts, memo, .. } = &*self.inner;
        [("verdicts", verdicts.counts.totals()), ("memberships", memo.totals())]
    }

    /// Sizes, for metrics and benchmarks.
    pub fn sizes(&self) -> Sizes {
        let root = self.inner.root.load_full();
        let (id_edges, closure_entries) = root.ids.sizes();
        let standing = root.standing.len();
        let mut sizes = Sizes { id_edges, closure_entries, standing, ..Sizes::default() };
        for (_, bucket) in root.buckets.iter() {
            let (index, dictionary) = bucket.base.heap_bytes();
            sizes.buckets += 1;
            sizes.places += bucket.places();
            sizes.base_edges += bucket.base.edge_count();
            sizes.index_bytes += index;
            sizes.dictionary_bytes += dictionary;
        }
        sizes
    }
}

/// How large the engine's parts are.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// Buckets with tuples.
    pub buckets: usize,
    /// Places with tuples in them.
    pub places: usize,
    /// Grantees at places, in the compact bases.
    pub base_edges: usize,
    /// Bytes of the bases' edges in both directions.
    pub index_bytes: usize,
    /// Bytes of the bases' paths and of the table that finds them.
    pub dictionary_bytes: usize,
    /// Grantees of tenants, groups, roles and shares.
    pub id_edges: usize,
    /// Groups in other groups.
    pub closure_entries: usize,
    /// Grantees in buckets: what tells in which of them one stands.
    pub standing: usize,
}

fn at(eval: &Eval<'_>, spot: Spot<'_>) -> State {
    match spot {
        Spot::Tenant => eval.tenant(),
        Spot::Bucket(_) => eval.bucket(),
        Spot::Prefix(_, path) => eval.folder(path, |_, _| {}).0,
        Spot::Object(_, key) => eval.key(key),
    }
}

/// A root and a subject that stay as they are while a longer question is answered.
pub(crate) struct Pinned {
    pub(crate) root: Arc<Root>,
    pub(crate) resolved: Arc<Resolved>,
    pub(crate) name: HashKey,
    pub(crate) tenant: TenantId,
    pub(crate) bucket: Option<BucketId>,
    pub(crate) moment: Moment,
}

impl Pinned {
    pub(crate) fn eval(&self) -> Eval<'_> {
        let bucket = self.bucket.and_then(|b| self.root.bucket(self.tenant, b)).map(|b| &**b);
        let Self { name, resolved, moment, .. } = self;
        Eval { bucket, name: *name, resolved, now: moment.now, facts: &moment.facts }
    }

    pub(crate) fn rule(&self, permission: Permission) -> Rule<'_> {
        self.root.rule(self.tenant, permission)
    }
}
