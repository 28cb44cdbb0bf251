//! Known defects of the obvious designs (rebac.md 4.1, 4.2, 4.4), each with a test of its name.

use panthera_authz::{
    Change, Condition, Engine, Facts, GROUPS_PER_SUBJECT, Grantee, Moment, Network, Permission, Place, Relation, Spot,
    Target, Tuple, Visible,
};
use panthera_base::{BucketId, Timestamp, UserId};

use crate::{AWAY, BUCKET, HOME, at, engine, grant, group, member, prefix, reads, reads_at, revoke, user, who, write};

#[test]
fn openfga_2491_a_user_in_more_than_a_hundred_groups_is_in_all_of_them() {
    let engine = engine();
    for n in 1..=150 {
        grant(&engine, member(HOME, n, user(1)));
        grant(&engine, prefix(&format!("{n}/"), Relation::Reader, group(n)));
    }
    assert!((1..=150).all(|n| reads(&engine, user(1), &format!("{n}/k"))));
}

#[test]
fn openfga_cve_2025_46331_an_answer_cut_by_a_cycle_is_not_kept() {
    let engine = engine();
    grant(&engine, member(HOME, 1, group(2)));
    grant(&engine, member(HOME, 2, group(3)));
    grant(&engine, member(HOME, 3, group(1)));
    grant(&engine, member(HOME, 2, user(1)));
    for n in 1..=3 {
        grant(&engine, prefix(&format!("{n}/"), Relation::Reader, group(n)));
    }
    assert!((1..=3).all(|n| reads(&engine, user(1), &format!("{n}/k"))));
    revoke(&engine, member(HOME, 2, group(3)).key);
    let now: Vec<bool> = (1..=3).map(|n| reads(&engine, user(1), &format!("{n}/k"))).collect();
    assert_eq!(now, [true, true, true]);
    revoke(&engine, member(HOME, 1, group(2)).key);
    let now: Vec<bool> = (1..=3).map(|n| reads(&engine, user(1), &format!("{n}/k"))).collect();
    assert_eq!(now, [false, true, false]);
}

#[test]
fn seeds_leopard_removing_a_group_from_a_group_reaches_all_its_members() {
    let engine = engine();
    grant(&engine, member(HOME, 1, group(2)));
    grant(&engine, member(HOME, 2, group(3)));
    for u in 1..=20 {
        grant(&engine, member(HOME, 3, user(u)));
    }
    grant(&engine, prefix("a/", Relation::Reader, group(1)));
    assert!((1..=20).all(|u| reads(&engine, user(u), "a/k")));
    revoke(&engine, member(HOME, 1, group(2)).key);
    assert!((1..=20).all(|u| !reads(&engine, user(u), "a/k")));
}

#[test]
fn a_removed_edge_keeps_what_another_path_supports() {
    let engine = engine();
    for (parent, child) in [(1, 2), (1, 3), (2, 4), (3, 4)] {
        grant(&engine, member(HOME, parent, group(child)));
    }
    grant(&engine, member(HOME, 4, user(1)));
    grant(&engine, prefix("a/", Relation::Reader, group(1)));
    revoke(&engine, member(HOME, 1, group(2)).key);
    assert!(reads(&engine, user(1), "a/k"));
    revoke(&engine, member(HOME, 3, group(4)).key);
    assert!(!reads(&engine, user(1), "a/k"));
}

#[test]
fn seeds_tiger_one_allowed_object_says_nothing_about_the_others() {
    let engine = engine();
    let object =
        |key: &str| Tuple::new(Target::new(HOME, Place::Object(BUCKET, key.into())), Relation::Reader, user(1));
    grant(&engine, object("one"));
    assert!(reads(&engine, user(1), "one") && !reads(&engine, user(1), "two"));
    grant(&engine, object("two"));
    assert!(reads(&engine, user(1), "one") && reads(&engine, user(1), "two"));
}

#[test]
fn nexus_4739_a_denial_is_not_remembered_past_the_grant_nor_a_grant_past_the_revoke() {
    let engine = engine();
    let tuple = prefix("a/", Relation::Reader, user(1));
    for _ in 0..10 {
        assert!(!reads(&engine, user(1), "a/k"));
        grant(&engine, tuple.clone());
        assert!(reads(&engine, user(1), "a/k"));
        revoke(&engine, tuple.key.clone());
    }
}

#[test]
fn seeds_tenantless_index_the_same_names_of_two_tenants_are_strangers() {
    let engine = engine();
    let theirs = Grantee::user(AWAY, UserId(1)).unwrap();
    grant(&engine, member(AWAY, 1, theirs));
    grant(&engine, member(HOME, 1, user(1)));
    grant(&engine, prefix("a/", Relation::Reader, group(1)));
    assert!(reads(&engine, user(1), "a/k") && !reads(&engine, theirs, "a/k"));
    // The same bucket number under another tenant is another bucket.
    let spot = Spot::Object(BUCKET, b"a/k");
    assert!(!engine.check(who(user(1)), Permission::Read, AWAY, spot, &at(1)).unwrap().allowed);
}

#[test]
fn foreign_groups_count_only_while_exported_but_their_denies_stay() {
    let engine = engine();
    let theirs = Grantee::user(AWAY, UserId(1)).unwrap();
    let team = Grantee::group(AWAY, 1).unwrap();
    let exported = Tuple::new(Target::new(AWAY, Place::Group(1)), Relation::Exported, Grantee::ITSELF);
    grant(&engine, member(AWAY, 1, theirs));
    grant(&engine, exported.clone());
    grant(&engine, prefix("a/", Relation::Reader, team));
    grant(&engine, prefix("b/", Relation::DenyRead, team));
    grant(&engine, prefix("b/", Relation::Reader, theirs));
    assert!(reads(&engine, theirs, "a/k") && !reads(&engine, theirs, "b/k"));
    revoke(&engine, exported.key);
    assert!(!reads(&engine, theirs, "a/k"), "no longer exported");
    assert!(!reads(&engine, theirs, "b/k"), "a deny does not vanish when its group is hidden");
}

#[test]
fn hiding_or_closing_a_group_opens_nothing_by_any_question() {
    let flag = |tenant, id, relation| Tuple::new(Target::new(tenant, Place::Group(id)), relation, Grantee::ITSELF);
    let (open, exported) = (flag(HOME, 7, Relation::Open), flag(AWAY, 1, Relation::Exported));
    let theirs = Grantee::user(AWAY, UserId(1)).unwrap();
    let team = Grantee::group(AWAY, 1).unwrap();
    // Directly in an open group of ours, and through a group of theirs.
    for (member_of_ours, hides) in [(theirs, [&open.key, &open.key]), (team, [&open.key, &exported.key])] {
        for hidden in hides {
            let engine = engine();
            for tuple in [&open, &exported, &member(AWAY, 1, theirs), &member(HOME, 7, member_of_ours)] {
                grant(&engine, tuple.clone());
            }
            grant(&engine, prefix("a/", Relation::Reader, group(7)));
            let bucket = Target::new(HOME, Place::Bucket(BUCKET));
            grant(&engine, Tuple::new(bucket, Relation::Reader, theirs));
            grant(&engine, prefix("b/", Relation::DenyRead, group(7)));
            grant(&engine, prefix("c/", Relation::Isolated, Grantee::ITSELF));
            grant(&engine, prefix("c/", Relation::Reader, group(7)));
            // Who is in another tenant's group is not ours to tell.
            let told = member_of_ours == theirs;
            assert_eq!(readable(&engine, theirs, told), [true, true, false]);
            revoke(&engine, hidden.clone());
            assert_eq!(readable(&engine, theirs, told), [true, false, false], "without {hidden:?}");
        }
    }
}

/// Both were wrong until the worlds of the differential tests grew dense enough to show it.
#[test]
fn who_may_read_is_the_check_of_each_below_a_flag_and_for_a_share() {
    let engine = engine();
    let (share, all) = (Grantee::share(HOME, 1).unwrap(), Grantee::tenant_member(HOME).unwrap());
    let spot = Spot::Object(BUCKET, b"a/k");
    let lookup = || engine.lookup_subjects(Permission::Read, HOME, spot, None, 100, &at(1)).unwrap();
    grant(&engine, Tuple::new(Target::new(HOME, Place::Tenant), Relation::Owner, user(1)));
    grant(&engine, prefix("a/", Relation::DenyRead, all));
    grant(&engine, prefix("a/", Relation::Isolated, Grantee::ITSELF));
    assert!(
        !reads(&engine, user(1), "a/k") && !lookup().subjects.contains(&user(1)),
        "members of a tenant are looked at"
    );
    grant(&engine, prefix("a/", Relation::Reader, Grantee::ANYONE));
    grant(&engine, prefix("a/", Relation::Writer, share));
    assert!(!reads(&engine, share, "a/k") && !lookup().subjects.contains(&share), "a share has not what everybody has");
}

/// Whether a subject reads `a/k`, `c/k` and `b/k`: one answer of every kind of question.
fn readable(engine: &Engine, subject: Grantee, told: bool) -> [bool; 3] {
    let keys: [&[u8]; 3] = [b"a/k", b"c/k", b"b/k"];
    let (principal, moment) = (who(subject), at(1));
    let mut bulk = Vec::new();
    engine.check_keys(principal, Permission::Read, HOME, BUCKET, keys, &moment, &mut bulk).unwrap();
    let page = engine.lookup_resources(principal, Permission::Read, HOME, BUCKET, None, 100, &moment).unwrap();
    let mut visible = Visible::open(engine, principal, Permission::Read, HOME, BUCKET, b"", &moment).unwrap();
    std::array::from_fn(|i| {
        let (key, spot) = (keys[i], Spot::Object(BUCKET, keys[i]));
        let why = engine.explain(principal, Permission::Read, HOME, spot, &moment).unwrap();
        let denied = why.deciding.is_some_and(|d| d.relation == Relation::DenyRead);
        let subjects = engine.lookup_subjects(Permission::Read, HOME, spot, None, 100, &moment).unwrap().subjects;
        let listed = page.ranges.iter().any(|r| *r.start <= *key && r.end.as_ref().is_none_or(|end| key < &**end));
        let all = [
            reads(engine, subject, std::str::from_utf8(key).unwrap()),
            bulk[i],
            listed,
            visible.contains(key),
            why.answer.allowed,
            if told { subjects.contains(&subject) } else { why.answer.allowed },
        ];
        assert!(all.iter().all(|one| *one == all[0]), "{key:?}: {all:?}");
        assert_eq!(denied, key.starts_with(b"b/"), "explained by another tuple");
        all[0]
    })
}

#[test]
fn spicedb_3136_a_wildcard_does_not_reach_who_is_denied_nor_who_did_not_sign() {
    let engine = engine();
    grant(&engine, prefix("a/", Relation::Reader, Grantee::AUTHENTICATED));
    grant(&engine, prefix("a/", Relation::DenyRead, group(1)));
    grant(&engine, member(HOME, 1, user(1)));
    assert!(
        reads(&engine, user(2), "a/k") && !reads(&engine, user(1), "a/k") && !reads(&engine, Grantee::ANYONE, "a/k")
    );
    grant(&engine, prefix("b/", Relation::Reader, Grantee::tenant_member(HOME).unwrap()));
    let theirs = Grantee::user(AWAY, UserId(1)).unwrap();
    assert!(reads(&engine, user(1), "b/k") && !reads(&engine, theirs, "b/k"));
}

#[test]
fn openfga_cve_2026_33729_a_conditional_answer_is_not_kept_for_another_request() {
    let engine = engine();
    let office =
        Condition { networks: vec![Network { address: [10, 0, 0, 0].into(), bits: 8 }], ..Condition::default() };
    grant(&engine, member(HOME, 1, user(1)).when(office));
    grant(&engine, prefix("a/", Relation::Reader, group(1)));
    let from = |ip: Option<[u8; 4]>| Moment {
        now: Timestamp(1),
        facts: Facts { source_ip: ip.map(Into::into), ..Facts::default() },
    };
    for _ in 0..3 {
        assert!(reads_at(&engine, user(1), "a/k", &from(Some([10, 1, 1, 1]))));
        assert!(!reads_at(&engine, user(1), "a/k", &from(Some([11, 1, 1, 1]))));
        assert!(!reads_at(&engine, user(1), "a/k", &from(None)), "a missing fact is not a true one");
    }
}

#[test]
fn a_membership_that_cannot_be_judged_counts_for_denies() {
    let engine = engine();
    let tls = Condition { tls: true, ..Condition::default() };
    grant(&engine, member(HOME, 1, user(1)).when(tls));
    grant(&engine, prefix("a/", Relation::Reader, user(1)));
    grant(&engine, prefix("a/", Relation::DenyRead, group(1)));
    let known = |tls| Moment { now: Timestamp(1), facts: Facts { tls, ..Facts::default() } };
    assert!(reads_at(&engine, user(1), "a/k", &known(Some(false))));
    assert!(!reads_at(&engine, user(1), "a/k", &known(Some(true))));
    assert!(!reads_at(&engine, user(1), "a/k", &known(None)));
}

#[test]
fn spicedb_expiry_a_kept_group_set_does_not_outlive_its_first_expiry() {
    let engine = engine();
    grant(&engine, member(HOME, 1, user(1)).until(Timestamp::from_secs(100)));
    grant(&engine, prefix("a/", Relation::Reader, group(1)));
    assert!(reads_at(&engine, user(1), "a/k", &at(99)));
    assert!(!reads_at(&engine, user(1), "a/k", &at(100)));
    assert!(reads_at(&engine, user(1), "a/k", &at(99)), "an earlier moment has its own answer");
    let answer = engine.check(who(user(1)), Permission::Read, HOME, Spot::Object(BUCKET, b"a/k"), &at(99)).unwrap();
    assert_eq!(answer.valid_until, 100_000_000);
}

#[test]
fn nexus_3733_a_sibling_gains_nothing_and_a_prefix_ends_at_its_slash() {
    let engine = engine();
    grant(&engine, prefix("logs/", Relation::Reader, user(1)));
    let seen: Vec<bool> =
        ["logs/a", "logs/", "logs/a/b", "logs", "logs-private/a", "log/a", "Logs/a", "/logs/a", "logs//../x"]
            .map(|key| reads(&engine, user(1), key))
            .to_vec();
    assert_eq!(seen, [true, true, true, false, false, false, false, false, true]);
}

#[test]
fn openfga_3148_names_with_separators_do_not_run_together() {
    let engine = engine();
    for (i, key) in ["a:b", "a", "b", "a#b@c", "*", "a/\0", "a\u{e9}", "ae\u{301}"].iter().enumerate() {
        let target = Target::new(HOME, Place::Object(BUCKET, key.as_bytes().to_vec()));
        grant(&engine, Tuple::new(target, Relation::Reader, user(i as u32)));
        for other in ["a:b", "a", "b", "a#b@c", "*", "a/\0", "a\u{e9}", "ae\u{301}", "A", "a/"] {
            assert_eq!(reads(&engine, user(i as u32), other), other == *key, "{key:?} {other:?}");
        }
    }
}

#[test]
fn isolated_stops_allows_but_not_denies_nor_the_tenants_admin() {
    let engine = engine();
    let bucket = |relation, grantee| Tuple::new(Target::new(HOME, Place::Bucket(BUCKET)), relation, grantee);
    grant(&engine, bucket(Relation::Reader, user(1)));
    grant(&engine, bucket(Relation::Owner, user(2)));
    grant(&engine, bucket(Relation::Admin, user(3)));
    grant(&engine, Tuple::new(Target::new(HOME, Place::Tenant), Relation::Admin, user(4)));
    grant(&engine, bucket(Relation::DenyRead, user(5)));
    grant(&engine, prefix("in/", Relation::Isolated, Grantee::ITSELF));
    grant(&engine, prefix("in/", Relation::Reader, user(5)));
    grant(&engine, prefix("in/", Relation::Reader, user(6)));
    let seen: Vec<bool> = (1..=6).map(|u| reads(&engine, user(u), "in/k")).collect();
    assert_eq!(seen, [false, true, false, true, false, true]);
    assert!(reads(&engine, user(1), "out/k"));
}

#[test]
fn a_limit_is_an_error_and_never_an_answer() {
    let engine = engine();
    let limit = GROUPS_PER_SUBJECT as u32;
    for n in 0..limit {
        write(&engine, vec![Change::Touch(member(HOME, n, user(1)))]).unwrap();
    }
    grant(&engine, prefix("a/", Relation::Reader, user(1)));
    assert!(reads(&engine, user(1), "a/k"), "at the limit");
    grant(&engine, member(HOME, limit, user(1)));
    let spot = Spot::Object(BUCKET, b"a/k");
    assert!(engine.check(who(user(1)), Permission::Read, HOME, spot, &at(1)).is_err(), "above it");
}

#[test]
fn a_world_nobody_wrote_about_denies_and_leaves_no_trace() {
    let engine = engine();
    for n in 0..1000 {
        let spot = Spot::Object(BucketId(n), b"a/k");
        assert!(!engine.check(who(user(n)), Permission::Read, HOME, spot, &at(1)).unwrap().allowed);
    }
    assert_eq!(engine.sizes(), panthera_authz::Sizes::default());
}
