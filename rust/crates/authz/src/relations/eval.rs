//! Evaluation of a permission down a path: tenant, bucket, prefixes, object. Allows add up and are cut at `isolated`,
//! denies add up and are cut nowhere. Iterative, one pass, the same code for checks, bulk, ranges and lookups.

use panthera_base::Timestamp;

use crate::hash::{HashKey, Walk};
use crate::model::condition::Tri;
use crate::model::permission::Rule;
use crate::model::{Facts, Grantee, bits};
use crate::relations::bucket::Bucket;
use crate::relations::node::{QUALIFIED, View};
use crate::relations::resolve::{ALLOW, DENY, Depends, Resolved};

/// Edges of a place, per grantee of the subject, up to which each edge is looked up in the subject; beyond, each
/// grantee is searched in the edges. A look-up costs some 3 ns, a search with its mispredicted branches some 30.
const SCANNED: usize = 8;

/// Ancestors whose names are looked up before any is evaluated, so that their cache misses overlap.
pub(crate) const AHEAD: usize = 8;

/// What holds at a point of the path.
#[derive(Clone, Copy, Default)]
pub(crate) struct State {
    pub(crate) allow: u32,
    pub(crate) deny: u32,
    /// Allows that `isolated` does not stop: the tenant's owners and admins, the bucket's owners.
    kept: u32,
    pub(crate) depends: Depends,
}

/// What one place adds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Gathered {
    pub(crate) allow: u32,
    pub(crate) deny: u32,
    pub(crate) isolated: bool,
    depends: Depends,
}

impl State {
    /// Whether the permission holds here.
    #[inline]
    pub(crate) fn gives(&self, rule: Rule<'_>) -> bool {
        rule.holds(self.allow, self.deny)
    }

    /// One place further down.
    #[inline]
    pub(crate) fn down(mut self, place: Gathered) -> State {
        if place.isolated {
            self.allow = self.kept;
        }
        self.allow |= place.allow;
        self.deny |= place.deny;
        self.depends.and(place.depends);
        self
    }
}

/// One subject at one moment in one bucket.
#[derive(Clone, Copy)]
pub(crate) struct Eval<'a> {
    pub(crate) bucket: Option<&'a Bucket>,
    pub(crate) name: HashKey,
    pub(crate) resolved: &'a Resolved,
    pub(crate) now: Timestamp,
    pub(crate) facts: &'a Facts,
}

impl<'a> Eval<'a> {
    /// What a place says to this subject.
    pub(crate) fn gather(&self, view: View<'_>) -> Gathered {
        let mut sum = Gathered::default();
        let edges = view.edges;
        if edges.len() <= SCANNED * self.resolved.grantees.len() {
            for edge in edges {
                let strata = self.resolved.holds(edge.grantee());
                if strata != 0 {
                    self.add(&mut sum, view, edge.grantee(), strata, edge.mask);
                }
            }
        } else {
            for &(grantee, strata) in &self.resolved.grantees {
                if let Ok(at) = edges.binary_search_by_key(&grantee, |e| e.grantee()) {
                    self.add(&mut sum, view, grantee, strata, edges[at].mask);
                }
            }
        }
        sum
    }

    #[inline]
    fn add(&self, sum: &mut Gathered, view: View<'_>, grantee: Grantee, strata: u8, mask: u32) {
        let (mut sure, mut possible) = (mask, mask);
        if mask & QUALIFIED != 0 {
            for qualifier in view.qualifiers_of(grantee) {
                match sum.depends.on(qualifier, self.now, self.facts) {
                    Tri::True => {
                        sure |= qualifier.relation.bit();
                        possible |= qualifier.relation.bit();
                    }
                    Tri::Unknown => possible |= qualifier.relation.bit(),
                    Tri::False => {}
                }
            }
        }
        // Which of the bits allow and which deny is the schema's business: a rule tests only its own.
        if strata & ALLOW != 0 {
            sum.allow |= sure;
        }
        if strata & DENY != 0 {
            sum.deny |= possible;
        }
        sum.isolated |= mask & bits::ISOLATED != 0;
    }

    fn find(&self, hash: u128) -> Option<View<'a>> {
        self.bucket.and_then(|b| b.find(hash))
    }

    /// On the tenant itself.
    pub(crate) fn tenant(&self) -> State {
        let resolved = self.resolved;
        let mut kept = 0;
        if resolved.allow & bits::TENANT_ADMIN != 0 {
            kept = resolved.allow & (bits::OWNER | bits::ADMIN | bits::TENANT_ADMIN);
        }
        State { allow: resolved.allow, deny: resolved.deny, kept, depends: resolved.depends }
    }

    /// On the bucket.
    pub(crate) fn bucket(&self) -> State {
        let mut state = self.tenant();
        if let Some(view) = self.find(self.name.bucket()) {
            let place = self.gather(view);
            state = state.down(place);
            state.kept |= place.allow & bits::OWNER;
        }
        state
    }

    /// On the deepest prefix of a path, and the walk that stands there. `each` sees every prefix with a place.
    pub(crate) fn folder<'p>(&self, path: &'p [u8], mut each: impl FnMut(&'p [u8], State)) -> (State, Walk<'p>) {
        let mut state = self.bucket();
        let mut walk = self.name.walk(path);
        let Some(bucket) = self.bucket else { return (state, walk) };
        loop {
            let (mut prefixes, mut names, mut taken): ([&[u8]; AHEAD], _, _) = ([&[]; AHEAD], [0; AHEAD], 0);
            while let Some((prefix, hash)) = if taken < AHEAD { walk.next_prefix() } else { None } {
                (prefixes[taken], names[taken]) = (prefix, hash);
                taken += 1;
            }
            let mut views = [None; AHEAD];
            bucket.find_all(&names, &mut views);
            for (prefix, view) in prefixes.iter().zip(views).take(taken) {
                if let Some(view) = view {
                    state = state.down(self.gather(view));
                    each(prefix, state);
                }
            }
            if taken < AHEAD {
                return (state, walk);
            }
        }
    }

    /// On the object with this key.
    pub(crate) fn key(&self, key: &[u8]) -> State {
        let mut state = self.bucket();
        let Some(bucket) = self.bucket else { return state };
        let mut walk = self.name.walk(key);
        loop {
            let (mut names, mut taken, mut ended) = ([0; AHEAD], 0, false);
            while taken < AHEAD && !ended {
                names[taken] = match walk.next_prefix() {
                    Some((_, hash)) => hash,
                    None => {
                        ended = true;
                        walk.object()
                    }
                };
                taken += 1;
            }
            let mut views = [None; AHEAD];
            bucket.find_all(&names, &mut views);
            for view in views.into_iter().take(taken).flatten() {
                state = state.down(self.gather(view));
            }
            if ended {
                return state;
            }
        }
    }
}
