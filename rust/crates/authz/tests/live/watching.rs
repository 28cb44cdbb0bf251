//! Watch and tokens: no gap, no reorder, heartbeats by time, nothing of other tenants.

use std::time::Duration;

use panthera_authz::{
    AuthzError, Change, Event, LOG_KEPT, Place, Relation, Settings, Target, Tuple, TupleFilter, WriteTuples,
};
use panthera_base::{TenantId, Timestamp};

use crate::{AWAY, BUCKET, HOME, engine, grant, prefix, reads, revoke, user};

#[test]
fn watching_misses_nothing_while_others_write() {
    let engine = engine();
    let mut watch = engine.watch(0, None);
    std::thread::scope(|scope| {
        for thread in 0..3u32 {
            let engine = &engine;
            scope.spawn(move || {
                for i in 0..100 {
                    grant(engine, prefix(&format!("{thread}/{i}/"), Relation::Reader, user(thread)));
                }
            });
        }
        let mut next = 1;
        while next <= 300 {
            assert!(watch.wait(Duration::from_secs(10)), "nothing came after {next}");
            for entry in watch.poll(7).unwrap() {
                assert_eq!(entry.revision, next);
                assert!(matches!(&entry.events[..], [Event::Set(_)]));
                next += 1;
            }
        }
    });
    assert!(!watch.wait(Duration::from_millis(1)), "nothing more comes: time for a heartbeat");
}

#[test]
fn a_watch_of_one_tenant_moves_on_past_the_others() {
    let engine = engine();
    let mut watch = engine.watch(0, Some(AWAY));
    for i in 0..10 {
        grant(&engine, prefix(&format!("{i}/"), Relation::Reader, user(1)));
    }
    assert!(watch.poll(3).unwrap().is_empty() && watch.position() > 0);
    let other = Tuple::new(Target::new(AWAY, Place::Bucket(BUCKET)), Relation::Reader, user(1));
    let revision = grant(&engine, other.clone());
    let entries = watch.poll(100).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].revision, &entries[0].events), (revision, &vec![Event::Set(other)]));
}

#[test]
fn a_trimmed_log_says_where_it_begins() {
    let engine = engine();
    for i in 0..10 {
        grant(&engine, prefix(&format!("{i}/"), Relation::Reader, user(1)));
    }
    assert!(!engine.trim_log(6).unwrap());
    assert!(matches!(engine.watch(4, None).poll(10), Err(AuthzError::Trimmed(6))));
    assert_eq!(engine.watch(5, None).poll(10).unwrap().len(), 5);
    grant(&engine, prefix("x/", Relation::Reader, user(1)));
    assert_eq!(engine.revision(), 11);
}

#[test]
fn the_log_is_kept_for_a_week_and_no_longer() {
    let (engine, kept) = (engine(), LOG_KEPT.as_micros() as u64);
    assert!(!engine.trim_old(Timestamp(2 * kept)).unwrap(), "nothing was ever written");
    for (i, at) in [10, 20, 20, 30].into_iter().enumerate() {
        let tuple = prefix(&format!("{i}/"), Relation::Reader, user(1));
        engine.write(WriteTuples::new(HOME, vec![Change::Touch(tuple)], Timestamp(at))).unwrap();
    }
    let first = || match engine.watch(0, None).poll(10) {
        Ok(entries) => entries.first().map_or(5, |entry| entry.revision),
        Err(AuthzError::Trimmed(oldest)) => oldest,
        Err(other) => panic!("{other}"),
    };
    for (now, expected) in [(kept, 1), (kept + 10, 1), (kept + 11, 2), (kept + 20, 2)] {
        assert!(!engine.trim_old(Timestamp(now)).unwrap());
        assert_eq!(first(), expected, "at {now}");
    }
    for (most, expected) in [(4, 2), (3, 2), (2, 3)] {
        assert!(!engine.trim_beyond(Timestamp(0), most).unwrap());
        assert_eq!(first(), expected, "{most} at most");
    }
    for (now, expected) in [(kept + 21, 4), (kept + 31, 5)] {
        assert!(!engine.trim_old(Timestamp(now)).unwrap());
        assert_eq!(first(), expected, "at {now}");
    }
    assert!(reads(&engine, user(1), "0/k"), "only how it came to be is forgotten");
    assert_eq!(grant(&engine, prefix("x/", Relation::Reader, user(1))), 5);
    assert_eq!(engine.watch(4, None).poll(10).unwrap().len(), 1);
}

#[test]
fn tokens_are_bound_to_tenant_revision_and_log() {
    let engine = engine();
    let revision = grant(&engine, prefix("a/", Relation::Reader, user(1)));
    let token = engine.token(HOME, revision).unwrap();
    assert_eq!(engine.accept_token(HOME, &token).unwrap(), revision);
    assert!(matches!(engine.accept_token(AWAY, &token), Err(AuthzError::BadToken)));
    for i in 0..token.len() {
        let mut forged = token.clone();
        forged[i] ^= 1;
        assert!(matches!(engine.accept_token(HOME, &forged), Err(AuthzError::BadToken)), "byte {i}");
    }
    for bad in [&[][..], &token[1..], &[&token[..], &[0]].concat()] {
        assert!(matches!(engine.accept_token(HOME, bad), Err(AuthzError::BadToken)));
    }
    let future = engine.token(HOME, revision + 1).unwrap();
    assert!(matches!(engine.accept_token(HOME, &future), Err(AuthzError::NotYet(2))));
    let other = crate::engine();
    grant(&other, prefix("a/", Relation::Reader, user(1)));
    assert!(matches!(other.accept_token(HOME, &token), Err(AuthzError::BadToken)), "a token of another log");
}

#[test]
fn tuples_are_read_in_pages_by_what_is_asked() {
    let engine = engine();
    for i in 0..10 {
        grant(&engine, prefix(&format!("{i}/"), Relation::Reader, user(i)));
        grant(&engine, prefix(&format!("{i}/"), Relation::Writer, user(1)));
    }
    grant(&engine, Tuple::new(Target::new(AWAY, Place::Bucket(BUCKET)), Relation::Reader, user(1)));
    revoke(&engine, prefix("3/", Relation::Reader, user(3)).key);
    let all = |filter: TupleFilter| {
        let (mut tuples, mut cursor) = (Vec::new(), None);
        loop {
            let page = engine.read_tuples(HOME, &filter, cursor.as_deref(), 3).unwrap();
            tuples.extend(page.tuples);
            cursor = page.cursor;
            if cursor.is_none() {
                return tuples;
            }
        }
    };
    assert_eq!(all(TupleFilter::default()).len(), 19);
    assert_eq!(all(TupleFilter { grantee: Some(user(1)), ..TupleFilter::default() }).len(), 11);
    assert_eq!(all(TupleFilter { relation: Some(Relation::Reader), ..TupleFilter::default() }).len(), 9);
    let target = Target::new(HOME, Place::Prefix(BUCKET, b"4/".to_vec()));
    assert_eq!(all(TupleFilter { target: Some(target), ..TupleFilter::default() }).len(), 2);
    assert_eq!(all(TupleFilter { bucket: Some(BUCKET), ..TupleFilter::default() }).len(), 19);
    let elsewhere = Target::new(TenantId(9), Place::Tenant);
    assert!(all(TupleFilter { target: Some(elsewhere), ..TupleFilter::default() }).is_empty());
    let _ = Settings::default();
}
