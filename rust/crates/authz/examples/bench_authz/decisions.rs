//! Row 30: what step 5 costs a GET, all sources together, with and without a bucket policy of 20 statements.

use std::net::IpAddr;
use std::sync::Arc;

use panthera_authz::{Action, Authorizer, Context, NoRequest, Question, Resource, Settings, Subject};
use panthera_base::{Timestamp, UserId};
use panthera_meta::memory::Memory;
use panthera_meta::records::{BucketRecord, UserRecord};
use panthera_meta::{Batch, Metastore, keys};

use crate::world::{BUCKET, HOME, World};
use crate::{Outcome, cpu_nanos, row};

/// Statements of S3's read and write actions for prefixes and accounts of which none is the caller's: what has to be
/// looked at and says nothing. Made with `authz.policy.compile_bucket_policy`.
const TWENTY: &str = include_str!("twenty_statements.hex");
/// CPU of a GET of 4 KiB on this class of machine (docs/reference/benchmarks.md: 54 200 a second and core).
const GET_NANOS: f64 = 18_400.0;
const CALLS: usize = 100_000;
/// Of which the fastest counts: what else runs on the machine takes the caches, too.
const ROUNDS: usize = 8;

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim().as_bytes();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

pub fn decisions(meta: &Arc<Memory>, world: &mut World) -> Outcome {
    let asked: Vec<_> = (0..1000).map(|_| (world.user(), world.key())).collect();
    let mut users = Batch::default();
    for (user, _) in &asked {
        let record =
            UserRecord { id: UserId(user.id()), tenant: HOME, name: user.to_string(), ..UserRecord::default() };
        users.put(keys::user(UserId(user.id())), record.encode());
    }
    meta.commit(&users).map_err(|error| error.to_string())?;
    let authorizer = Authorizer::open(meta.clone())?;
    let plain = BucketRecord { id: BUCKET, tenant: HOME, ..BucketRecord::default() };
    let policy = Some(unhex(TWENTY).ok_or("the compiled policy is not hex")?);
    let ruled = BucketRecord { policy, ..plain.clone() };
    let context = Context::at(Timestamp(1_000_000), IpAddr::from([127, 0, 0, 1]), true);
    let round = |authorizer: &Authorizer, bucket: &BucketRecord, admin: bool| {
        let begin = cpu_nanos();
        for (user, key) in asked.iter().cycle().take(CALLS) {
            let subject = Subject::User { tenant: HOME, user: UserId(user.id()), admin };
            let (tenant, key) = (HOME, Some(&**key));
            let resource = Resource { tenant, bucket: Some(bucket), name: "photos", key, object: None };
            let (action, request) = (Action::GET_OBJECT, &NoRequest);
            let question = Question { subject: &subject, action, resource, context: &context, request };
            std::hint::black_box(authorizer.decide(&question));
        }
        (cpu_nanos() - begin) as f64 / CALLS as f64
    };
    let least = |run: &dyn Fn() -> f64| (0..ROUNDS).map(|_| run()).min_by(f64::total_cmp).unwrap_or_default();
    let cost = |bucket: &BucketRecord, admin: bool| least(&|| round(&authorizer, bucket, admin));
    for admin in [true, false] {
        let who = if admin { "administrator" } else { "user" };
        let (bare, statements) = (cost(&plain, admin), cost(&ruled, admin));
        let share = |nanos: f64| format!("{nanos:.0} ns, {:.2} % of a 4 KiB GET", nanos / GET_NANOS * 100.0);
        row(&format!("30 decision of a GET, {who}"), "1 %", &share(bare));
        row(&format!("30 decision of a GET, {who}, 20 statements"), "3 %", &share(statements));
    }
    for (name, (hits, misses)) in authorizer.caches() {
        row(&format!("30   cache of {name}"), "", &format!("{hits} hits, {misses} misses"));
    }
    let all = Settings::default();
    for (name, settings) in [
        ("verdicts", Settings { verdict_places: 0, ..all }),
        ("verdicts and memberships", Settings { verdict_places: 0, memo_places: 0, ..all }),
        ("identities", Settings { identity_places: 0, ..all }),
        ("anything", Settings::without_caches()),
    ] {
        let without = Authorizer::open_with(meta.clone(), settings)?;
        let nanos = least(&|| round(&without, &plain, false));
        row(&format!("30   user, nothing kept of {name}"), "", &format!("{nanos:.0} ns"));
    }
    let rows = ruled.encode();
    let decoding = || {
        let begin = cpu_nanos();
        (0..CALLS).for_each(|_| drop(std::hint::black_box(BucketRecord::decode(&rows))));
        (cpu_nanos() - begin) as f64 / CALLS as f64
    };
    row("30   a bucket's record of 20 statements decoded anew", "", &format!("{:.0} ns", least(&decoding)));
    Ok(())
}
