//! The tables of access control lists, action by action.

use panthera_meta::records::{Grant, encode_acl};
use permission::{FULL_CONTROL, READ, READ_ACP, WRITE, WRITE_ACP};

use super::*;

const OWNER: UserId = UserId(1);
const WRITER: UserId = UserId(2);
const READER: UserId = UserId(3);
const STRANGER: UserId = UserId(4);
const PERMISSIONS: [u8; 4] = [READ, WRITE, READ_ACP, WRITE_ACP];
const OPEN: [Ownership; 2] = [Ownership::BucketOwnerPreferred, Ownership::ObjectWriter];

const BUCKET_ACTIONS: [(&str, u8); 7] = [
    ("s3:ListBucket", READ),
    ("s3:ListBucketVersions", READ),
    ("s3:ListBucketMultipartUploads", READ),
    ("s3:PutObject", WRITE),
    ("s3:DeleteObject", WRITE),
    ("s3:GetBucketAcl", READ_ACP),
    ("s3:PutBucketAcl", WRITE_ACP),
];
const OBJECT_ACTIONS: [(&str, u8); 10] = [
    ("s3:GetObject", READ),
    ("s3:GetObjectVersion", READ),
    ("s3:GetObjectAttributes", READ),
    ("s3:GetObjectVersionAttributes", READ),
    ("s3:GetObjectTorrent", READ),
    ("s3:GetObjectVersionTorrent", READ),
    ("s3:GetObjectAcl", READ_ACP),
    ("s3:GetObjectVersionAcl", READ_ACP),
    ("s3:PutObjectAcl", WRITE_ACP),
    ("s3:PutObjectVersionAcl", WRITE_ACP),
];

fn list(grants: &[(Grantee, u8)]) -> Vec<u8> {
    let grant = |&(grantee, permissions): &(Grantee, u8)| Grant { grantee, permissions };
    encode_acl(&grants.iter().map(grant).collect::<Vec<_>>())
}

fn user(user: UserId) -> Who {
    Who::User(user)
}

fn lists<'a>(bucket_acl: Option<&'a [u8]>, object: Object<'a>) -> Lists<'a> {
    let ownership = Ownership::ObjectWriter;
    Lists { ownership, bucket_owner: OWNER, bucket_acl, object, ignore_public: false }
}

#[test]
fn grants_are_for_whom_they_name() {
    let all = list(&[
        (Grantee::User(READER), READ_ACP),
        (Grantee::User(READER), WRITE_ACP),
        (Grantee::AuthenticatedUsers, WRITE),
        (Grantee::AllUsers, READ),
        (Grantee::LogDelivery, FULL_CONTROL),
    ]);
    assert_eq!(grants(&all, Who::Anonymous), READ);
    assert_eq!(grants(&all, user(STRANGER)), READ | WRITE);
    assert_eq!(grants(&all, user(READER)), FULL_CONTROL);
    assert_eq!(grants_to_users(&all, Who::Anonymous), 0);
    assert_eq!(grants_to_users(&all, user(STRANGER)), 0);
    assert_eq!(grants_to_users(&all, user(READER)), READ_ACP | WRITE_ACP);
    // User 0 is who does not sign, and never a user with a key.
    let unsigned = list(&[(Grantee::User(UserId(0)), READ)]);
    assert_eq!(grants(&unsigned, Who::Anonymous), READ);
    assert_eq!(grants(&unsigned, user(UserId(0))), 0);
}

#[test]
fn bytes_that_are_no_list_grant_nothing() {
    let good = list(&[(Grantee::AllUsers, FULL_CONTROL), (Grantee::User(READER), FULL_CONTROL)]);
    for end in 0..good.len() {
        assert_eq!(grants(&good[..end], user(READER)), 0, "{end}");
        assert!(!is_public(&good[..end]), "{end}");
    }
    for (place, byte) in [(0, 0), (0, 2), (1, 3), (3, 9), (8, 0), (8, 16), (14, 255)] {
        let mut bad = good.clone();
        bad[place] = byte;
        assert_eq!(grants(&bad, user(READER)), 0, "{place}");
        let broken = lists(Some(&bad), Object::Stored(WRITER, Some(&bad)));
        assert!(!allows("s3:ListBucket", user(OWNER), &broken));
        assert!(!allows("s3:GetObject", user(WRITER), &broken));
        assert!(allows("s3:PutObjectAcl", user(WRITER), &broken));
    }
}

#[test]
fn public_is_everybody_and_everybody_who_signs() {
    for (grantee, public) in [
        (Grantee::AllUsers, true),
        (Grantee::AuthenticatedUsers, true),
        (Grantee::LogDelivery, false),
        (Grantee::User(STRANGER), false),
    ] {
        let owner = (Grantee::User(OWNER), FULL_CONTROL);
        assert_eq!(is_public(&list(&[owner, (grantee, READ_ACP)])), public, "{grantee:?}");
    }
    assert!(!is_public(&list(&[])));
}

#[test]
fn each_action_needs_one_permission_of_one_list() {
    for given in PERMISSIONS {
        let acl = list(&[(Grantee::User(READER), given)]);
        for ownership in OPEN {
            let on = Lists { ownership, ..lists(Some(&acl), Object::Stored(WRITER, None)) };
            for (action, needs) in BUCKET_ACTIONS {
                assert_eq!(allows(action, user(READER), &on), given == needs, "{action} by {given}");
                assert!(!allows(action, user(STRANGER), &on), "{action}");
                assert!(!allows(action, Who::Anonymous, &on), "{action}");
            }
            let on = Lists { ownership, ..lists(None, Object::Stored(WRITER, Some(&acl))) };
            for (action, needs) in OBJECT_ACTIONS {
                assert_eq!(allows(action, user(READER), &on), given == needs, "{action} by {given}");
                assert!(!allows(action, user(STRANGER), &on), "{action}");
            }
        }
    }
    for action in ["s3:DeleteBucket", "s3:GetObjectTagging", "s3:PutBucketPolicy", "s3:CreateBucket", "s3:*", ""] {
        assert_eq!(needed(action), None, "{action}");
        let all = list(&[(Grantee::AllUsers, FULL_CONTROL)]);
        assert!(!allows(action, user(OWNER), &lists(Some(&all), Object::Stored(OWNER, Some(&all)))), "{action}");
    }
}

#[test]
fn versions_are_deleted_by_the_buckets_owner_only() {
    let acl = list(&[(Grantee::AllUsers, FULL_CONTROL)]);
    let on = lists(Some(&acl), Object::Stored(WRITER, None));
    assert!(allows("s3:DeleteObjectVersion", user(OWNER), &on));
    assert!(!allows("s3:DeleteObjectVersion", user(WRITER), &on));
    let read = list(&[(Grantee::User(OWNER), READ)]);
    assert!(!allows("s3:DeleteObjectVersion", user(OWNER), &lists(Some(&read), Object::None)));
}

#[test]
fn without_a_list_everything_is_the_owners() {
    let on = lists(None, Object::Stored(WRITER, None));
    for (action, _) in BUCKET_ACTIONS {
        assert!(allows(action, user(OWNER), &on), "{action}");
        assert!(!allows(action, user(WRITER), &on), "{action}");
    }
    for (action, _) in OBJECT_ACTIONS {
        assert!(allows(action, user(WRITER), &on), "{action}");
        assert!(!allows(action, user(OWNER), &on), "{action}: the bucket's owner is not the object's");
        assert!(!allows(action, Who::Anonymous, &on), "{action}");
    }
    let unsigned = lists(None, Object::Stored(UserId(0), None));
    assert!(allows("s3:GetObject", Who::Anonymous, &unsigned));
    assert!(!allows("s3:GetObject", user(OWNER), &unsigned));
    assert!(!allows("s3:GetObject", user(UserId(0)), &unsigned));
}

#[test]
fn an_owner_who_granted_himself_nothing_keeps_the_list() {
    let none = list(&[]);
    let on = lists(Some(&none), Object::Stored(WRITER, Some(&none)));
    let of_list = READ_ACP | WRITE_ACP;
    for (action, needs) in BUCKET_ACTIONS {
        assert_eq!(allows(action, user(OWNER), &on), needs & of_list != 0, "{action}");
    }
    for (action, needs) in OBJECT_ACTIONS {
        assert_eq!(allows(action, user(WRITER), &on), needs & of_list != 0, "{action}");
    }
}

#[test]
fn where_the_buckets_owner_owns_everything_lists_say_nothing() {
    let all = list(&[(Grantee::AllUsers, FULL_CONTROL)]);
    let on =
        Lists { ownership: Ownership::BucketOwnerEnforced, ..lists(Some(&all), Object::Stored(WRITER, Some(&all))) };
    for (action, _) in BUCKET_ACTIONS.into_iter().chain(OBJECT_ACTIONS) {
        for who in [user(OWNER), user(WRITER), Who::Anonymous] {
            assert!(!allows(action, who, &on), "{action}");
        }
    }
}

#[test]
fn a_public_access_block_takes_groups_away_and_users_not() {
    let acl = list(&[(Grantee::AllUsers, READ), (Grantee::AuthenticatedUsers, READ), (Grantee::User(READER), READ)]);
    let on = Lists { ignore_public: true, ..lists(Some(&acl), Object::Stored(WRITER, Some(&acl))) };
    for action in ["s3:ListBucket", "s3:GetObject"] {
        assert!(allows(action, user(READER), &on), "{action}");
        assert!(!allows(action, user(STRANGER), &on), "{action}");
        assert!(!allows(action, Who::Anonymous, &on), "{action}");
    }
}

#[test]
fn who_may_write_may_say_what_the_new_objects_list_is() {
    let acl = list(&[(Grantee::User(READER), WRITE)]);
    for (who, may) in [(READER, true), (STRANGER, false)] {
        let on = lists(Some(&acl), Object::New);
        assert_eq!(allows("s3:PutObject", user(who), &on), may);
        assert_eq!(allows("s3:PutObjectAcl", user(who), &on), may);
        assert!(!allows("s3:GetObject", user(who), &on));
        assert!(!allows("s3:PutObjectAcl", user(who), &lists(Some(&acl), Object::None)));
        assert!(!allows("s3:PutObjectAcl", user(who), &lists(Some(&acl), Object::Stored(WRITER, None))));
    }
}

#[test]
fn a_foreign_object_is_withheld_from_the_buckets_account() {
    for ownership in OPEN {
        for (action, _) in OBJECT_ACTIONS {
            assert!(withheld(action, ownership, true), "{action}");
            assert!(!withheld(action, ownership, false), "{action}");
            assert!(!withheld(action, Ownership::BucketOwnerEnforced, true), "{action}");
        }
        for (action, _) in BUCKET_ACTIONS {
            assert!(!withheld(action, ownership, true), "{action}");
        }
        assert!(!withheld("s3:DeleteObjectVersion", ownership, true));
    }
}
