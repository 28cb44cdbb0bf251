//! Who may know of what: buckets, names, missing keys; and that no answer costs more than its bound.

use std::sync::Arc;

use panthera_authz::{
    Action, Authorizer, Change, Context, Engine, Grantee, Listing, Next, NoRequest, Permission, Place, Question,
    Reason, Relation, Resource, Settings, Standing, Subject, Target, Tuple, Visible,
};
use panthera_base::{BucketId, Timestamp, UserId};
use panthera_meta::memory::Memory;
use panthera_meta::records::{BucketRecord, ListingMode};

use crate::{
    AWAY, BUCKET, HOME, at, bucket, engine, grant, group, member, prefix, question, reads, revoke, user, who, write,
};

fn ann() -> Subject {
    Subject::User { tenant: HOME, user: UserId(1), admin: false }
}

fn context() -> Context {
    Context::at(Timestamp(1), [10, 0, 0, 1].into(), true)
}

fn in_bucket(tenant: panthera_base::TenantId, bucket: u32, relation: Relation, grantee: Grantee) -> Tuple {
    Tuple::new(Target::new(tenant, Place::Bucket(BucketId(bucket))), relation, grantee)
}

#[test]
fn a_bucket_is_known_by_any_relation_in_it_unless_all_is_denied() {
    let engine = engine();
    let authorizer = Authorizer::with(engine.clone());
    let knows = |subject: &Subject, record: &BucketRecord| {
        authorizer.knows(&question(subject, "s3:ListBucket", record, None, &context())).allowed()
    };
    let record = bucket();
    assert!(!knows(&ann(), &record));
    // A drop box: it may put, and see nothing.
    grant(&engine, prefix("inbox/", Relation::Writer, user(1)));
    assert!(knows(&ann(), &record) && !knows(&Subject::Anonymous, &record));
    let strict = BucketRecord { listing: ListingMode::Strict, ..bucket() };
    assert!(!knows(&ann(), &strict));
    let deny = in_bucket(HOME, BUCKET.0, Relation::DenyAll, user(1));
    grant(&engine, deny.clone());
    assert!(!knows(&ann(), &record));
    revoke(&engine, deny.key);
    grant(
        &engine,
        Tuple::new(Target::new(HOME, Place::Object(BUCKET, b"p".to_vec())), Relation::Reader, Grantee::ANYONE),
    );
    assert!(knows(&Subject::Anonymous, &record));
}

#[test]
fn everybody_who_signs_may_ask_which_buckets_there_are() {
    let engine = engine();
    let authorizer = Authorizer::with(engine.clone());
    let asks = |subject: &Subject| {
        let resource = Resource { tenant: HOME, bucket: None, name: "", key: None, object: None };
        let (action, context) = (Action::LIST_ALL_MY_BUCKETS, context());
        let question = Question { subject, action, resource, context: &context, request: &NoRequest };
        let decision = authorizer.asks_for_buckets(&question);
        (decision.allowed(), decision.reason)
    };
    assert_eq!(asks(&ann()), (true, Reason::NotGranted));
    assert_eq!(asks(&Subject::Anonymous), (false, Reason::Anonymous));
    grant(&engine, Tuple::new(Target::new(HOME, Place::Tenant), Relation::DenyAll, user(1)));
    assert_eq!(asks(&ann()), (false, Reason::Denied));
}

#[test]
fn other_tenants_name_a_subject_by_itself_its_groups_and_its_tenant() {
    let engine = engine();
    let named = |engine: &Engine| engine.standing(who(user(1)), &at(1)).unwrap();
    let here = |buckets: &[u32]| Standing {
        tenants: Vec::new(),
        buckets: buckets.iter().map(|b| (if *b == 4 { HOME } else { AWAY }, BucketId(*b))).collect(),
    };
    for (bucket, grantee) in [(1, Grantee::ANYONE), (2, Grantee::AUTHENTICATED), (3, user(2))] {
        grant(&engine, in_bucket(AWAY, bucket, Relation::Reader, grantee));
    }
    grant(&engine, in_bucket(HOME, 4, Relation::Reader, user(1)));
    assert_eq!(named(&engine), here(&[4]));
    grant(&engine, in_bucket(AWAY, 5, Relation::Reader, user(1)));
    grant(&engine, in_bucket(AWAY, 6, Relation::Writer, Grantee::tenant_member(HOME).unwrap()));
    grant(&engine, member(HOME, 1, user(1)));
    grant(&engine, Tuple::new(Target::new(HOME, Place::Group(1)), Relation::Exported, Grantee::ITSELF));
    let object = Target::new(AWAY, Place::Object(BucketId(7), b"deep/key".to_vec()));
    grant(&engine, Tuple::new(object, Relation::Reader, group(1)));
    assert_eq!(named(&engine), here(&[4, 5, 6, 7]));
    engine.settle();
    assert_eq!(named(&engine), here(&[4, 5, 6, 7]), "out of the compact base");
    revoke(&engine, in_bucket(AWAY, 5, Relation::Reader, user(1)).key);
    assert_eq!(named(&engine), here(&[4, 6, 7]));
    grant(&engine, Tuple::new(Target::new(AWAY, Place::Tenant), Relation::Reader, user(1)));
    assert_eq!(named(&engine).tenants, [AWAY]);
}

#[test]
fn undenied_is_what_no_deny_takes_away_whatever_allows_it() {
    let engine = engine();
    let object = |key: &str| Target::new(HOME, Place::Object(BUCKET, key.into()));
    grant(&engine, member(HOME, 1, user(1)));
    let denies = [
        prefix("a/", Relation::DenyRead, user(1)),
        Tuple::new(object("b"), Relation::DenyAll, group(1)),
        // None of these takes reading from user 1: another's, another right's, one that is over, and no deny.
        prefix("c/", Relation::DenyRead, user(2)),
        prefix("d/", Relation::DenyWrite, user(1)),
        prefix("e/", Relation::DenyRead, user(1)).until(Timestamp::from_secs(10)),
        prefix("f/", Relation::Isolated, Grantee::ITSELF),
        // What allows does not give back.
        prefix("a/open/", Relation::Reader, user(1)),
    ];
    for tuple in denies {
        grant(&engine, tuple);
    }
    let page = |cursor: Option<&[u8]>, limit| {
        engine.lookup_undenied(who(user(1)), Permission::Read, HOME, BUCKET, cursor, limit, &at(10)).unwrap()
    };
    let expected = [("", Some("a/")), ("a0", Some("b")), ("b\0", None)];
    for settled in [false, true] {
        let whole = page(None, 100);
        let ranges = whole.ranges.iter().map(|range| (&range.start[..], range.end.as_deref()));
        assert!(ranges.eq(expected.map(|(start, end)| (start.as_bytes(), end.map(str::as_bytes)))), "{settled}");
        assert_eq!((whole.cursor, whole.revision), (None, engine.revision()));
        let (mut one_by_one, mut cursor) = (Vec::new(), None);
        loop {
            let next = page(cursor.as_deref(), 1);
            one_by_one.extend(next.ranges);
            match next.cursor {
                Some(after) => cursor = Some(after),
                None => break,
            }
        }
        assert_eq!(one_by_one, whole.ranges);
        engine.settle();
    }
    let nobody = engine.lookup_resources(who(user(1)), Permission::Read, HOME, BUCKET, None, 100, &at(10)).unwrap();
    assert!(nobody.ranges.is_empty(), "nothing is allowed by relations: {:?}", nobody.ranges);
}

#[test]
fn no_answer_looks_at_more_than_one_window() {
    let engine = engine();
    let denied: Vec<Change> = (0..20_000)
        .map(|i| Change::Touch(prefix(&format!("d/{i:05}/"), Relation::DenyList, Grantee::ANYONE)))
        .collect();
    for some in denied.chunks(panthera_authz::CHANGES) {
        write(&engine, some.to_vec()).unwrap();
    }
    grant(&engine, prefix("z/", Relation::Reader, user(1)));
    let open = || Visible::open(&engine, who(user(1)), Permission::Discover, HOME, BUCKET, b"", &at(1)).unwrap();
    let mut visible = open();
    assert_eq!(visible.windows(), 0, "nothing is compiled before it is asked");
    let (mut from, mut answers) = (Vec::new(), 0);
    loop {
        let before = visible.windows();
        let next = match visible.visible(&from) {
            Next::Skip { to } => to.to_vec(),
            Next::Allowed { until } => {
                assert_eq!((&from[..], until), (&b"z/"[..], Some(&b"z0"[..])));
                break;
            }
            Next::End => panic!("z/ is allowed"),
        };
        assert!(next > from && visible.windows() <= before + 1);
        (from, answers) = (next, answers + 1);
    }
    assert!(answers >= 19, "{answers}");
    let mut visible = open();
    assert_eq!(visible.is_empty_within(3), None);
    assert!(visible.windows() <= 4);
    assert_eq!(open().is_empty_within(100), Some(false));
    assert!(!open().is_empty() && open().may_contain(b"z") && !open().may_contain(b"d/"));
    // What is too much to search through is an empty page and no refusal: nothing is said that is not known.
    let far: Vec<Change> = (0..80_000)
        .map(|i| Change::Touch(prefix(&format!("e/{i:05}/"), Relation::DenyList, Grantee::ANYONE)))
        .collect();
    for some in far.chunks(panthera_authz::CHANGES) {
        write(&engine, some.to_vec()).unwrap();
    }
    let record = bucket();
    let context = context();
    let nobody = Subject::User { tenant: HOME, user: UserId(9), admin: false };
    let asked = question(&nobody, "s3:ListBucket", &record, None, &context);
    let Listing::Filtered(mut names) = Authorizer::with(engine.clone()).listing(&asked, b"") else {
        panic!("not found out")
    };
    assert!(names.is_empty());
    assert!(!Authorizer::with(engine.clone()).knows(&asked).allowed(), "what cannot be evaluated is a deny");
}

/// More places than a page of a listing looks at, all of them in the layer that was not merged yet, and enough keys that
/// the ranges of the whole bucket are computed; however many keys the caller's iterator promises.
#[test]
fn many_keys_of_a_subject_with_many_unmerged_grants_are_what_each_key_alone_is() {
    let engine = Engine::open(Arc::new(Memory::new()), Settings::default()).unwrap();
    let names: Vec<String> = (0..3000).map(|n| format!("{:02}/{n:04}", n % 50)).collect();
    let place = |name: &str| Target::new(HOME, Place::Object(BUCKET, name.into()));
    for some in names.chunks(2) {
        grant(&engine, Tuple::new(place(&some[0]), Relation::Reader, user(1)));
    }
    grant(&engine, prefix("08/", Relation::DenyRead, group(1)));
    grant(&engine, member(HOME, 1, user(1)));
    let allowed = |n: usize| n.is_multiple_of(2) && n % 50 != 8;
    let asked: Vec<usize> = (0..names.len() * 5).map(|n| n * 7 % names.len()).collect();
    let wanted: Vec<bool> = asked.iter().map(|&n| allowed(n)).collect();
    assert!(asked.iter().take(names.len()).all(|&n| reads(&engine, user(1), &names[n]) == allowed(n)));
    let keys = || asked.iter().map(|&n| names[n].as_bytes());
    let check = |keys: &mut dyn Iterator<Item = &[u8]>| {
        let mut out = Vec::new();
        engine.check_keys(who(user(1)), Permission::Read, HOME, BUCKET, keys, &at(1), &mut out).unwrap();
        out
    };
    assert_eq!(check(&mut keys()), wanted);
    assert_eq!(check(&mut keys().filter(|_| true)), wanted, "promises nothing");
    let mut sorted = asked.clone();
    sorted.sort_unstable_by_key(|&n| &names[n]);
    let wanted: Vec<bool> = sorted.iter().map(|&n| allowed(n)).collect();
    assert_eq!(check(&mut sorted.iter().map(|&n| names[n].as_bytes())), wanted);
}
