//! Schemas of tenants to Python: what is in force, and putting another one in force. Methods of `Relations`.
//!
//! Belongs here: conversions. Does not belong here: the language, which is Python's (`authz/schema`).

use panthera_authz::{ApplySchema, AuthzError, Class, Tuple};
use panthera_base::TenantId;
use pyo3::prelude::*;

use crate::audit::{ActorIn, actor};
use crate::relation_values::{TupleOut, now, raised, whole_out};
use crate::relations::Relations;

/// Number, class (0 allow, 1 deny, 2 flag), targets, subjects, name.
type RelationOut = (u8, u8, u8, u16, String);
/// Revision, text (None: built in), relations, names of permissions by number, numbers for new relations.
type SchemaOut = (u64, Option<String>, Vec<RelationOut>, Vec<String>, Vec<u8>);

/// Numbers and names of relations, names of permissions by number.
type VocabularyOut = (Vec<(u8, String)>, Vec<String>);

#[pymethods]
impl Relations {
    /// The schema in force for a tenant.
    fn schema(&self, py: Python<'_>, tenant: u32) -> PyResult<SchemaOut> {
        let found = py.detach(|| self.engine.schema_in_force(TenantId(tenant))).map_err(raised)?;
        let relation = |d: &panthera_authz::Declared| {
            let class = match d.class {
                Class::Allow => 0,
                Class::Deny => 1,
                Class::Flag => 2,
            };
            (d.relation.number(), class, d.targets, d.subjects, d.name.clone())
        };
        let relations = found.schema.relations().map(relation).collect();
        let permissions = found.schema.permissions().map(|(_, name)| name.to_owned()).collect();
        Ok((found.schema.revision(), found.source, relations, permissions, found.free))
    }

    /// What a tenant calls its relations and permissions; None for one with the built-in schema. Takes no lock.
    fn vocabulary(&self, tenant: u32) -> Option<VocabularyOut> {
        let schema = self.engine.schema(TenantId(tenant));
        let relations = || schema.relations().map(|d| (d.relation.number(), d.name.clone())).collect();
        let permissions = || schema.permissions().map(|(_, name)| name.to_owned()).collect();
        (schema.revision() > 0).then(|| (relations(), permissions()))
    }

    /// Puts a schema in force; durable and seen by every check when this returns. The revision, and the tuples that it
    /// has no place for: when there are some, it was refused and nothing was written.
    #[pyo3(signature = (tenant, source, compiled, against, dry_run = false, by = None))]
    #[allow(clippy::too_many_arguments)]
    fn apply_schema<'py>(
        &self,
        py: Python<'py>,
        tenant: u32,
        source: String,
        compiled: Vec<u8>,
        against: u64,
        dry_run: bool,
        by: Option<ActorIn>,
    ) -> PyResult<(u64, Vec<TupleOut<'py>>)> {
        let by = by.map(actor).transpose()?;
        let request = ApplySchema { tenant: TenantId(tenant), source, compiled, against, at: now(0), dry_run, by };
        let out = |tuples: &[Tuple]| tuples.iter().map(|tuple| whole_out(py, tuple)).collect();
        match py.detach(|| self.engine.apply_schema(&request)) {
            Ok(revision) => Ok((revision, Vec::new())),
            Err(AuthzError::Orphans(tuples)) => Ok((self.engine.revision(), out(&tuples))),
            Err(error) => Err(raised(error)),
        }
    }
}
