//! What rights are compiled to: schemas, policies and lists are stored in a form that the data plane executes, so any
//! bytes must be refused or mean exactly what a second, naive reader takes them to mean.

use std::sync::Arc;

use panthera_authz::policy::{Facts, Key, Outcome, Policy, Principal as Asking, Question, Unavailable, Value};
use panthera_authz::{
    ApplySchema, Change, Engine, Facts as Known, Grantee, Moment, Permission, Place, Principal, Relation, Settings,
    Spot, Target, Tuple, WriteTuples, acl,
};
use panthera_base::{BucketId, TenantId, Timestamp, UserId};
use panthera_meta::memory::Memory;

use crate::tape::Tape;

const TENANT: TenantId = TenantId(1);
const USER: UserId = UserId(1);
const BUCKET: BucketId = BucketId(7);
const PREFIX: &[u8] = b"a/";
const KEY: &[u8] = b"a/k";

/// A permission as its bytes say it: any clause, of which some, every and none of these relations are held.
struct Clauses(Vec<[u32; 3]>);

impl Clauses {
    fn gives(&self, held: u32) -> bool {
        self.0.iter().any(|[some, every, none]| held & some != 0 && held & every == *every && held & none == 0)
    }
}

/// The permissions of a compiled schema, by number. Reads bytes that were taken for one; panics where it is none.
fn permissions(bytes: &[u8]) -> Vec<Clauses> {
    let mut rest = Tape::new(&bytes[1..]);
    for _ in 0..rest.u8() {
        rest.take(5);
        rest.bytes();
    }
    let permission = |rest: &mut Tape<'_>| {
        rest.bytes();
        Clauses((0..rest.u8()).map(|_| [rest.u32(), rest.u32(), rest.u32()]).collect())
    };
    let found = (0..rest.u8()).map(|_| permission(&mut rest)).collect();
    assert!(rest.is_empty(), "a schema with something behind its end");
    found
}

fn engine(store: &Arc<Memory>) -> Engine {
    let settings = Settings { memo_places: 1, verdict_places: 0, ..Settings::default() };
    Engine::open(store.clone(), settings).unwrap()
}

/// What the user may, by number of the permission.
fn allowed(engine: &Engine, count: usize) -> Vec<bool> {
    let who = Principal { grantee: Grantee::user(TENANT, USER).unwrap(), admin: false };
    let moment = Moment { now: Timestamp::from_secs(1), facts: Known::default() };
    let may = |number: usize| {
        let permission = Permission::from_number(number as u8).unwrap();
        engine.check(who, permission, TENANT, Spot::Object(BUCKET, KEY), &moment).unwrap().allowed
    };
    (0..count).map(may).collect()
}

/// Four bytes that choose relations, then a compiled schema.
pub fn schema(data: &[u8]) {
    let Some((chosen, compiled)) = data.split_first_chunk::<4>() else { return };
    let store = Arc::new(Memory::new());
    let before = engine(&store);
    let request = ApplySchema {
        tenant: TENANT,
        source: "// fuzzed".into(),
        compiled: compiled.to_vec(),
        against: 0,
        at: Timestamp(1),
        dry_run: false,
        by: None,
    };
    if before.apply_schema(&request).is_err() {
        assert_eq!(before.revision(), 0, "refused, and something was written");
        return;
    }
    let rules = permissions(compiled);
    assert_eq!(allowed(&before, rules.len()), vec![false; rules.len()], "allowed by a schema without relations");
    let user = Grantee::user(TENANT, USER).unwrap();
    let mut held = 0;
    for relation in Relation::of_mask(u32::from_le_bytes(*chosen)) {
        let target = Target::new(TENANT, Place::Prefix(BUCKET, PREFIX.into()));
        let change = Change::Touch(Tuple::new(target, relation, user));
        if before.write(WriteTuples::new(TENANT, vec![change], Timestamp(1))).is_ok() {
            held |= relation.bit();
        }
    }
    let expected: Vec<bool> = rules.iter().map(|clauses| clauses.gives(held)).collect();
    assert_eq!(allowed(&before, rules.len()), expected, "held {held:#x}");
    let after = engine(&store);
    assert_eq!(allowed(&after, rules.len()), expected, "otherwise after a start");
    assert_eq!(after.schema(TENANT), before.schema(TENANT));
}

/// Gives every key the same values, or none of them can be had.
struct Same<'a>(Option<&'a [&'a [u8]]>);

impl Facts for Same<'_> {
    fn values(&self, _: Key, _: &str, give: &mut dyn FnMut(Value<'_>)) -> Result<(), Unavailable> {
        self.0.ok_or(Unavailable)?.iter().for_each(|value| give(Value::Text(value)));
        Ok(())
    }
}

/// A question, then a compiled policy.
pub fn compiled_policy(data: &[u8]) {
    let mut tape = Tape::new(data);
    let (who, action, shape) = (tape.below(4), tape.u8(), tape.below(4));
    let value = tape.bytes();
    let compiled = tape.rest();
    let Ok(policy) = Policy::new(compiled) else { return };
    for cut in 0..compiled.len() {
        assert!(Policy::new(&compiled[..cut]).is_err(), "part of a policy is taken for one");
    }
    let principal = match who {
        0 => Asking::Anonymous,
        1 => Asking::User { tenant: TENANT, user: USER, root: false },
        2 => Asking::User { tenant: TENANT, user: USER, root: true },
        _ => Asking::Role { tenant: TENANT, role: 31 },
    };
    let bucket = (shape > 0).then_some("b");
    let key = (shape > 1).then_some(KEY);
    let ask = |facts: &dyn Facts| policy.evaluate(&Question { principal, action, bucket, key, facts });
    let outcomes =
        [ask(&Same(None)), ask(&Same(Some(&[]))), ask(&Same(Some(&[value]))), ask(&Same(Some(&[value, b"x"])))];
    for outcome in outcomes {
        match outcome {
            Outcome::Deny(at) | Outcome::Allow(at) | Outcome::Delegate(at) => assert!(at < policy.len()),
            Outcome::Neither => {}
        }
        // What is allowed when nothing can be known, is allowed whatever there is to know; or refused, when that leads to
        // bytes that nothing led to before and that are no condition.
        if matches!(outcomes[0], Outcome::Allow(_)) {
            assert!(matches!(outcome, Outcome::Allow(_) | Outcome::Deny(_)), "{outcomes:?}");
        }
    }
    let named = (0..policy.len()).filter(|at| policy.sid(*at).is_some()).count();
    assert!(named <= usize::from(policy.len()) && policy.sid(policy.len()).is_none());
}

/// A user's number, then a list of grants.
pub fn grants(data: &[u8]) {
    let Some((&number, list)) = data.split_first() else { return };
    let granted = |who: acl::Who, groups: bool| {
        let mut grants = match list.split_first_chunk::<3>() {
            Some((&[1, low, high], rest)) if rest.len() == usize::from(u16::from_le_bytes([low, high])) * 6 => rest,
            _ => return (0, false),
        };
        let (mut bits, mut public) = (0, false);
        while let Some((&[kind, a, b, c, d, permissions], rest)) = grants.split_first_chunk::<6>() {
            let user = u32::from_le_bytes([a, b, c, d]);
            let signed = matches!(who, acl::Who::User(_));
            let asking = if let acl::Who::User(user) = who { user.0 } else { 0 };
            let wrong = kind > 3 || (kind > 0 && user != 0) || !(1..=15).contains(&permissions);
            if wrong {
                return (0, false);
            }
            let applies = match kind {
                // Number 0 is whoever did not sign.
                0 => user == asking && (user != 0) == (signed && asking != 0) && (user != 0 || !signed),
                1 => groups,
                2 => groups && signed,
                _ => false,
            };
            bits |= if applies { permissions } else { 0 };
            public |= kind == 1 || kind == 2;
            grants = rest;
        }
        (bits, public)
    };
    for who in [acl::Who::Anonymous, acl::Who::User(UserId(number.into())), acl::Who::User(UserId(0))] {
        let (bits, public) = granted(who, true);
        assert_eq!((acl::grants(list, who), acl::is_public(list)), (bits, public), "{who:?}");
        assert_eq!(acl::grants_to_users(list, who), granted(who, false).0, "{who:?}");
    }
}
