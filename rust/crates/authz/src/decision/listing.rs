//! What a caller may see of a bucket's names: the listing part of the authorizer.
//!
//! Belongs here: which names a listing shows, whether a bucket or a missing key may be known of. Does not belong here:
//! single actions (`authorizer`), how ranges are computed (`ranges`), how a listing reads (crate `object`).

use panthera_meta::records::{BucketRecord, ListingMode};

use crate::decision::authorizer::{Authorizer, noted, principal, restricted};
use crate::decision::beside::Said;
use crate::decision::{Action, Decision, Question, Reason, Subject, Verdict};
use crate::error::AuthzError;
use crate::model::{Grantee, Permission, Relation};
use crate::relations::{Engine, Moment, Next, Principal, Spot, Visible};

/// Windows of places that are looked at to find out that a caller may see nothing at all. Who stands at more places
/// than these, with no allow among them, is answered with an empty page instead of a refusal.
pub(crate) const SEARCHED_WINDOWS: usize = 64;

/// What a listing may show.
pub enum Listing {
    /// Nothing, nor that there is something.
    Denied(Decision),
    /// Every name.
    Everything,
    /// These names.
    Filtered(Box<Visible>),
}

impl Listing {
    /// The filter, where there is one; `None` for a refusal.
    pub(crate) fn names(self) -> Option<Option<Visible>> {
        match self {
            Self::Denied(_) => None,
            Self::Everything => Some(None),
            Self::Filtered(names) => Some(Some(*names)),
        }
    }
}

impl Authorizer {
    /// What a listing of the keys that begin with `prefix` may show. The question's action is one of the listings'.
    ///
    /// A strict bucket answers as Amazon's do: every name below the prefix, or a refusal. Others are refused only to who
    /// may discover nothing in the whole bucket; who may discover something elsewhere is shown an empty page.
    pub fn listing(&self, question: &Question<'_>, prefix: &[u8]) -> Listing {
        let listing = self.find_listing(question, prefix);
        if question.context.trail.is_none() {
            return listing;
        }
        let decision = match &listing {
            Listing::Denied(decision) => *decision,
            // Names that are shown by relations of their own need no right to the list.
            Listing::Everything | Listing::Filtered(_) => {
                let whole = self.judge(question);
                let reason = if whole.allowed() { whole.reason } else { Reason::Granted };
                Decision { verdict: Verdict::Allow, reason, ..whole }
            }
        };
        let noted = noted(question, decision);
        if noted.allowed() { listing } else { Listing::Denied(noted) }
    }

    fn find_listing(&self, question: &Question<'_>, prefix: &[u8]) -> Listing {
        let own = self.listing_alone(question, prefix);
        match (question.subject, &own) {
            (_, Listing::Denied(_)) => own,
            (Subject::Share(by), _) => self.delegated_listing(question, by, own, prefix),
            _ => own,
        }
    }

    /// The same by what the subject itself was granted.
    pub(crate) fn listing_alone(&self, question: &Question<'_>, prefix: &[u8]) -> Listing {
        let Some(engine) = self.engine() else {
            let decision = self.judge(question);
            return if decision.allowed() { Listing::Everything } else { Listing::Denied(decision) };
        };
        let moment = self.moment(question.context);
        let denied = |reason| Listing::Denied(Decision { verdict: Verdict::Deny, reason, revision: engine.revision() });
        let said = match (question.resource.bucket, self.beside(question, &moment)) {
            (None, _) | (_, Err(_)) => return denied(Reason::Unevaluated),
            (Some(_), Ok(Said { denies: Some(reason), .. })) => return denied(reason),
            (Some(bucket), Ok(said)) => (bucket, said),
        };
        let (bucket, said) = said;
        match (Search { engine, question, bucket, said, moment }).run(prefix) {
            Err(_) => denied(Reason::Unevaluated),
            Ok(Some(listing)) => listing,
            Ok(None) => Listing::Denied(Decision { verdict: Verdict::Deny, ..self.judge(question) }),
        }
    }

    /// Whether the caller may know of the bucket: it may list it, or stands in any relation to it or to anything in it.
    /// Of a strict bucket only who may list it knows, as with Amazon's.
    pub fn knows(&self, question: &Question<'_>) -> Decision {
        noted(question, self.find_known(question))
    }

    fn find_known(&self, question: &Question<'_>) -> Decision {
        let decision = self.judge(question);
        let (Some(engine), Some(bucket)) = (self.engine(), question.resource.bucket) else { return decision };
        if decision.allowed() || bucket.listing == ListingMode::Strict {
            return decision;
        }
        let moment = self.moment(question.context);
        let Some(said) = self.beside(question, &moment).ok().filter(|said| said.denies.is_none()) else {
            return decision;
        };
        let search = Search { engine, question, bucket, said, moment };
        match search.open(Permission::Know, b"").map(|mut all| all.is_empty_within(SEARCHED_WINDOWS)) {
            Ok(Some(false)) => Decision { verdict: Verdict::Allow, reason: Reason::Granted, ..decision },
            _ => decision,
        }
    }

    /// Whether the caller may ask which buckets there are: everybody who signs, unless something forbids it. Which it
    /// is told of is asked bucket by bucket ([`Self::knows`]); who has the right to the action itself is told of all.
    pub fn asks_for_buckets(&self, question: &Question<'_>) -> Decision {
        let decision = self.decide(question);
        match (decision.reason, question.subject) {
            (Reason::NotGranted, Subject::User { .. }) => Decision { verdict: Verdict::Allow, ..decision },
            _ => decision,
        }
    }

    /// Whether who was allowed to ask for a key may learn that it is missing: who would see it in a listing if it were
    /// there. The question's action is `s3:ListBucket`, its key the one asked for.
    pub fn reveals(&self, question: &Question<'_>) -> bool {
        let own = self.reveals_alone(question);
        match question.subject {
            Subject::Share(by) if own => self.delegated_reveals(question, by),
            _ => own,
        }
    }

    /// The same by what the subject itself was granted.
    pub(crate) fn reveals_alone(&self, question: &Question<'_>) -> bool {
        if self.judge(&question.on_bucket()).allowed() {
            return true;
        }
        let Question { subject, resource, context, .. } = question;
        let (Some(engine), Some(bucket), Some(key)) = (self.engine(), resource.bucket, resource.key) else {
            return false;
        };
        let moment = self.moment(context);
        let permission = shown_by(bucket, question.action);
        let said = self.beside(question, &moment).ok().filter(|said| said.denies.is_none());
        let Some(Said { admin, .. }) = said.filter(|_| !restricted(question)) else { return false };
        let known = principal(subject)
            .map(|who| Principal { admin, ..who })
            .and_then(|who| engine.check(who, permission, resource.tenant, Spot::Object(bucket.id, key), &moment));
        known.is_ok_and(|answer| answer.allowed)
    }
}

/// The permission that shows a name in the bucket: to read a key does not in a strict one, nor does it show what is being
/// uploaded to it.
fn shown_by(bucket: &BucketRecord, action: Action) -> Permission {
    match bucket.listing {
        ListingMode::Filtered if action != Action::LIST_BUCKET_MULTIPART_UPLOADS => Permission::Discover,
        ListingMode::Filtered | ListingMode::Strict => Permission::List,
    }
}

/// One listing's question, at one moment.
struct Search<'a> {
    engine: &'a Engine,
    question: &'a Question<'a>,
    bucket: &'a BucketRecord,
    said: Said,
    moment: Moment,
}

impl Search<'_> {
    /// What may be shown; `None` for nothing.
    fn run(&self, prefix: &[u8]) -> Result<Option<Listing>, AuthzError> {
        let shown_by = shown_by(self.bucket, self.question.action);
        let mut visible = self.open(shown_by, prefix)?;
        if self.bucket.listing == ListingMode::Strict {
            return Ok(visible.is_blanket().then_some(Listing::Everything));
        }
        // Only what the first window tells: a longer look would cost more than the filter it saves.
        if visible.visible(prefix) == (Next::Allowed { until: None }) {
            return Ok(Some(Listing::Everything));
        }
        if visible.is_empty_within(SEARCHED_WINDOWS) != Some(true) {
            return Ok(Some(Listing::Filtered(Box::new(visible))));
        }
        let elsewhere = !prefix.is_empty() && self.open(shown_by, b"")?.is_empty_within(SEARCHED_WINDOWS) != Some(true);
        Ok(elsewhere.then(|| Listing::Filtered(Box::new(visible))))
    }

    fn open(&self, permission: Permission, prefix: &[u8]) -> Result<Visible, AuthzError> {
        let Self { engine, question, bucket, said, .. } = self;
        let given = said.allows.is_some();
        let who = Principal { admin: said.admin, ..principal(question.subject)? };
        let tenant = question.resource.tenant;
        // Where the public is kept out, an outsider sees what something names it for, and no relation may be that: whom a
        // relation names is not told by ranges, so none counts.
        let who =
            if !given && restricted(question) { Principal { grantee: Grantee::ITSELF, admin: false } } else { who };
        let visible = Visible::open(engine, who, permission, tenant, bucket.id, prefix, &self.moment)?;
        Ok(if given { visible.given(Relation::Lister) } else { visible })
    }
}
