//! What everything but relations says to a question: bucket policies, identity policies, access control lists, the
//! public access block.
//!
//! Belongs here: asking each of them and whose word counts where (docs/explanation/authorization.md has the table). Does
//! not belong here: how one policy or list is evaluated (`policy`, `acl`), where the values of condition keys come from
//! (`facts`), relations.

use panthera_meta::records::{BucketRecord, Ownership, PublicAccessBlock};

use crate::acl::{self, Lists, Object, Who};
use crate::decision::authorizer::{Authorizer, restricted};
use crate::decision::facts::QuestionFacts;
use crate::decision::identity::Identity;
use crate::decision::{Action, Initiator, Question, Reason, Subject};
use crate::error::AuthzError;
use crate::policy::{Outcome, Policy};
use crate::relations::{Moment, Root};

/// Actions by which the owner's administrators can undo any bucket policy, as the root user of an AWS account can.
const POLICY_ACTIONS: [Action; 3] =
    [Action::GET_BUCKET_POLICY, Action::PUT_BUCKET_POLICY, Action::DELETE_BUCKET_POLICY];

/// What the initiator of an upload may do with it (AWS, "Multipart upload API and permissions").
const UPLOAD_ACTIONS: [Action; 2] = [Action::ABORT_MULTIPART_UPLOAD, Action::LIST_MULTIPART_UPLOAD_PARTS];

/// What the other sources say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Said {
    /// An explicit no, with its source.
    pub denies: Option<Reason>,
    /// An allow that counts, with its source.
    pub allows: Option<Reason>,
    /// The subject administers its tenant and nothing bounds that.
    pub admin: bool,
    /// The object is another account's: what the bucket's account grants does not reach it.
    pub withheld: bool,
    /// The statement behind `denies` or `allows`, of a policy.
    pub by: Option<By>,
}

/// A statement of a policy, by numbers: what a decision keeps of it. [`Authorizer::explain`] has the names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct By {
    /// Which of the subject's identity policies; `None` is the bucket's policy, or a boundary.
    pub policy: Option<u16>,
    /// Which of its statements.
    pub statement: u16,
}

/// What identity policies say, and whether the subject's own account stands behind the question.
struct Account {
    denies: bool,
    allows: bool,
    admin: bool,
    /// Nothing bounds the subject here, or its boundary allows it.
    within: bool,
    by: Option<By>,
}

impl Authorizer {
    /// Asks every source but relations. An error is a deny.
    pub(crate) fn beside(&self, question: &Question<'_>, moment: &Moment) -> Result<Said, AuthzError> {
        match self.engine() {
            Some(engine) => self.beside_at(&engine.inner.root.load(), question, moment),
            None => self.beside_at(&Root::default(), question, moment),
        }
    }

    /// The same, with the memberships of a root.
    pub(crate) fn beside_at(&self, root: &Root, question: &Question<'_>, moment: &Moment) -> Result<Said, AuthzError> {
        let Question { subject, resource, .. } = question;
        let identity = self.identities().map(|all| all.at(root, subject, moment)).transpose()?;
        let identity = identity.as_deref();
        let facts = QuestionFacts::new(question, identity);
        let account = account(question, identity, &facts);
        let own = subject.tenant() == Some(resource.tenant);
        let silent = Said { denies: None, allows: None, admin: account.admin, withheld: false, by: None };
        if account.denies {
            return Ok(Said { denies: Some(Reason::IdentityDenied), by: account.by, ..silent });
        }
        let allows = (own && account.allows).then_some(Reason::IdentityAllowed);
        let mut said = Said { allows, by: account.by.filter(|_| allows.is_some()), ..silent };
        let Some(bucket) = resource.bucket else { return Ok(said) };
        let restricted = restricted(question);
        if let Some(bytes) = &bucket.policy {
            let escapes = own && account.admin && POLICY_ACTIONS.contains(&question.action);
            // What cannot be read may have said no.
            let outcome = Policy::new(bytes).map(|p| (p.evaluate(&facts.policy_question()), p.is_public()));
            match outcome {
                Err(_) | Ok((Outcome::Deny(_), _)) if escapes => {}
                Err(_) => return Ok(Said { denies: Some(Reason::PolicyDenied), by: None, ..said }),
                Ok((Outcome::Deny(statement), _)) => {
                    let by = Some(By { policy: None, statement });
                    return Ok(Said { denies: Some(Reason::PolicyDenied), by, ..said });
                }
                Ok((outcome, public)) => {
                    let consents = match outcome {
                        Outcome::Allow(_) => own || account.allows || **subject == Subject::Anonymous,
                        Outcome::Delegate(_) => account.allows,
                        _ => false,
                    };
                    if consents && !(restricted && public) && said.allows.is_none() {
                        said.allows = Some(Reason::PolicyAllowed);
                        said.by = statement_of(outcome).map(|statement| By { policy: None, statement });
                    }
                }
            }
        }
        if bucket.ownership != Ownership::BucketOwnerEnforced {
            self.lists(question, bucket, account.allows || own || **subject == Subject::Anonymous, &facts, &mut said)?;
        }
        if said.allows.is_none() && account.within && self.initiated(question, account.admin)? {
            said.allows = Some(Reason::Initiator);
        }
        Ok(said)
    }

    /// Whether the question is about an upload of the subject's own: it initiated it, administers the account of who did,
    /// or owns the bucket. Who comes through a share owns what its account's users initiated through it.
    fn initiated(&self, question: &Question<'_>, admin: bool) -> Result<bool, AuthzError> {
        let Some(lookup) = question.resource.object.filter(|_| UPLOAD_ACTIONS.contains(&question.action)) else {
            return Ok(false);
        };
        let Some(Initiator { user: initiator, through }) = lookup.initiator()? else { return Ok(false) };
        Ok(match *question.subject {
            Subject::Anonymous => false,
            Subject::Share(by) => through.is_some_and(|through| {
                (through.share, Some(through.tenant)) == (by.share, by.bearer.map(|(tenant, _)| tenant))
            }),
            Subject::User { user, .. } if user == initiator => true,
            Subject::User { user, .. } if question.resource.bucket.is_some_and(|bucket| bucket.owner == user) => true,
            Subject::User { tenant, .. } => admin && self.tenant_of(initiator)? == Some(tenant),
        })
    }

    /// What access control lists add, and what they withhold.
    fn lists(
        &self,
        question: &Question<'_>,
        bucket: &BucketRecord,
        account_allows: bool,
        facts: &QuestionFacts<'_>,
        said: &mut Said,
    ) -> Result<(), AuthzError> {
        let action = question.action.name();
        let Some(need) = acl::needed(action) else { return Ok(()) };
        let who = match *question.subject {
            Subject::Anonymous | Subject::Share(_) => Who::Anonymous,
            Subject::User { user, .. } => Who::User(user),
        };
        let stored = if need.list == acl::List::Object { facts.object()? } else { None };
        let object = match (stored, question.resource.key) {
            (Some(stored), _) => Object::Stored(stored.owner, stored.acl.as_deref()),
            (None, Some(_)) if question.resource.object.is_none() => Object::New,
            _ => Object::None,
        };
        if let Object::Stored(owner, _) = object {
            let foreign = self.tenant_of(owner)? != Some(bucket.tenant);
            said.withheld = acl::withheld(action, bucket.ownership, foreign);
            if said.withheld {
                said.allows = None;
            }
        }
        let blocks = bucket.public_access_block.unwrap_or_default();
        let lists = Lists {
            ownership: bucket.ownership,
            bucket_owner: bucket.owner,
            bucket_acl: bucket.acl.as_deref(),
            object,
            ignore_public: blocks.has(PublicAccessBlock::IGNORE_PUBLIC_ACLS),
        };
        if account_allows && acl::allows(action, who, &lists) {
            said.allows = said.allows.or(Some(Reason::AclAllowed));
        }
        Ok(())
    }
}

/// The identity side: the subject's policies, bounded, and its standing in its tenant.
fn account(question: &Question<'_>, identity: Option<&Identity>, facts: &QuestionFacts<'_>) -> Account {
    let Subject::User { admin, .. } = *question.subject else {
        return Account { denies: false, allows: false, admin: false, within: true, by: None };
    };
    let Some(identity) = identity.filter(|identity| !identity.is_plain()) else {
        return Account { denies: false, allows: admin, admin, within: true, by: None };
    };
    let asked = facts.policy_question();
    let evaluate = |bytes: &[u8]| Policy::new(bytes).map_or(Outcome::Deny(0), |policy| policy.evaluate(&asked));
    let (mut denies, mut allows, mut by) = (false, admin, None);
    for (policy, number) in identity.policies().zip(0..) {
        let outcome = evaluate(policy.compiled);
        let here = statement_of(outcome).map(|statement| By { policy: Some(number), statement });
        match outcome {
            Outcome::Deny(_) if !denies => (denies, by) = (true, here),
            Outcome::Allow(_) | Outcome::Delegate(_) if policy.grants && !denies => {
                by = by.or(here);
                allows = true;
            }
            _ => {}
        }
    }
    let bounded = identity.boundary().map_or(Outcome::Allow(0), evaluate);
    let within = matches!(bounded, Outcome::Allow(_) | Outcome::Delegate(_));
    if let Outcome::Deny(statement) = bounded {
        (denies, by) = (true, Some(By { policy: None, statement }));
    }
    Account { denies, allows: allows && within, admin: admin && within, within, by }
}

fn statement_of(outcome: Outcome) -> Option<u16> {
    match outcome {
        Outcome::Deny(statement) | Outcome::Allow(statement) | Outcome::Delegate(statement) => Some(statement),
        Outcome::Neither => None,
    }
}
