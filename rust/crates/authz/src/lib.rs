//! May this subject do this action on this resource? The decision of the pipeline's step 5 and the relationship engine
//! behind it. See DESIGN.md beside this crate.
//!
//! `decision` and `authorizer` are the pipeline's face; `model` has the words of relations, `engine` what is asked of
//! them, `write` how they change, `ranges` and `bulk` what a listing needs, `lookup` and `explain` the questions
//! backwards, `log` watching and tokens, `acl` what access control lists allow. The rest is inside.

pub mod acl;
mod apply;
mod audit;
mod audit_writer;
mod authorizer;
mod base;
mod beside;
mod bucket;
mod buckets;
mod bulk;
mod codec;
mod condition;
mod decision;
mod delegation;
mod engine;
mod error;
mod eval;
mod explain;
mod facts;
mod hash;
mod identity;
mod ids;
mod kept;
mod listing;
mod load;
mod log;
mod lookup;
mod model;
mod node;
mod paths;
mod permission;
pub mod policy;
mod ptree;
mod queue;
mod ranges;
mod reasons;
mod resolve;
mod root;
mod schema;
mod standing;
mod sync;
mod verdict;
mod write;

pub use apply::{ApplySchema, OFFENDERS, SchemaInForce};
pub use audit::{
    Actor, Asked, AuditSettings, AuditedError, Book, Booked, Complain, Entry, OnFailure, RESERVE_PART, audit_reasons,
    read_change as read_audit_change,
};
pub use audit_writer::{AuditWriter, QUEUE_NOTES, TRIM_ROWS, Trail, Unaudited};
pub use authorizer::{Authorizer, principal};
pub use buckets::{BucketPage, KnownBucket};
pub use bulk::BULK_KEYS;
pub use codec::tuple_row;
pub use codec::{Event, LogEntry};
pub use condition::{Condition, Facts, NETWORKS, Network, Window};
pub use decision::{
    Action, Authentication, Context, Decision, Initiator, NoRequest, NotUnderstood, ObjectAccess, ObjectLookup,
    Question, Reason, RequestFacts, Resource, Subject, Verdict,
};
pub use delegation::Delegation;
pub use engine::{Answer, CacheRow, Engine, Moment, Settings, Sizes, Spot};
pub use error::AuthzError;
pub use explain::{Expanded, Explanation, Granted};
pub use identity::{Held, Identities, Identity, IdentityPolicy};
pub use ids::GROUPS_PER_SUBJECT;
pub use listing::Listing;
pub use log::{LOG_KEPT, LOG_REVISIONS, TupleFilter, TuplePage, Watch};
pub use lookup::{FoundRange, ResourcePage, SubjectPage};
pub use model::{Bundle, Grantee, Kind, OWN_RELATIONS, Place, Relation, TENANT_MAX, Target, Tuple, TupleKey};
pub use permission::Permission;
pub use ranges::{Next, Visible};
pub use reasons::{Reasons, Statement};
pub use resolve::Principal;
pub use schema::{CLAUSES, COMPILED_BYTES, Class, Declared, NAME_BYTES, PERMISSIONS, SOURCE_BYTES, Schema};
pub use standing::Standing;
pub use write::{CHANGES, Change, IDEMPOTENCY_KEY_BYTES, PRECONDITIONS, Precondition, WriteTuples};
