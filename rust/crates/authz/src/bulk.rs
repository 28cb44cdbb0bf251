//! Many keys of one bucket at once: what holds on a folder is evaluated once for all keys in it.

use panthera_base::limits::KEY_BYTES;
use panthera_base::{BucketId, TenantId};

use crate::engine::{Engine, Moment};
use crate::error::AuthzError;
use crate::eval::{AHEAD, Eval, State};
use crate::hash::Walk;
use crate::permission::Permission;
use crate::ranges::anything_below;
use crate::resolve::Principal;

/// Keys seen in one folder after which it is worth asking whether any object in it has grants of its own.
const WORTH_ASKING: usize = 32;

/// Most keys of one call: what a caller holds in memory anyway, and some milliseconds of work.
pub const BULK_KEYS: usize = 1_000_000;

/// A prefix of the last key and what holds on it.
struct Level<'k> {
    end: usize,
    state: State,
    walk: Walk<'k>,
}

/// The way to the folder the last key lay in; keys that stand near one another share most of it.
struct Trail<'k> {
    key: &'k [u8],
    levels: Vec<Level<'k>>,
    seen: usize,
    /// Nothing below the folder is granted to the subject, so its verdict is every key's verdict.
    quiet: bool,
}

impl<'k> Trail<'k> {
    fn folder(&self) -> &'k [u8] {
        self.levels.last().map_or(&[], |level| &self.key[..level.end])
    }

    /// Goes to another key's folder, from where the two ways part.
    fn turn(&mut self, eval: &Eval<'_>, key: &'k [u8]) {
        let shared = self.key.iter().zip(key).take_while(|(a, b)| a == b).count();
        while self.levels.last().is_some_and(|level| level.end > shared) {
            self.levels.pop();
        }
        let (mut state, mut walk) = match self.levels.last() {
            Some(level) => (level.state, level.walk.beside(key)),
            None => (eval.bucket(), eval.name.walk(key)),
        };
        if self.levels.is_empty() {
            self.levels.push(Level { end: 0, state, walk: walk.clone() });
        }
        loop {
            // Names first, then places, then verdicts: the probes of several levels overlap.
            let (first, mut names) = (self.levels.len(), [0; AHEAD]);
            for name in &mut names {
                let Some((prefix, hash)) = walk.next_prefix() else { break };
                *name = hash;
                self.levels.push(Level { end: prefix.len(), state, walk: walk.clone() });
            }
            let taken = self.levels.len() - first;
            let mut views = [None; AHEAD];
            if let Some(bucket) = eval.bucket {
                bucket.find_all(&names, &mut views);
            }
            for (level, view) in self.levels.iter_mut().skip(first).zip(views) {
                state = view.map_or(state, |view| state.down(eval.gather(view)));
                level.state = state;
            }
            if taken < AHEAD {
                break;
            }
        }
        (self.key, self.seen, self.quiet) = (key, 0, false);
    }
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
        let rule = pinned.rule(permission);
        let probe = eval.bucket.is_some_and(|b| b.has_objects());
        let mut trail = Trail { key: &[], levels: Vec::new(), seen: 0, quiet: false };
        for key in keys {
            if out.len() == BULK_KEYS {
                return Err(AuthzError::Limit(format!("more than {BULK_KEYS} keys in a call")));
            }
            if key.is_empty() || key.len() > KEY_BYTES {
                out.push(false);
                continue;
            }
            let path = &key[..key.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1)];
            if trail.levels.is_empty() || trail.folder() != path {
                trail.turn(&eval, key);
            }
            trail.seen += 1;
            if trail.seen == WORTH_ASKING {
                trail.quiet = probe && !anything_below(&eval, path);
            }
            let Some(folder) = trail.levels.last() else { continue };
            let state = match probe && !trail.quiet {
                true => eval.below(folder.state, &folder.walk.beside(key)),
                false => folder.state,
            };
            out.push(state.gives(rule));
        }
        Ok(pinned.root.revision)
    }
}
