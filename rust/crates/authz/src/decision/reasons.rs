//! Why a decision is as it is: the decision with the names of what decided it. The same evaluation as
//! [`Authorizer::decide`], and a second look at what it left as numbers.

use panthera_meta::records::BucketRecord;

use crate::decision::authorizer::{Authorizer, principal};
use crate::decision::beside::By;
use crate::decision::{Decision, Question, Reason};
use crate::error::AuthzError;
use crate::policy::Policy;
use crate::relations::{Granted, Moment, Principal, Spot};

/// A statement that decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// The name of an identity policy; empty for the bucket's policy and for a permissions boundary.
    pub policy: String,
    /// The group whose policy it is.
    pub group: Option<u32>,
    /// Its Sid; empty without one.
    pub sid: String,
    /// Its place in the document, from 0.
    pub index: u16,
}

/// A decision with what decided it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reasons {
    /// The decision.
    pub decision: Decision,
    /// The tuple, when relations decided.
    pub tuple: Option<Granted>,
    /// The statement, when a policy decided.
    pub statement: Option<Statement>,
}

impl Authorizer {
    /// The decision and what decided it. An error: it cannot be told; the decision is a deny then.
    pub fn explain(&self, question: &Question<'_>) -> Result<Reasons, AuthzError> {
        let decision = self.judge(question);
        let nothing = Reasons { decision, tuple: None, statement: None };
        let Some(engine) = self.engine() else { return Ok(nothing) };
        let moment = self.moment(question.context);
        let said = self.beside(question, &moment)?;
        match decision.reason {
            Reason::Granted | Reason::Denied => {
                let resource = &question.resource;
                let who = Principal { admin: said.admin, ..principal(question.subject)? };
                let permission = question.action.permission();
                let spot = Spot::of(resource.bucket.map(|bucket| bucket.id), resource.key);
                let explained = engine.explain(who, permission, resource.tenant, spot, &moment)?;
                // A bucket is not listed whole where names in it are denied: no tuple at the bucket says so.
                let tuple = explained.deciding.filter(|_| explained.answer.allowed == decision.allowed());
                Ok(Reasons { tuple, ..nothing })
            }
            Reason::PolicyAllowed | Reason::PolicyDenied | Reason::IdentityAllowed | Reason::IdentityDenied => {
                let statement = match said.by {
                    Some(by) => self.statement(question, by, &moment)?,
                    None => None,
                };
                Ok(Reasons { statement, ..nothing })
            }
            _ => Ok(nothing),
        }
    }

    fn statement(&self, question: &Question<'_>, by: By, moment: &Moment) -> Result<Option<Statement>, AuthzError> {
        let index = by.statement;
        let sid = |bytes: &[u8]| Policy::new(bytes).ok().and_then(|policy| policy.sid(index).map(str::to_owned));
        let Some(number) = by.policy else {
            let policy = question.resource.bucket.and_then(|bucket: &BucketRecord| bucket.policy.as_deref());
            let sid = policy.and_then(sid).unwrap_or_default();
            return Ok(Some(Statement { policy: String::new(), group: None, sid, index }));
        };
        let Some(identities) = self.identities() else { return Ok(None) };
        let identity = identities.for_subject(question.subject, moment)?;
        let found = identity.policies().nth(usize::from(number)).map(|policy| Statement {
            policy: policy.name.to_owned(),
            group: policy.group,
            sid: sid(policy.compiled).unwrap_or_default(),
            index,
        });
        Ok(found)
    }
}
