//! What asking for a caller's identity costs a request: `cargo run --release -p panthera-authz --example bench_identity`.
//!
//! Prints nanoseconds of processor time a call: from memory for a user without any policy and for one with 3 of its own and 5 groups of
//! 2 each, on one thread and on two for the same user, and anew after every change.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::sync::Arc;

use panthera_authz::{
    Change, Engine, Facts, Grantee, Identities, Moment, Place, Relation, Settings, Subject, Target, Tuple, WriteTuples,
};
use panthera_base::{TenantId, Timestamp, UserId};
use panthera_meta::keys::{self, PrincipalOf};
use panthera_meta::memory::Memory;
use panthera_meta::records::{IdentityRecord, InlinePolicy, UserRecord};
use panthera_meta::{Batch, Metastore};

const TENANT: TenantId = TenantId(1);
const CALLS: u32 = 5_000_000;
const COLD_CALLS: u32 = 100_000;
const GROUPS: u32 = 5;

fn holding(policies: usize) -> Vec<u8> {
    let policy = |n| InlinePolicy { name: format!("policy-{n}"), document: vec![b'{'; 600], compiled: vec![1; 400] };
    IdentityRecord { inline: (0..policies).map(policy).collect(), ..IdentityRecord::default() }.encode()
}

/// The processor's time of this thread: others on the machine do not count.
fn cpu_ns() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

fn main() {
    let meta = Arc::new(Memory::new());
    let engine = Engine::open(meta.clone(), Settings::default()).expect("an empty store opens");
    let mut batch = Batch::default();
    for number in [1, 2] {
        let record =
            UserRecord { id: UserId(number), tenant: TENANT, name: format!("u{number}"), ..Default::default() };
        batch.put(keys::user(UserId(number)), record.encode());
    }
    batch.put(keys::identity(TENANT, PrincipalOf::User, 2), holding(3));
    for group in 0..GROUPS {
        batch.put(keys::identity(TENANT, PrincipalOf::Group, group), holding(2));
        let who = Grantee::user(TENANT, UserId(2)).expect("a user");
        let tuple = Tuple::new(Target::new(TENANT, Place::Group(group)), Relation::Member, who);
        engine.write(WriteTuples::new(TENANT, vec![Change::Touch(tuple)], Timestamp(1))).expect("a member");
    }
    meta.commit(&batch).expect("rows");
    let identities = Identities::new(meta, engine);
    let moment = Moment { now: Timestamp(5), facts: Facts::default() };
    let ask = |user: u32| {
        let subject = Subject::User { tenant: TENANT, user: UserId(user), admin: false };
        let held = identities.for_subject(black_box(&subject), &moment).expect("an identity");
        black_box(held.policies().count() + usize::from(held.boundary().is_some()));
    };
    let timed = |name: &str, calls: u32, run: &dyn Fn()| {
        let start = cpu_ns();
        (0..calls).for_each(|_| run());
        println!("{name:<44} {:>8.1} ns", (cpu_ns() - start) as f64 / f64::from(calls));
    };
    timed("kept, no policies", CALLS, &|| ask(1));
    timed("kept, 3 policies and 5 groups with 2 each", CALLS, &|| ask(2));
    std::thread::scope(|scope| {
        let other = scope.spawn(|| (0..CALLS).for_each(|_| ask(1)));
        timed("kept, no policies, two threads on one user", CALLS, &|| ask(1));
        drop(other.join());
    });
    timed("anew, no policies", COLD_CALLS, &|| {
        identities.changed();
        ask(1);
    });
    timed("anew, 3 policies and 5 groups with 2 each", COLD_CALLS, &|| {
        identities.changed();
        ask(2);
    });
}
