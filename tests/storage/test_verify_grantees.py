"""`storage.verify` over lists of grants and the rows by which grantees are found: each rule broken once."""

import pytest
from checking import problems

from storage.records import keys
from storage.records.acl import Grant, Kind, Permission, encode_acl, full_control
from storage.records.bucket import BucketRecord, Ownership
from storage.records.pointer import encode_id
from storage.records.user import UserRecord

ANN_ID = b"\xcd" * 32
ANN = UserRecord(2, 1, 5, ANN_ID, "ann", email="Ann@example.com")
LIST = encode_acl((full_control(1), Grant(Kind.ALL_USERS, 0, Permission.READ), Grant(Kind.USER, 2, Permission.READ)))
BUCKET = BucketRecord(1, 1, 1, 5, ownership=Ownership.OBJECT_WRITER, acl=LIST, generation=1)
SOUND = {
    keys.NEXT_USER: (2).to_bytes(8, "little"),
    keys.user(2): ANN.encode(),
    keys.user_name(1, b"ann"): encode_id(2),
    keys.canonical_id(ANN_ID): encode_id(2),
    keys.email(b"ANN@example.com", 2): encode_id(2),
    keys.NEXT_BUCKET: (1).to_bytes(8, "little"),
    keys.bucket(b"photos"): BUCKET.encode(),
    keys.tenant_bucket(1, b"photos"): encode_id(1),
    keys.fence(1): BUCKET.fence(1).encode(),
}


def listed(acl):
    return {keys.bucket(b"photos"): BUCKET.replace(acl=acl).encode()}


def test_lists_and_grantees_that_agree_are_sound(tmp_path):
    assert problems(tmp_path, SOUND) == ""


BROKEN = {
    "leads to user 9, who has not this id": {keys.canonical_id(bytes(32)): encode_id(9)},
    "leads to user 2, who has not this id": {keys.canonical_id(bytes(32)): encode_id(2)},
    "is not found by its canonical id": {keys.canonical_id(ANN_ID): None},
    "leads to user 2, who has not this address": {keys.email(b"eve@example.com", 2): encode_id(2)},
    "leads to user 1, who has not this address": {keys.email(b"ann@example.com", 1): encode_id(1)},
    "is not found by its e-mail address": {keys.email(b"ann@example.com", 2): None},
    "the key has a number of another length": {keys.email(b"ann@example.com", 2) + b"\0": encode_id(2)},
    "is not 5 bytes long": {keys.canonical_id(ANN_ID): b"\x01"},
    "has a grant for user 9, who is missing": listed(encode_acl((full_control(9),))),
    "a list of grants is not as long as it says": listed(LIST + b"\0"),
    "grantee 4 is not known": listed(b"\x01\x01\x00\x04\x00\x00\x00\x00\x01"),
    "grantee 1 is not known": listed(b"\x01\x01\x00\x01\x01\x00\x00\x00\x01"),
    "permissions 16 are not known": listed(b"\x01\x01\x00\x00\x01\x00\x00\x00\x10"),
    "permissions 0 are not known": listed(b"\x01\x01\x00\x00\x01\x00\x00\x00\x00"),
    "object ownership is not known": {
        keys.bucket(b"photos"): BUCKET.replace(ownership=0, acl=None, others=((66, b"\x03"),)).encode()
    },
}


@pytest.mark.parametrize("words", BROKEN)
def test_each_rule_broken_is_a_problem(tmp_path, words):
    assert words in problems(tmp_path, SOUND | BROKEN[words])


def test_a_user_whose_removal_began_may_be_found_or_not(tmp_path):
    import dataclasses

    gone = dataclasses.replace(ANN, disabled=True).encode()
    rows = SOUND | {keys.user(2): gone, keys.email(b"ann@example.com", 2): None, keys.canonical_id(ANN_ID): None}
    assert problems(tmp_path / "one", rows) == ""
    assert problems(tmp_path / "other", SOUND | {keys.user(2): gone}) == ""
