//! The whole decision from Python: what a request would be answered, and which statement or tuple decided.

use std::collections::HashMap;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};

use panthera_authz::{
    Action, Context, Delegation, Grantee, Kind, NoRequest, ObjectLookup, Question, Resource, Statement, Subject,
};
use panthera_base::UserId;
use panthera_meta::keys;
use panthera_meta::records::{BucketRecord, ShareRecord, UserRecord};
use panthera_object::StoredObject;
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::core::Core;
use crate::relation_values::{GrantedOut, MomentIn, PrincipalIn, granted_out, invalid, moment, raised};

/// An address that lies in no network a policy would name: the question came from nowhere.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Policy, group, Sid, index.
type StatementOut = (String, Option<u32>, String, u16);
/// Allowed, reason, revision, statement, tuple.
type DecisionOut<'py> = (bool, &'static str, u64, Option<StatementOut>, Option<GrantedOut<'py>>);

#[pymethods]
impl Core {
    /// What a request without headers would be answered: `bucket` is its name and record, `key` None for the bucket.
    fn explain<'py>(
        &self,
        py: Python<'py>,
        who: PrincipalIn,
        action: &str,
        bucket: (String, Vec<u8>),
        key: Option<Vec<u8>>,
        when: MomentIn<'_>,
    ) -> PyResult<DecisionOut<'py>> {
        let ((grantee, admin), (name, record)) = (who, bucket);
        let who = Grantee::from_bits(grantee).map_err(raised)?;
        let subject = match who.kind() {
            Kind::Anyone => Subject::Anonymous,
            Kind::User => Subject::User { tenant: who.tenant(), user: UserId(who.id()), admin },
            Kind::Share => Subject::Share(self.delegation(who)?),
            _ => return Err(invalid(format!("{who} sends no requests"))),
        };
        let action = known(action).map(Action::named).ok_or_else(|| invalid(format!("{action} is no action of S3")))?;
        let bucket = BucketRecord::decode(&record).map_err(|error| invalid(error.to_string()))?;
        let when = moment(when)?;
        let source = when.facts.source_ip.unwrap_or(NOWHERE);
        let context = Context::at(when.now, source, when.facts.tls.unwrap_or(false));
        let meta = &*self.meta;
        let stored = key.as_deref().map(|key| StoredObject::new(meta, &bucket, key, None));
        let resource = Resource {
            tenant: bucket.tenant,
            bucket: Some(&bucket),
            name: &name,
            key: key.as_deref(),
            object: stored.as_ref().filter(|_| action != Action::PUT_OBJECT).map(|object| object as &dyn ObjectLookup),
        };
        let question = Question { subject: &subject, action, resource, context: &context, request: &NoRequest };
        let found = self.authz.explain(&question).map_err(raised)?;
        let statement = found.statement.map(|Statement { policy, group, sid, index }| (policy, group, sid, index));
        let tuple = found.tuple.as_ref().map(|granted| granted_out(py, granted));
        let decision = found.decision;
        Ok((decision.allowed(), decision.reason.name(), decision.revision, statement, tuple))
    }
}

impl Core {
    /// The bearer of a share, acting in the right of who made it.
    fn delegation(&self, share: Grantee) -> PyResult<Delegation> {
        let unreadable = |error: &dyn Display| invalid(format!("{share} cannot be read: {error}"));
        let snapshot = self.meta.snapshot().map_err(|error| unreadable(&error))?;
        let read = |row: &[u8]| match snapshot.get(row) {
            Ok(Some(value)) => Ok(value.to_vec()),
            Ok(None) => Err(invalid(format!("{share} or its creator is not there"))),
            Err(error) => Err(unreadable(&error)),
        };
        let row = read(&keys::share(share.tenant(), share.id()))?;
        let record = ShareRecord::decode(&row).map_err(|error| unreadable(&error))?;
        let row = read(&keys::user(record.creator))?;
        let creator = UserRecord::decode(&row).map_err(|error| unreadable(&error))?;
        Ok(Delegation {
            tenant: record.tenant,
            share: record.share,
            creator: record.creator,
            creator_admin: creator.tenant_admin || creator.root,
            bearer: None,
        })
    }
}

/// The action's name for ever: there are as many as the closed list has.
fn known(action: &str) -> Option<&'static str> {
    static NAMES: Mutex<Option<HashMap<String, &'static str>>> = Mutex::new(None);
    panthera_authz::policy::action_number(action)?;
    let mut names = NAMES.lock();
    let names = names.get_or_insert_with(HashMap::new);
    if let Some(name) = names.get(action) {
        return Some(name);
    }
    let kept: &'static str = Box::leak(action.to_owned().into_boxed_str());
    names.insert(action.to_owned(), kept);
    Some(kept)
}
