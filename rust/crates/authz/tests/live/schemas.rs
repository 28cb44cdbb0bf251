//! A tenant's schema changes: in force when the call returns, whole or not at all, and no tuple loses its meaning.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use panthera_authz::{
    ApplySchema, AuthzError, Change, Engine, Event, Grantee, OFFENDERS, Permission, Place, Relation, Settings, Spot,
    Target, Tuple, Visible,
};
use panthera_base::{TenantId, Timestamp};
use panthera_meta::Metastore;

use crate::crash::{Faulty, HALF, LOST, WORKS, open};
use crate::{AWAY, BUCKET, HOME, at, engine, grant, prefix, reads, revoke, user, who, write};

/// The built-in schema's bytes, up to and with the relations, and the permissions without their count.
fn golden() -> Vec<u8> {
    let text = include_str!("../../../../../tests/vectors/schema/default.hex");
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

const PLACES: u8 = 15;
const PUBLIC: u16 = 0b1_1111_1110;

/// The built-in schema with more relations (number, class, targets, subjects, name) and with `read` for who holds one of
/// `some` and none of `none`.
fn with(more: &[(u8, u8, u8, u16, &str)], some: u32, none: u32) -> Vec<u8> {
    let built_in = golden();
    let read = built_in.windows(5).position(|w| w == b"\x04read").unwrap();
    let mut out = built_in[..read - 1].to_vec();
    out[1] += more.len() as u8;
    for (number, class, targets, subjects, name) in more {
        out.extend([*number, *class, *targets]);
        out.extend(subjects.to_le_bytes());
        out.push(name.len() as u8);
        out.extend(name.as_bytes());
    }
    out.extend(&built_in[read - 1..]);
    let read = out.windows(5).position(|w| w == b"\x04read").unwrap() + 6;
    for (i, mask) in [some, 0, none].into_iter().enumerate() {
        out[read + i * 4..read + i * 4 + 4].copy_from_slice(&mask.to_le_bytes());
    }
    out
}

const READ_SOME: u32 = 7;
const READ_NONE: u32 = 0x1100;
const AUDITOR: u8 = 19;

/// `reader` and `auditor` read.
fn audited() -> Vec<u8> {
    with(&[(AUDITOR, 0, PLACES, PUBLIC, "auditor")], READ_SOME | 1 << AUDITOR, READ_NONE)
}

fn request(engine: &Engine, tenant: TenantId, compiled: Vec<u8>) -> ApplySchema {
    let against = engine.schema(tenant).revision();
    ApplySchema { tenant, source: "// text".into(), compiled, against, at: Timestamp(1), dry_run: false, by: None }
}

fn apply(engine: &Engine, compiled: Vec<u8>) -> Result<u64, AuthzError> {
    engine.apply_schema(&request(engine, HOME, compiled))
}

fn auditor() -> Relation {
    Relation::from_number(AUDITOR).unwrap()
}

#[test]
fn a_relation_of_ones_own_reads_from_the_moment_the_call_returns() {
    let engine = engine();
    let tuple = prefix("a/", auditor(), user(1));
    let refused = write(&engine, vec![Change::Touch(tuple.clone())]);
    assert!(matches!(refused, Err(AuthzError::Invalid(text)) if text.contains("a prefix has no relation")));
    let revision = apply(&engine, audited()).unwrap();
    assert_eq!((engine.revision(), engine.schema(HOME).revision()), (revision, revision));
    assert!(!reads(&engine, user(1), "a/k"));
    grant(&engine, tuple.clone());
    assert!(reads(&engine, user(1), "a/k") && !reads(&engine, user(1), "b/k"));
    assert_eq!(engine.schema(HOME).relation("auditor").unwrap(), auditor());
    let mut listed = Visible::open(&engine, who(user(1)), Permission::Read, HOME, BUCKET, b"", &at(10)).unwrap();
    assert!(listed.contains(b"a/k") && !listed.contains(b"b/k"));
    // The same schema with another `read`: the kept verdicts of before are not used.
    apply(&engine, with(&[(AUDITOR, 0, PLACES, PUBLIC, "auditor")], READ_SOME, READ_NONE)).unwrap();
    assert!(!reads(&engine, user(1), "a/k"));
    // Another tenant has the built-in one all the while.
    assert_eq!(engine.schema(AWAY).revision(), 0);
    let away = Tuple::new(Target::new(AWAY, Place::Bucket(BUCKET)), auditor(), Grantee::ANYONE);
    assert!(write(&engine, vec![Change::Touch(away)]).is_err());
}

#[test]
fn a_schema_that_leaves_tuples_without_a_place_is_refused_with_them_and_leaves_nothing() {
    let engine = engine();
    apply(&engine, audited()).unwrap();
    let tuples: Vec<Tuple> =
        (0..OFFENDERS as u32 + 1).map(|i| prefix(&format!("{i:03}/"), auditor(), user(i))).collect();
    for tuple in &tuples {
        grant(&engine, tuple.clone());
    }
    let before = (engine.revision(), engine.schema_in_force(HOME).unwrap());
    let gone = with(&[], READ_SOME, READ_NONE);
    let other_class = with(&[(AUDITOR, 1, PLACES, PUBLIC, "auditor")], READ_SOME, READ_NONE);
    let renamed = with(&[(AUDITOR, 0, PLACES, PUBLIC, "inspector")], READ_SOME, READ_NONE);
    let no_prefix = with(&[(AUDITOR, 0, 2, PUBLIC, "auditor")], READ_SOME, READ_NONE);
    let no_users = with(&[(AUDITOR, 0, PLACES, 1 << 6, "auditor")], READ_SOME, READ_NONE);
    for compiled in [gone.clone(), no_prefix, no_users] {
        let Err(AuthzError::Orphans(listed)) = apply(&engine, compiled) else { panic!("not refused") };
        assert_eq!(listed, tuples[..OFFENDERS], "the first ones, in order");
    }
    // These give tuples that are there another meaning: their number has one already.
    for compiled in [other_class, renamed] {
        assert!(matches!(apply(&engine, compiled), Err(AuthzError::Invalid(_))));
    }
    assert_eq!((engine.revision(), engine.schema_in_force(HOME).unwrap()), before);
    assert!(reads(&engine, user(3), "003/k"));
    for tuple in tuples {
        revoke(&engine, tuple.key);
    }
    let retired = apply(&engine, gone).unwrap();
    // The log still has the number in it: it is given to nothing else before that is trimmed.
    let inspector = with(&[(AUDITOR, 0, PLACES, PUBLIC, "inspector")], READ_SOME, READ_NONE);
    assert!(!engine.schema_in_force(HOME).unwrap().free.contains(&AUDITOR));
    assert!(matches!(apply(&engine, inspector.clone()), Err(AuthzError::Invalid(_))));
    engine.trim_log(retired).unwrap();
    assert!(engine.schema_in_force(HOME).unwrap().free.contains(&AUDITOR));
    apply(&engine, inspector).unwrap();
}

#[test]
fn tuples_that_are_written_while_a_schema_is_looked_at_are_seen_by_one_of_the_two() {
    for round in 0..20 {
        let engine = engine();
        apply(&engine, audited()).unwrap();
        let gone = with(&[], READ_SOME, READ_NONE);
        let (applied, written) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                (0..20)
                    .filter(|i| {
                        write(&engine, vec![Change::Touch(prefix(&format!("{i}/"), auditor(), user(1)))]).is_ok()
                    })
                    .count()
            });
            for _ in 0..round {
                std::thread::yield_now();
            }
            (apply(&engine, gone.clone()), writer.join().unwrap())
        });
        match applied {
            Ok(_) => assert_eq!(written, 0, "a tuple without a place"),
            Err(AuthzError::Orphans(listed)) => assert!(!listed.is_empty() && written > 0),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_schema_change_under_load_is_seen_by_every_check_that_begins_after_it() {
    let engine = engine();
    apply(&engine, audited()).unwrap();
    grant(&engine, prefix("a/", auditor(), user(1)));
    let (stop, reading) = (AtomicBool::new(false), AtomicU64::new(1));
    let closed = with(&[(AUDITOR, 0, PLACES, PUBLIC, "auditor")], READ_SOME, READ_NONE);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = 0u64;
                while !stop.load(Ordering::SeqCst) {
                    // An odd number before and after the check: it was closed all the while.
                    let before = reading.load(Ordering::SeqCst);
                    let allowed = reads(&engine, user(1), "a/k");
                    let after = reading.load(Ordering::SeqCst);
                    if before == after && before % 4 == 3 {
                        assert!(!allowed, "allowed after the schema that forbids it was acknowledged");
                    }
                    if before == after && before % 4 == 1 {
                        assert!(allowed, "denied after the schema that allows it was acknowledged");
                    }
                    seen += 1;
                }
                assert!(seen > 0);
            });
        }
        scope.spawn(|| {
            for i in 0..400 {
                grant(&engine, prefix(&format!("b/{}/", i % 7), Relation::Reader, user(2)));
            }
        });
        for _ in 0..60 {
            for compiled in [closed.clone(), audited()] {
                reading.fetch_add(1, Ordering::SeqCst);
                apply(&engine, compiled).unwrap();
                reading.fetch_add(1, Ordering::SeqCst);
                std::thread::yield_now();
            }
        }
        stop.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_schema_is_durable_before_it_is_visible_and_survives_a_restart_and_a_crash() {
    let store = Arc::new(Faulty::default());
    let engine = open(&store);
    store.mode.store(LOST, Ordering::SeqCst);
    assert!(matches!(apply(&engine, audited()), Err(AuthzError::Store(_))));
    assert_eq!((engine.revision(), engine.schema(HOME).revision()), (0, 0));
    store.mode.store(HALF, Ordering::SeqCst);
    assert!(matches!(apply(&engine, audited()), Err(AuthzError::Store(_))));
    store.mode.store(WORKS, Ordering::SeqCst);
    // Its outcome was open: it is read back before anything else is written.
    let found = engine.schema_in_force(HOME).unwrap();
    assert_eq!((found.schema.revision(), found.source.as_deref()), (1, Some("// text")));
    grant(&engine, prefix("a/", auditor(), user(1)));
    let again = open(&store);
    assert!(reads(&again, user(1), "a/k") && again.schema_in_force(HOME).unwrap() == found);
    // Another process on the store sees it through the log, and a change against an old schema is refused.
    let mut stale = request(&again, HOME, with(&[(AUDITOR, 0, PLACES, PUBLIC, "auditor")], READ_SOME, READ_NONE));
    let other = open(&store);
    let second = apply(&engine, stale.compiled.clone()).unwrap();
    assert!(reads(&other, user(1), "a/k"));
    other.catch_up().unwrap();
    assert!(!reads(&other, user(1), "a/k") && other.schema(HOME).revision() == second);
    assert!(matches!(other.apply_schema(&stale), Err(AuthzError::SchemaChanged(at)) if at == second));
    stale.against = second;
    stale.dry_run = true;
    other.apply_schema(&stale).unwrap();
    assert_eq!(other.revision(), second, "a dry run writes nothing");
}

#[test]
fn a_watch_tells_of_a_schema_and_a_follower_that_replays_it_has_it() {
    let engine = engine();
    let revision = apply(&engine, audited()).unwrap();
    let entries = engine.watch(0, Some(HOME)).poll(10).unwrap();
    let [Event::Schema(tenant, schema)] = &entries[0].events[..] else { panic!("{entries:?}") };
    assert_eq!((*tenant, schema.revision(), entries.len()), (HOME, revision, 1));
    assert_eq!(**schema, *engine.schema(HOME));
    assert!(engine.watch(0, Some(AWAY)).poll(10).unwrap().is_empty());
}

#[test]
fn a_removed_schema_leaves_nothing_and_every_process_decides_by_the_built_in_one() {
    let store = Arc::new(Faulty::default());
    let (engine, other) = (open(&store), open(&store));
    let empty = |key: &[u8]| store.snapshot().unwrap().get(key).unwrap().is_none();
    assert!(!engine.remove_schema(HOME, Timestamp(1), None).unwrap(), "it has the built-in one");
    apply(&engine, audited()).unwrap();
    let own = prefix("a/", Relation::from_number(AUDITOR).unwrap(), user(1));
    grant(&engine, own.clone());
    assert!(reads(&engine, user(1), "a/k"));
    let refused = engine.remove_schema(HOME, Timestamp(1), None);
    assert!(matches!(&refused, Err(AuthzError::Orphans(found)) if *found == [own.clone()]), "{refused:?}");
    revoke(&engine, own.key);
    grant(&engine, prefix("b/", Relation::Reader, user(1)));
    assert!(reads(&engine, user(1), "b/k"));
    assert!(engine.remove_schema(HOME, Timestamp(1), None).unwrap());
    for part in [0, 1] {
        assert!(empty(&[&b"S"[..], &HOME.0.to_be_bytes(), &[part]].concat()), "row {part} stays");
    }
    other.catch_up().unwrap();
    for engine in [&engine, &other, &open(&store)] {
        assert_eq!(engine.schema(HOME).revision(), 0);
        assert!(reads(engine, user(1), "b/k") && engine.schema_in_force(HOME).unwrap().source.is_none());
    }
    let entries = engine.watch(0, Some(HOME)).poll(100).unwrap();
    assert_eq!(entries.last().unwrap().events, [Event::NoSchema(HOME)]);
}

#[test]
fn what_no_engine_may_execute_is_refused_whatever_compiled_it() {
    let engine = engine();
    let own = |class, targets, subjects, name| [(AUDITOR, class, targets, subjects, name)];
    let bit = 1 << AUDITOR;
    for (what, compiled) in [
        ("a deny that gives", with(&own(1, PLACES, PUBLIC, "stop"), READ_SOME | bit, READ_NONE)),
        ("an allow that takes away", with(&own(0, PLACES, PUBLIC, "auditor"), READ_SOME, READ_NONE | bit)),
        ("nothing held", with(&own(0, PLACES, PUBLIC, "auditor"), 0, READ_NONE)),
        ("a number nobody declared", with(&[], READ_SOME | bit, READ_NONE)),
        ("a flag of one's own", with(&own(2, PLACES, 1, "mark"), READ_SOME, READ_NONE)),
        ("on a group", with(&own(0, 16, PUBLIC, "auditor"), READ_SOME, READ_NONE)),
        ("granted to nobody's mark", with(&own(0, PLACES, 1, "auditor"), READ_SOME, READ_NONE)),
        ("a built-in name", with(&own(0, PLACES, PUBLIC, "reader"), READ_SOME, READ_NONE)),
        ("no name", with(&own(0, PLACES, PUBLIC, ""), READ_SOME, READ_NONE)),
        ("a name with a colon", with(&own(0, PLACES, PUBLIC, "a:b"), READ_SOME, READ_NONE)),
        ("a number there is not", with(&[(30, 0, PLACES, PUBLIC, "auditor")], READ_SOME, READ_NONE)),
        ("twice", with(&[own(0, PLACES, PUBLIC, "a")[0], own(0, PLACES, PUBLIC, "b")[0]], READ_SOME, READ_NONE)),
        ("bytes after the end", [audited(), vec![0]].concat()),
        ("another version", [vec![2], audited()[1..].to_vec()].concat()),
    ] {
        assert!(matches!(apply(&engine, compiled), Err(AuthzError::Invalid(_))), "{what}");
    }
    for n in 0..audited().len() {
        assert!(apply(&engine, audited()[..n].to_vec()).is_err(), "{n} bytes");
    }
    assert_eq!((engine.revision(), engine.schema(HOME).revision()), (0, 0));
    apply(&engine, audited()).unwrap();
}

#[test]
fn sizes_are_kept_at_n_and_refused_at_n_plus_1() {
    let engine = engine();
    let sized = |n: usize| ApplySchema { source: "x".repeat(n), ..request(&engine, HOME, audited()) };
    engine.apply_schema(&sized(panthera_authz::SOURCE_BYTES)).unwrap();
    assert!(matches!(engine.apply_schema(&sized(panthera_authz::SOURCE_BYTES + 1)), Err(AuthzError::Limit(_))));
    let long = vec![0; panthera_authz::COMPILED_BYTES + 1];
    assert!(matches!(apply(&engine, long), Err(AuthzError::Limit(_))));
    let name = |n: usize| "a".repeat(n);
    let (fits, too_long) = (name(panthera_authz::NAME_BYTES), name(panthera_authz::NAME_BYTES + 1));
    assert!(apply(&engine, with(&[(AUDITOR + 1, 0, PLACES, PUBLIC, &fits)], READ_SOME, READ_NONE)).is_ok());
    assert!(apply(&engine, with(&[(AUDITOR + 2, 0, PLACES, PUBLIC, &too_long)], READ_SOME, READ_NONE)).is_err());
    let numbers: Vec<u8> = (AUDITOR + 2..19 + panthera_authz::OWN_RELATIONS).collect();
    assert_eq!(engine.schema_in_force(HOME).unwrap().free, numbers);
}

#[test]
fn the_permission_of_a_name_is_asked_by_its_tenant() {
    let engine = engine();
    // One more permission after the built-in ones: `audit`, for who is auditor.
    let mut compiled = audited();
    let count = compiled.windows(5).position(|w| w == b"\x04read").unwrap() - 1;
    compiled[count] += 1;
    compiled.extend(b"\x05audit\x01");
    for mask in [1u32 << AUDITOR, 0, 0] {
        compiled.extend(mask.to_le_bytes());
    }
    apply(&engine, compiled).unwrap();
    grant(&engine, prefix("a/", auditor(), user(1)));
    let audit = engine.schema(HOME).permission("audit").unwrap();
    let spot = Spot::Object(BUCKET, b"a/k");
    let asks = |g, tenant| engine.check(who(g), audit, tenant, spot, &at(10)).unwrap().allowed;
    assert!(asks(user(1), HOME) && !asks(user(2), HOME));
    assert!(engine.schema(AWAY).permission("audit").is_err());
    assert!(!engine.check(who(user(1)), audit, AWAY, spot, &at(10)).unwrap().allowed);
    let settled = Engine::open(Arc::new(panthera_meta::memory::Memory::new()), Settings::default()).unwrap();
    assert!(!settled.check(who(user(1)), audit, HOME, spot, &at(10)).unwrap().allowed, "nobody has it there");
}
