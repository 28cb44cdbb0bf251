"""`storage.verify` over rows of identities: golden bytes of the other reader, and each rule broken once."""

import json
import pathlib

import pytest
from checking import checked

from storage.records import keys, pointer
from storage.records.identity import IdentityRecord, InlinePolicy
from storage.records.keys import AttachedAs, PrincipalOf
from storage.records.managed_policy import ManagedPolicyRecord
from storage.verify import identity_rows
from storage.verify.rows import BadRow

VECTORS = pathlib.Path(__file__).parents[1] / "vectors" / "records"
READERS = {"identity": identity_rows.read_identity, "managed_policy": identity_rows.check_managed_policy}
MARK = pointer.encode_mark()


def golden(kind):
    return [bytes.fromhex(case["hex"]) for case in json.loads((VECTORS / f"{kind}.json").read_text())]


def policy(name, tenant=1):
    return keys.managed_policy(tenant, name)


def attachment(name, as_what=AttachedAs.POLICY, of=PrincipalOf.USER, number=1, tenant=1):
    return keys.attachment(tenant, name, as_what, of, number)


ROOT = keys.identity(1, PrincipalOf.USER, 1)
MANAGED = ManagedPolicyRecord(1, 5, 5, b"{}", b"\x01")
SOUND = {
    policy(b"fence"): MANAGED.encode(),
    policy(b"read"): MANAGED.encode(),
    policy(b"unused"): MANAGED.encode(),
    attachment(b"read"): MARK,
    attachment(b"fence", AttachedAs.BOUNDARY): MARK,
    ROOT: IdentityRecord(5, ("read",), (InlinePolicy("own", b"{}", b"\x01"),), "fence", (("team", "red"),)).encode(),
}


@pytest.mark.parametrize("kind", READERS)
def test_golden_rows_are_read(kind):
    for data in golden(kind):
        READERS[kind](data)
    everything = identity_rows.read_identity(golden("identity")[1])
    assert (everything.attached[:2], everything.boundary) == ([b"a", b"read+write=,.@-_"], b"fence")


@pytest.mark.parametrize("kind", READERS)
def test_other_versions_flags_and_reserved_bytes_are_refused(kind):
    for data in golden(kind):
        for at, value in ((0, 2), (1, 1), (2, 1)):
            with pytest.raises(BadRow):
                READERS[kind](data[:at] + bytes([value]) + data[at + 1 :])
        with pytest.raises(BadRow):
            READERS[kind](data[:15])


def test_golden_keys_are_read():
    row = attachment(b"a\0b", AttachedAs.BOUNDARY, PrincipalOf.ROLE, 9, 7)
    owner = identity_rows.Owner(7, 7, 9)
    assert identity_rows.read_attachment_key(row) == identity_rows.Attachment(b"a\0b", 1, owner)
    assert identity_rows.read_identity_key(keys.identity(7, PrincipalOf.ROLE, 9)) == owner
    for end in range(len(row)):
        with pytest.raises(BadRow):
            identity_rows.read_attachment_key(row[:end])
    for wrong in (ROOT[:-1], ROOT + b"\0", ROOT[:5] + b"\x05" + ROOT[6:]):
        with pytest.raises(BadRow):
            identity_rows.read_identity_key(wrong)


def test_identities_that_agree_are_sound(tmp_path):
    report = checked(tmp_path, SOUND)
    assert (report.problems, report.notes, report.counts["policies"]) == ([], [], 3)


def section(tag, data):
    return IdentityRecord(5).encode() + bytes([tag]) + len(data).to_bytes(4, "little") + data


BROKEN = {
    "names policy 'read', which is missing": {policy(b"read"): None},
    "is an attachment of a policy that is missing": {policy(b"fence"): None},
    "is not listed at policy 'fence'": {attachment(b"fence", AttachedAs.BOUNDARY): None},
    "lists user 1 of tenant 1, whose identity does not name it": {ROOT: None},
    "lists group 4 of tenant 1": {attachment(b"unused", of=PrincipalOf.GROUP, number=4): MARK},
    "identity of user 9 of tenant 1: belongs to somebody": {
        keys.identity(1, PrincipalOf.USER, 9): IdentityRecord(5).encode()
    },
    "identity of group 9 of tenant 3: belongs to somebody": {
        keys.identity(3, PrincipalOf.GROUP, 9): IdentityRecord(5).encode()
    },
    "belongs to tenant 9": {policy(b"lost", 9): MANAGED.encode()},
    "is not a mark": {attachment(b"read"): b"\x02"},
    "kind 5 of a principal is not known": {ROOT[:5] + b"\x05" + ROOT[6:]: IdentityRecord(5).encode()},
    "names of policies are out of order": {ROOT: section(1, b"\x01b\x01a")},
    "ends inside an item": {ROOT: section(2, b"\x01b\xff\0\0\0")},
    "text is not UTF-8": {ROOT: section(4, b"\x01\0\xff\0\0")},
    "version 2 is not known": {policy(b"read"): b"\x02" + MANAGED.encode()[1:]},
    "has no document or no compiled form": {policy(b"read"): MANAGED.encode()[:24]},
    "was changed before it was made": {policy(b"read"): ManagedPolicyRecord(1, 6, 5, b"{}", b"\x01").encode()},
}


@pytest.mark.parametrize("words", BROKEN)
def test_each_rule_broken_is_a_problem(tmp_path, words):
    report = checked(tmp_path, SOUND | BROKEN[words])
    assert words in "\n".join(map(str, report.problems))
