//! What the audit log says about a decision: who acted, on what, and why it went as it did.
//!
//! Belongs here: questions and decisions as entries, the numbers of reasons. Does not belong here: in whose log an entry
//! stands and whether there is room (`audit`), when it is written (`trail`).

use std::net::IpAddr;

use panthera_meta::records::{AuditKind, AuditOutcome, AuditRecord};

use crate::audit::{Actor, Entry, ip_bytes, on_both_sides};
use crate::decision::authorizer::principal;
use crate::decision::trail::Asked;
use crate::decision::{Decision, Question, Reason, Subject};
use crate::error::AuthzError;
use crate::model::Grantee;

impl Actor {
    /// Who sent a request: of one through a share its bearer, when that is known.
    pub fn of(subject: &Subject, request_id: &str, from: IpAddr) -> Result<Self, AuthzError> {
        Ok(Self { who: acting(subject)?, request_id: request_id.to_owned(), access_key: None, from: Some(from) })
    }
}

/// Who acts: of a share its bearer, when that is known.
pub(crate) fn acting(subject: &Subject) -> Result<Grantee, AuthzError> {
    match subject {
        Subject::Share(by) if let Some((tenant, user)) = by.bearer => Grantee::user(tenant, user),
        _ => principal(subject).map(|principal| principal.grantee),
    }
}

/// Entries about a decision.
pub(crate) fn of_decision(question: &Question<'_>, who: Grantee, decision: &Decision, asked: &Asked) -> Vec<Entry> {
    let resource = &question.resource;
    let share = match question.subject {
        Subject::Share(by) => Some(by.share),
        Subject::User { .. } | Subject::Anonymous => None,
    };
    let entry = AuditRecord {
        kind: AuditKind::Decision,
        outcome: if decision.allowed() { AuditOutcome::Allowed } else { AuditOutcome::Denied },
        reason: reason_number(decision.reason),
        who: who.bits(),
        revision: decision.revision,
        bucket: resource.bucket.map_or(0, |bucket| bucket.id.0),
        request_id: Some(asked.request_id.clone()),
        access_key: asked.access_key.clone(),
        source_ip: Some(ip_bytes(question.context.source_ip)),
        action: question.action.name().into(),
        name: Some(resource.name.to_owned()),
        key: resource.key.map(<[u8]>::to_vec),
        detail: share.map(|number| format!("share:#{number}")),
        ..AuditRecord::default()
    };
    let mut entries = on_both_sides(resource.tenant, entry);
    // Who comes through a share asked for a place of its own.
    if let (Some(_), Some((_, copy))) = (share, entries.get_mut(1)) {
        copy.detail.clone_from(&asked.path);
    }
    entries
}

/// Every reason with its number in rows.
pub fn audit_reasons() -> Vec<(u8, Reason)> {
    Reason::ALL.iter().map(|reason| (reason_number(*reason), *reason)).collect()
}

/// Reasons by their numbers in rows: never reused.
pub(crate) fn reason_number(reason: Reason) -> u8 {
    match reason {
        Reason::TenantAdmin => 1,
        Reason::Granted => 2,
        Reason::ForeignTenant => 3,
        Reason::NotGranted => 4,
        Reason::Anonymous => 5,
        Reason::Denied => 6,
        Reason::Unevaluated => 7,
        Reason::Unaudited => 8,
        Reason::PolicyAllowed => 9,
        Reason::PolicyDenied => 10,
        Reason::IdentityAllowed => 11,
        Reason::IdentityDenied => 12,
        Reason::AclAllowed => 13,
        Reason::PublicAccessBlocked => 14,
        Reason::ForeignObject => 15,
        Reason::CreatorMayNot => 16,
        Reason::ShareRevoked => 17,
        Reason::ShareExpired => 18,
        Reason::ShareNotForCaller => 19,
        Reason::ShareOrphaned => 20,
        Reason::SharePassword => 21,
        Reason::ShareUsedUp => 22,
        Reason::ShareElsewhere => 23,
        Reason::Initiator => 24,
    }
}
