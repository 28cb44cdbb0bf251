//! Which buckets a caller may know of: what ListBuckets asks.
//!
//! Belongs here: a page of the authorizer's, with the GIL given back. Does not belong here: which buckets it has (crate
//! `authz`), what a page of them looks like.

use std::net::IpAddr;

use panthera_authz::{BucketPage, Context, Subject};
use panthera_base::{TenantId, Timestamp, UserId};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::core::Core;
use crate::relation_values::raised;

/// Tenant, user, whether it administers its tenant.
type SubjectIn = (u32, u32, bool);
/// Microseconds, address, whether over TLS.
type ContextIn = (u64, String, bool);
/// Prefix, after, limit, and a region with the one of buckets that name none.
type PageIn = (String, String, usize, Option<(String, String)>);

fn subject((tenant, user, admin): SubjectIn) -> Subject {
    Subject::User { tenant: TenantId(tenant), user: UserId(user), admin }
}

fn context((now_us, ip, secure): ContextIn) -> PyResult<Context> {
    let ip: IpAddr = ip.parse().map_err(|_| PyValueError::new_err(format!("no address: {ip}")))?;
    Ok(Context::at(Timestamp(now_us), ip, secure))
}

#[pymethods]
impl Core {
    /// The first buckets, as name and record, that the user may know of: `page` is the names' beginning, the name they
    /// come after, how many at most, and a region with the one of records that name none.
    fn known_buckets<'py>(
        &self,
        py: Python<'py>,
        who: SubjectIn,
        page: PageIn,
        when: ContextIn,
    ) -> PyResult<Vec<(String, Bound<'py, PyBytes>)>> {
        let (subject, context, (prefix, after, limit, region)) = (subject(who), context(when)?, page);
        let region = region.as_ref().map(|(wanted, ours)| (wanted.as_str(), ours.as_str()));
        let page = BucketPage { prefix: &prefix, after: &after, limit, region };
        let found = py.detach(|| self.authz.known_buckets(&subject, &context, &page)).map_err(raised)?;
        Ok(found.into_iter().map(|(name, record)| (name, PyBytes::new(py, &record))).collect())
    }
}
