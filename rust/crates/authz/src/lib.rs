//! May this subject do this action on this resource? The decision of the pipeline's step 5 and the relationship engine
//! behind it. See DESIGN.md beside this crate.
//!
//! From the top: `decision` is the pipeline's face and weighs what the others say; `relations` is the engine, Zanzibar's
//! part; `policy` and `acl` are Amazon's; `audit` is the log that both write to; `model` has the words of relations, their
//! schema and their bytes. Each uses what comes after it and nothing before.

pub mod acl;
mod audit;
mod decision;
mod error;
mod hash;
mod kept;
mod model;
pub mod policy;
mod relations;
mod sync;

pub use audit::{
    Actor, AuditSettings, AuditedError, Book, Booked, Complain, Entry, OnFailure, RESERVE_PART,
    read_change as read_audit_change,
};
pub use decision::{
    Action, Asked, AuditWriter, Authentication, Authorizer, BucketPage, Context, Decision, Delegation, Held,
    Identities, Identity, IdentityPolicy, Initiator, KnownBucket, Listing, NoRequest, NotUnderstood, ObjectAccess,
    ObjectLookup, QUEUE_NOTES, Question, Reason, Reasons, RequestFacts, Resource, Statement, Subject, TRIM_ROWS, Trail,
    Unaudited, Verdict, audit_reasons, principal,
};
pub use error::AuthzError;
pub use model::{
    Bundle, CLAUSES, COMPILED_BYTES, Class, Condition, Declared, Event, Facts, Grantee, Kind, LogEntry, NAME_BYTES,
    NETWORKS, Network, OWN_RELATIONS, PERMISSIONS, Permission, Place, Relation, SOURCE_BYTES, Schema, TENANT_MAX,
    Target, Tuple, TupleKey, Window, tuple_row,
};
pub use relations::{
    Answer, ApplySchema, BULK_KEYS, CHANGES, CacheRow, Change, Engine, Expanded, Explanation, FoundRange,
    GROUPS_PER_SUBJECT, Granted, IDEMPOTENCY_KEY_BYTES, LOG_KEPT, LOG_REVISIONS, Moment, Next, OFFENDERS,
    PRECONDITIONS, Precondition, Principal, ResourcePage, SchemaInForce, Settings, Sizes, Spot, Standing, SubjectPage,
    TupleFilter, TuplePage, Visible, Watch, WriteTuples,
};
