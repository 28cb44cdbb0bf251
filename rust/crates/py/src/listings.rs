//! Which buckets a caller may know of: what ListBuckets asks.
//!
//! Belongs here: the authorizer's answers for many buckets at once, the GIL given back. Does not belong here: names of
//! buckets, what a page of them looks like.

use std::net::IpAddr;

use panthera_authz::{Action, Context, NoRequest, Question, Resource, Subject, principal};
use panthera_base::{TenantId, Timestamp, UserId};
use panthera_meta::records::BucketRecord;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::core::Core;
use crate::relation_values::raised;

/// Tenant, user, whether it administers its tenant.
type SubjectIn = (u32, u32, bool);
/// Microseconds, address, whether over TLS.
type ContextIn = (u64, String, bool);
/// Numbers of tenants, then of tenant and bucket.
type ElsewhereOut = (Vec<u32>, Vec<(u32, u32)>);

fn subject((tenant, user, admin): SubjectIn) -> Subject {
    Subject::User { tenant: TenantId(tenant), user: UserId(user), admin }
}

fn context((now_us, ip, secure): ContextIn) -> PyResult<Context> {
    let ip: IpAddr = ip.parse().map_err(|_| PyValueError::new_err(format!("no address: {ip}")))?;
    Ok(Context::at(Timestamp(now_us), ip, secure))
}

#[pymethods]
impl Core {
    /// For each bucket, as name and record, 1 or 0: whether the user may know of it.
    fn knows_buckets<'py>(
        &self,
        py: Python<'py>,
        who: SubjectIn,
        buckets: Vec<(String, Vec<u8>)>,
        when: ContextIn,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (own, subject, context) = (TenantId(who.0), subject(who), context(when)?);
        let mut records = Vec::with_capacity(buckets.len());
        for (name, record) in buckets {
            let record = BucketRecord::decode(&record).map_err(|error| PyValueError::new_err(error.to_string()))?;
            records.push((name, record));
        }
        let known: Vec<u8> = py.detach(|| {
            let none = Resource { tenant: own, bucket: None, name: "", key: None, object: None };
            let (subject, context, request) = (&subject, &context, &NoRequest);
            let action = Action::LIST_ALL_MY_BUCKETS;
            let all = self.authz.decide(&Question { subject, action, resource: none, context, request }).allowed();
            let one = |(name, record): &(String, BucketRecord)| {
                let (action, tenant) = (Action::LIST_BUCKET, record.tenant);
                let resource = Resource { tenant, bucket: Some(record), name, key: None, object: None };
                let asked = Question { subject, action, resource, context, request };
                (all && tenant == own) || self.authz.knows(&asked).allowed()
            };
            records.iter().map(|bucket| u8::from(one(bucket))).collect()
        });
        Ok(PyBytes::new(py, &known))
    }

    /// Tenants and buckets of other tenants whose relations name the user.
    fn named_elsewhere(&self, py: Python<'_>, who: SubjectIn, when: ContextIn) -> PyResult<ElsewhereOut> {
        let (subject, context) = (subject(who), context(when)?);
        let Some(engine) = self.authz.engine() else { return Ok(ElsewhereOut::default()) };
        let found = py.detach(|| engine.named_elsewhere(principal(&subject)?, &self.authz.moment(&context)));
        let found = found.map_err(raised)?;
        let buckets = found.buckets.iter().map(|(tenant, bucket)| (tenant.0, bucket.0)).collect();
        Ok((found.tenants.iter().map(|tenant| tenant.0).collect(), buckets))
    }
}
