//! Kept identities under the model checker: what hangs on a user and on its groups, and who is in them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use panthera_authz::{Change, Engine, Identities, Subject};
use panthera_base::UserId;
use panthera_meta::keys::{self, PrincipalOf};
use panthera_meta::records::{IdentityRecord, InlinePolicy, UserRecord};
use panthera_meta::{Batch, Metastore};

use crate::{HOME, KEPT, Store, explore, member, moment, user, write};

/// Whose policies say how often they were changed; reading them takes the way of a decision.
struct World {
    store: Arc<Store>,
    engine: Engine,
    identities: Identities,
    /// The newest version of the user's and of its group's policy that somebody was told of, and that may be there.
    acked: [AtomicU64; 2],
    begun: [AtomicU64; 2],
}

const OWN: usize = 0;
const GROUPS: usize = 1;

fn versioned(n: u64) -> Vec<u8> {
    let policy = InlinePolicy { name: "p".into(), document: vec![], compiled: n.to_le_bytes().to_vec() };
    IdentityRecord { inline: vec![policy], ..IdentityRecord::default() }.encode()
}

fn version(compiled: &[u8]) -> u64 {
    u64::from_le_bytes(compiled.try_into().unwrap())
}

impl World {
    fn new() -> Arc<Self> {
        let store = Arc::new(Store::default());
        let engine = KEPT[1].open(&store);
        let identities = Identities::new(store.clone(), engine.clone());
        let world = Self { store, engine, identities, acked: Default::default(), begun: Default::default() };
        let alice = UserRecord { id: UserId(1), tenant: HOME, name: "alice".into(), ..UserRecord::default() };
        world.commit(keys::user(UserId(1)), alice.encode());
        world.change(OWN, 1);
        world.change(GROUPS, 1);
        write(&world.engine, vec![Change::Touch(member(1, user(1)))]).unwrap();
        Arc::new(world)
    }

    /// As the control plane does it: commit, tell, answer.
    fn commit(&self, key: Vec<u8>, value: Vec<u8>) {
        let mut batch = Batch::default();
        batch.put(key, value);
        assert!(Identities::concerns(&batch));
        self.store.commit(&batch).unwrap();
        self.identities.changed();
    }

    fn change(&self, whose: usize, n: u64) {
        let key = match whose {
            OWN => keys::identity(HOME, PrincipalOf::User, 1),
            _ => keys::identity(HOME, PrincipalOf::Group, 1),
        };
        self.begun[whose].store(n, Ordering::SeqCst);
        self.commit(key, versioned(n));
        self.acked[whose].store(n, Ordering::SeqCst);
    }

    /// The versions of the user's own policy and of its group's, if it is in it.
    fn read(&self) -> (u64, Option<u64>) {
        let alice = Subject::User { tenant: HOME, user: UserId(1), admin: false };
        let held = self.identities.for_subject(&alice, &moment()).unwrap();
        let find = |group| held.policies().find(|policy| policy.group == group).map(|policy| version(policy.compiled));
        (find(None).unwrap(), find(Some(1)))
    }
}

/// A policy is changed: what is read is never older than what was acknowledged nor newer than what was begun.
#[test]
fn a_policy_is_replaced() {
    explore("policies", || {
        let world = World::new();
        let reader = {
            let world = Arc::clone(&world);
            shuttle::thread::spawn(move || {
                for _ in 0..3 {
                    let floor = world.acked.each_ref().map(|n| n.load(Ordering::SeqCst));
                    let (own, groups) = world.read();
                    let found = [own, groups.unwrap()];
                    let ceiling = world.begun.each_ref().map(|n| n.load(Ordering::SeqCst));
                    for i in [OWN, GROUPS] {
                        assert!((floor[i]..=ceiling[i]).contains(&found[i]), "{floor:?} {found:?} {ceiling:?}");
                    }
                }
            })
        };
        world.change(OWN, 2);
        world.change(GROUPS, 2);
        reader.join().unwrap();
        assert_eq!(world.read(), (2, Some(2)));
    });
}

/// The user leaves the group while others fill what is kept: its policy is gone for whoever asks after that.
#[test]
fn a_member_leaves_its_groups_policies() {
    explore("policies of a group", || {
        let world = World::new();
        let left = Arc::new(AtomicU64::new(0));
        let readers = [2, 1].map(|reads| {
            let (world, left) = (Arc::clone(&world), Arc::clone(&left));
            shuttle::thread::spawn(move || {
                for _ in 0..reads {
                    let gone = left.load(Ordering::SeqCst) == 1;
                    let (_, groups) = world.read();
                    assert!(!gone || groups.is_none(), "a policy of a group that was left");
                }
            })
        });
        write(&world.engine, vec![Change::Delete(member(1, user(1)).key)]).unwrap();
        left.store(1, Ordering::SeqCst);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        assert_eq!(world.read().1, None);
    });
}
