//! Verdicts that were computed before, each with the revision it was computed from. One is used only if nothing it
//! depends on has changed since that revision and it has not expired; nobody removes entries, so no fill can be stale.
//!
//! An entry is four words without a lock. The name is stored combined with the payload: an entry of which one half
//! was written by another thread does not match its name and is a miss.

use std::hash::Hasher;

use panthera_base::{BucketId, CacheCounts, TenantId, Timestamp};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::error::AuthzError;
use crate::model::Permission;
use crate::relations::engine::{Answer, Spot};
use crate::relations::resolve::Principal;
use crate::relations::root::Root;
use crate::sync::{AtomicU64, Ordering};

/// Places of the cache: 32 bytes each, two to a line, 8 MiB; some minutes of a busy gateway's (subject, key) pairs.
pub(crate) const VERDICT_PLACES: usize = 1 << 18;

const ALLOWED: u64 = 1;
const DENIED: u64 = 2;
const TENANT_ADMIN: u64 = 4;
/// Bits of the payload below the revision.
const FLAGS: u32 = 8;

type Place = [AtomicU64; 4];

/// Two places in one line of the processor's cache, the newer first: two questions that meet do not push each other
/// out by turns.
#[derive(Default)]
#[repr(align(64))]
struct Pair([Place; 2]);

/// The cache.
pub(crate) struct Verdicts {
    pairs: Box<[Pair]>,
    key: (u64, u64),
    pub counts: CacheCounts,
}

/// A question's name: 128 bits under a key of this process.
#[derive(Clone, Copy)]
pub(crate) struct Name(u64, u64);

impl Verdicts {
    /// With no places it never remembers.
    pub(crate) fn new(places: usize) -> Result<Self, AuthzError> {
        let word = || getrandom::u64().map_err(|e| AuthzError::Limit(format!("no randomness: {e}")));
        let pairs = (0..places.div_ceil(2)).map(|_| Pair::default()).collect();
        Ok(Self { pairs, key: (word()?, word()?), counts: CacheCounts::default() })
    }

    /// Names a question, if answers are kept at all.
    #[inline]
    pub(crate) fn name(
        &self,
        root: &Root,
        principal: Principal,
        permission: Permission,
        tenant: TenantId,
        spot: Spot<'_>,
    ) -> Option<Name> {
        if self.pairs.is_empty() {
            return None;
        }
        let (kind, bucket, path): (u8, BucketId, &[u8]) = match spot {
            Spot::Tenant => (0, BucketId(0), &[]),
            Spot::Bucket(bucket) => (1, bucket, &[]),
            Spot::Prefix(bucket, path) => (2, bucket, path),
            Spot::Object(bucket, key) => (3, bucket, key),
        };
        // Fixed-width parts first and the path last: no two questions have the same bytes.
        let mut head = [0; 32];
        head[..8].copy_from_slice(&principal.grantee.bits().to_le_bytes());
        head[8..12].copy_from_slice(&tenant.0.to_le_bytes());
        head[12..16].copy_from_slice(&bucket.0.to_le_bytes());
        head[16..24].copy_from_slice(&root.generation.to_le_bytes());
        head[24..27].copy_from_slice(&[permission.number(), kind, u8::from(principal.admin)]);
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        hasher.write(&head);
        hasher.write(path);
        let hash = hasher.finish128();
        Some(Name(hash.h1, hash.h2))
    }

    fn pair(&self, name: Name) -> &Pair {
        let at = (u128::from(name.0) * self.pairs.len() as u128) >> 64;
        &self.pairs[at as usize]
    }

    /// The answer, if it is known and still true: computed at `since` or later, and not after `root`.
    #[inline]
    pub(crate) fn get(&self, name: Name, since: u64, root: &Root, now: Timestamp) -> Option<Answer> {
        let found = self.pair(name).0.iter().find_map(|place| read(place, name));
        let holds = |&(payload, until): &(u64, u64)| {
            let revision = payload >> FLAGS;
            since <= revision && revision <= root.revision && (until == 0 || now.0 < until)
        };
        let Some((payload, until)) = found.filter(holds) else {
            self.counts.miss();
            return None;
        };
        self.counts.hit();
        Some(Answer {
            allowed: payload & ALLOWED != 0,
            denied: payload & DENIED != 0,
            tenant_admin: payload & TENANT_ADMIN != 0,
            revision: root.revision,
            valid_until: until,
            conditional: false,
        })
    }

    /// Keeps an answer for the revision it was computed from.
    pub(crate) fn put(&self, name: Name, answer: &Answer) {
        let flag = |set: bool, bit: u64| if set { bit } else { 0 };
        let flags =
            flag(answer.allowed, ALLOWED) | flag(answer.denied, DENIED) | flag(answer.tenant_admin, TENANT_ADMIN);
        let (payload, until) = (answer.revision << FLAGS | flags, answer.valid_until);
        let words = [name.0 ^ payload ^ until, name.1 ^ payload.rotate_left(32) ^ until, payload, until];
        let Pair([newer, older]) = self.pair(name);
        if read(newer, name).is_none() {
            // What was first moves on; a copy that another thread tears matches no name.
            newer.iter().zip(older).for_each(|(from, to)| to.store(from.load(Ordering::Relaxed), Ordering::Relaxed));
        }
        for (word, value) in newer.iter().zip(words) {
            word.store(value, Ordering::Relaxed);
        }
    }
}

/// Payload and expiry, if the place holds this name.
#[inline]
fn read(place: &Place, name: Name) -> Option<(u64, u64)> {
    let [a, b, payload, until] = place.each_ref().map(|word| word.load(Ordering::Relaxed));
    let same = a ^ payload ^ until == name.0 && b ^ payload.rotate_left(32) ^ until == name.1;
    same.then_some((payload, until))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Grantee;

    fn answer(revision: u64, valid_until: u64) -> Answer {
        Answer { allowed: true, denied: false, tenant_admin: false, revision, valid_until, conditional: false }
    }

    #[test]
    fn an_answer_is_used_only_between_its_change_and_its_expiry() {
        let cache = Verdicts::new(1).unwrap();
        let root = |revision| Root { revision, ..Root::default() };
        let who = Principal { grantee: Grantee::ANYONE, admin: false };
        let spot = Spot::Object(BucketId(1), b"k");
        let name = cache.name(&root(0), who, Permission::Read, TenantId(1), spot).unwrap();
        cache.put(name, &answer(5, 100));
        let get = |since, at, now| cache.get(name, since, &root(at), Timestamp(now)).is_some();
        assert!(get(5, 5, 99) && get(3, 9, 99));
        assert!(!get(6, 9, 99), "something changed since");
        assert!(!get(3, 4, 99), "computed from a later state than asked");
        assert!(!get(5, 5, 100), "expired");
        for (permission, tenant, spot) in [
            (Permission::Write, TenantId(1), spot),
            (Permission::Read, TenantId(2), spot),
            (Permission::Read, TenantId(1), Spot::Object(BucketId(2), b"k")),
            (Permission::Read, TenantId(1), Spot::Prefix(BucketId(1), b"k")),
            (Permission::Read, TenantId(1), Spot::Object(BucketId(1), b"kk")),
        ] {
            let other = cache.name(&root(0), who, permission, tenant, spot).unwrap();
            assert!(cache.get(other, 0, &root(9), Timestamp(0)).is_none(), "{permission:?} {tenant:?} {spot:?}");
        }
    }

    #[test]
    fn a_torn_entry_is_a_miss() {
        let (one, two) = (Verdicts::new(1).unwrap(), Verdicts::new(1).unwrap());
        let name = Name(1, 2);
        one.put(name, &answer(5, 0));
        two.put(name, &Answer { allowed: false, ..answer(6, 77) });
        let words = |cache: &Verdicts| cache.pairs[0].0[0].each_ref().map(|w| w.load(Ordering::Relaxed));
        for mix in 1..15 {
            let (a, b) = (words(&one), words(&two));
            let torn = Verdicts::new(1).unwrap();
            for i in 0..4 {
                torn.pairs[0].0[0][i].store(if mix & 1 << i == 0 { a[i] } else { b[i] }, Ordering::Relaxed);
            }
            assert!(torn.get(name, 0, &Root { revision: 9, ..Root::default() }, Timestamp(0)).is_none(), "{mix:b}");
        }
    }
}
