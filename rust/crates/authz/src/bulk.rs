//! Many keys of one bucket at once: what holds on a folder is evaluated once for all keys in it.

use panthera_base::limits::KEY_BYTES;
use panthera_base::{BucketId, TenantId};

use crate::engine::{Engine, Moment};
use crate::error::AuthzError;
use crate::eval::State;
use crate::hash::Walk;
use crate::permission::Permission;
use crate::ranges::anything_below;
use crate::resolve::Principal;

/// Keys seen in one folder after which it is worth asking whether any object in it has grants of its own.
const WORTH_ASKING: usize = 32;

/// Most keys of one call: what a caller holds in memory anyway, and some milliseconds of work.
pub const BULK_KEYS: usize = 1_000_000;

/// What is known of the folder the last key lay in.
struct Folder<'k> {
    path: &'k [u8],
    state: State,
    walk: Walk<'k>,
    seen: usize,
    /// Nothing below it is granted to the subject, so its verdict is every key's verdict.
    quiet: Option<bool>,
}

impl Engine {
    /// For each key whether the principal has the permission on the object, all at one revision, which is returned.
    /// Verdicts replace what is in `out`. Fastest when keys of a folder stand together. A key that no object can have
    /// gets `false`.
    #[allow(clippy::too_many_arguments)]
    pub fn check_keys<'k>(
        &self,
        principal: Principal,
        permission: Permission,
        tenant: TenantId,
        bucket: BucketId,
        keys: impl IntoIterator<Item = &'k [u8]>,
        moment: &Moment,
        out: &mut Vec<bool>,
    ) -> Result<u64, AuthzError> {
        out.clear();
        let pinned = self.pin(principal, tenant, Some(bucket), moment)?;
        let eval = pinned.eval();
        let probe = eval.bucket.is_some_and(|b| b.has_objects());
        let mut last: Option<Folder<'k>> = None;
        for key in keys {
            if out.len() == BULK_KEYS {
                return Err(AuthzError::Limit(format!("more than {BULK_KEYS} keys in a call")));
            }
            if key.is_empty() || key.len() > KEY_BYTES {
                out.push(false);
                continue;
            }
            let path = &key[..key.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1)];
            let folder = match &mut last {
                Some(folder) if folder.path == path => folder,
                _ => {
                    let (state, walk) = eval.folder(key, |_, _| {});
                    last.insert(Folder { path, state, walk, seen: 0, quiet: (!probe).then_some(true) })
                }
            };
            folder.seen += 1;
            if folder.quiet.is_none() && folder.seen == WORTH_ASKING {
                folder.quiet = Some(!anything_below(&eval, path));
            }
            let state = match folder.quiet {
                Some(true) => folder.state,
                _ => eval.below(folder.state, folder.walk.beside(key)),
            };
            out.push(state.gives(permission));
        }
        Ok(pinned.root.revision)
    }
}
