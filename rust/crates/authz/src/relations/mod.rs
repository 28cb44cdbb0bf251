//! The relationship engine: tuples in the store, an immutable root in memory that readers take without a lock, and every
//! question that relations alone answer.
//!
//! A reader begins at `engine` (what is asked) and `write` (how it changes). Below them, from the store upwards: `load`
//! and `root` (the published state), `base`, `bucket`, `node`, `paths`, `ptree`, `ids` (what it is made of), `resolve`
//! (whose rights somebody has), `eval` and `verdict` (one place), `bulk` and `ranges` (many), `lookup`, `explain`,
//! `standing` (backwards), `queue`, `apply`, `log` (writers, schemas, watching and tokens).
//!
//! Does not belong here: policies, lists, accounts, shares, requests. Those are weighed with relations in `decision`.

mod apply;
mod base;
mod bucket;
mod bulk;
pub(crate) mod engine;
mod eval;
mod explain;
mod ids;
mod load;
mod log;
mod lookup;
mod node;
mod paths;
mod ptree;
mod queue;
mod ranges;
mod resolve;
mod root;
mod standing;
mod verdict;
mod write;

pub use apply::{ApplySchema, OFFENDERS, SchemaInForce};
pub use bulk::BULK_KEYS;
pub use engine::{Answer, CacheRow, Engine, Moment, Settings, Sizes, Spot};
pub use explain::{Expanded, Explanation, Granted};
pub use ids::GROUPS_PER_SUBJECT;
pub use log::{LOG_KEPT, LOG_REVISIONS, TupleFilter, TuplePage, Watch};
pub use lookup::{FoundRange, ResourcePage, SubjectPage};
pub use ranges::{Next, Visible};
pub use resolve::Principal;
pub use standing::Standing;
pub use write::{CHANGES, Change, IDEMPOTENCY_KEY_BYTES, PRECONDITIONS, Precondition, WriteTuples};

pub(crate) use resolve::{Depends, Reached, memberships};
pub(crate) use root::Root;
