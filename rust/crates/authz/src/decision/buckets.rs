//! Pages of the buckets that a caller may know of: what ListBuckets answers with.
//!
//! Belongs here: walking through the names of buckets and telling cheaply where nothing can speak for the caller, which is
//! nearly everywhere. Does not belong here: whether the caller may know of one bucket (`listing`), the document.
//!
//! A bucket is decided about only if the caller stands in a relation in it (`standing`) or something beside relations
//! allows it there: [`Authorizer::knows`] needs one of the two to say yes. Of most others no more is read than that their
//! record has nothing that could allow anybody anything.

use std::collections::{BTreeMap, BTreeSet};

use panthera_base::{BucketId, TenantId};
use panthera_meta::records::{BucketRecord, RecordError, decode_id};
use panthera_meta::{MetaError, Snapshot, Step, keys};

use crate::decision::authorizer::{Authorizer, principal};
use crate::decision::{Action, Context, NoRequest, Question, Resource, Subject};
use crate::error::AuthzError;
use crate::relations::{Moment, Standing};

/// Which buckets a page may have.
#[derive(Clone, Copy, Debug)]
pub struct BucketPage<'a> {
    /// With names that begin so.
    pub prefix: &'a str,
    /// And come after this one; empty for the first page.
    pub after: &'a str,
    /// At most so many.
    pub limit: usize,
    /// Only those of this region, and the region of those whose record names none.
    pub region: Option<(&'a str, &'a str)>,
}

/// A bucket's name and its record, as it is stored.
pub type KnownBucket = (String, Vec<u8>);

impl Authorizer {
    /// The first buckets of a page, by name, that the user may know of: all of its own tenant if it may list them all,
    /// else those it knows ([`Self::knows`]); of other tenants those it knows and that name it. All from one state of
    /// the store.
    pub fn known_buckets(
        &self,
        subject: &Subject,
        context: &Context,
        page: &BucketPage<'_>,
    ) -> Result<Vec<KnownBucket>, AuthzError> {
        let (Some(engine), Some(own)) = (self.engine(), subject.tenant()) else { return Ok(Vec::new()) };
        let moment = self.moment(context);
        let pinned = engine.pin(principal(subject)?, own, None, &moment)?;
        let identity = self.identities().map(|all| all.at(&pinned.root, subject, &moment)).transpose()?;
        let service = Resource { tenant: own, bucket: None, name: "", key: None, object: None };
        let action = Action::LIST_ALL_MY_BUCKETS;
        let all = Question { subject, action, resource: service, context, request: &NoRequest };
        let caller = Caller {
            authorizer: self,
            subject,
            context,
            own,
            moment,
            lists_all: self.judge(&all).allowed(),
            by_tenant: pinned.resolved.allow != 0,
            plain: identity.is_none_or(|identity| identity.is_plain()),
            standing: Standing::of(&pinned),
        };
        let snapshot = engine.inner.meta.snapshot()?;
        Walk { caller: &caller, snapshot: &*snapshot, page, found: Vec::new() }.run()
    }
}

/// Who asks, and what is the same for all buckets.
struct Caller<'a> {
    authorizer: &'a Authorizer,
    subject: &'a Subject,
    context: &'a Context,
    own: TenantId,
    moment: Moment,
    /// Every bucket of the tenant is shown without a question.
    lists_all: bool,
    /// Something is granted on the tenant as a whole: it may give something in any bucket of it.
    by_tenant: bool,
    /// No policy of its own or of a group bears on it.
    plain: bool,
    standing: Standing,
}

impl Caller<'_> {
    /// Whether relations may give something in a bucket of its own tenant.
    fn is_related(&self, bucket: BucketId) -> bool {
        self.by_tenant || self.standing.has(self.own, bucket)
    }

    fn knows(&self, name: &str, record: &BucketRecord, related: bool) -> bool {
        let (action, tenant) = (Action::LIST_BUCKET, record.tenant);
        let resource = Resource { tenant, bucket: Some(record), name, key: None, object: None };
        let Self { authorizer, subject, context, .. } = *self;
        let question = Question { subject, action, resource, context, request: &NoRequest };
        // An error is a no, here as there.
        let spoken_for = || authorizer.beside(&question, &self.moment).is_ok_and(|said| said.allows.is_some());
        (related || spoken_for()) && authorizer.knows(&question).allowed()
    }
}

/// The names of buckets, own and others', in one order.
struct Walk<'a> {
    caller: &'a Caller<'a>,
    snapshot: &'a dyn Snapshot,
    page: &'a BucketPage<'a>,
    found: Vec<KnownBucket>,
}

impl Walk<'_> {
    fn run(mut self) -> Result<Vec<KnownBucket>, AuthzError> {
        let mut elsewhere = self.elsewhere()?.into_iter().peekable();
        let snapshot = self.snapshot;
        names(snapshot, self.caller.own, self.page, &mut |name, number| {
            while let Some(other) = elsewhere.next_if(|other| other.as_str() < name) {
                self.take(&other, None)?;
            }
            self.take(name, Some(number))?;
            Ok(!self.is_full())
        })?;
        for other in elsewhere {
            self.take(&other, None)?;
        }
        Ok(self.found)
    }

    fn is_full(&self) -> bool {
        self.found.len() >= self.page.limit
    }

    /// Takes a bucket, if there is room and the caller knows of it: one of the caller's tenant with its number, or one of
    /// another that names it.
    fn take(&mut self, name: &str, own: Option<BucketId>) -> Result<(), AuthzError> {
        let caller = self.caller;
        if self.is_full() {
            return Ok(());
        }
        let Some(value) = self.snapshot.get(&keys::bucket(name.as_bytes()))? else { return Ok(()) };
        let related = own.is_none_or(|number| caller.is_related(number));
        let shown = own.is_some() && caller.lists_all;
        if !shown && !related && caller.plain && BucketRecord::is_bare(value) {
            return Ok(());
        }
        let record = BucketRecord::decode(value).map_err(corrupt)?;
        let elsewhere = record.tenant != caller.own;
        let meant = self.page.region.is_none_or(|(wanted, ours)| record.region.as_deref().unwrap_or(ours) == wanted);
        if meant && elsewhere == own.is_none() && (shown || caller.knows(name, &record, related)) {
            self.found.push((name.to_owned(), value.to_vec()));
        }
        Ok(())
    }

    /// Names of other tenants' buckets that may be on the page, ascending.
    fn elsewhere(&self) -> Result<BTreeSet<String>, AuthzError> {
        let Standing { tenants, buckets } = &self.caller.standing;
        let mut numbers: BTreeMap<TenantId, BTreeSet<BucketId>> = BTreeMap::new();
        for (tenant, bucket) in buckets.iter().filter(|(tenant, _)| *tenant != self.caller.own) {
            numbers.entry(*tenant).or_default().insert(*bucket);
        }
        for tenant in tenants {
            numbers.entry(*tenant).or_default();
        }
        let mut found = BTreeSet::new();
        for (tenant, numbers) in &numbers {
            let whole = tenants.binary_search(tenant).is_ok();
            names(self.snapshot, *tenant, self.page, &mut |name, number| {
                if whole || numbers.contains(&number) {
                    found.insert(name.to_owned());
                }
                Ok(true)
            })?;
        }
        Ok(found)
    }
}

fn corrupt(error: RecordError) -> AuthzError {
    MetaError::from(error).into()
}

/// Visits the buckets of a tenant that a page may have, by name, as long as the visitor says yes.
fn names(
    snapshot: &dyn Snapshot,
    tenant: TenantId,
    page: &BucketPage<'_>,
    visit: &mut dyn FnMut(&str, BucketId) -> Result<bool, AuthzError>,
) -> Result<(), AuthzError> {
    let range = keys::prefix_range(keys::tenant_bucket(tenant, page.prefix.as_bytes()));
    // No name is empty, so the first page begins behind the empty one.
    let after = [&*keys::tenant_bucket(tenant, page.after.as_bytes()), &[0]].concat();
    let from = range.start.as_slice().max(&after);
    let mut failed = None;
    snapshot.scan(from..&range.end, &mut |key, value| {
        let read = || -> Result<(&str, BucketId), AuthzError> {
            let (_, name) = keys::parse_tenant_bucket(key).unwrap_or_default();
            let name = std::str::from_utf8(name).map_err(|_| MetaError::Corrupt("a bucket's name".into()))?;
            Ok((name, BucketId(decode_id(value).map_err(corrupt)?)))
        };
        match read().and_then(|(name, number)| visit(name, number)) {
            Ok(true) => Step::Next,
            Ok(false) => Step::Stop,
            Err(error) => {
                failed = Some(error);
                Step::Stop
            }
        }
    })?;
    failed.map_or(Ok(()), Err)
}
