"""`storage.verify` over rows of relations: golden bytes of the other reader, and each rule broken once."""

import struct
from pathlib import Path

import pytest
from checking import checked

from storage.verify import relation_rows
from storage.verify.rows import BadRow

# From authz/src/model/codec.rs: what one reader wrote is what the other reads.
GOLDEN = [
    ("720000000300014000000300000005", "0100"),
    ("72000000030100000009120000000000000000", "0100"),
    ("72000000030200000001104000000300000005", "0100"),
    ("72000000030300000002004000000300000005", "0100"),
    ("72000000030400000007000100021000000000000000", "0100"),
    ("720000000304000000076100ff2f0001000c6000000400000009", "01010100000000000000"),
    (
        "72000000030400000007612f000101034000000300000005",
        "01020f0204080a000000062020010db80000000000000000000000001fe001380484030000",
    ),
]
STATE, IDEMPOTENT = b"mauthz", b"l\x01" + (1).to_bytes(4, "big") + b"once"
USER = 0x40000001_00000001


def tenant_tuple(relation, grantee=USER, tenant=1):
    return b"r" + struct.pack(">IBBQ", tenant, 0, relation, grantee)


def bucket_tuple(bucket, relation=2, tenant=1):
    return b"r" + struct.pack(">IBI", tenant, 4, bucket) + b"\0\x01\0" + struct.pack(">BQ", relation, USER)


def state(revision, oldest=1):
    return b"\x01" + struct.pack("<QQ", revision, oldest) + bytes(48)


def entry_key(revision):
    return b"l\0" + revision.to_bytes(8, "big")


def entry(*changes, tenant=1):
    parts = b"".join(struct.pack("<H", len(part)) + part for change in changes for part in change)
    return b"\x01" + struct.pack("<QII", 7, tenant, len(changes)) + parts


PLAIN = b"\x01\x00"
SOUND = {
    STATE: state(3),
    entry_key(1): entry((tenant_tuple(1), PLAIN), (tenant_tuple(2), PLAIN)),
    entry_key(2): entry((tenant_tuple(2), b"")),
    entry_key(3): entry(),
    tenant_tuple(1): PLAIN,
    IDEMPOTENT: b"\x01" + struct.pack("<Q", 3) + bytes(32),
}


DEFAULT_SCHEMA = bytes.fromhex(
    "".join((Path(__file__).parents[1] / "vectors" / "schema" / "default.hex").read_text().split())
)
COMPILED, TEXT = b"S" + bytes([0, 0, 0, 1, 0]), b"S" + bytes([0, 0, 0, 1, 1])
SCHEMA = b"\x01" + struct.pack("<QB", 2, 0) + DEFAULT_SCHEMA
WITH_SCHEMA = SOUND | {
    entry_key(2): entry((COMPILED, SCHEMA), (tenant_tuple(2), b"")),
    COMPILED: SCHEMA,
    TEXT: b"\x01// text",
}


def test_golden_rows_are_read():
    for key, value in GOLDEN:
        assert relation_rows.read_tuple_key(bytes.fromhex(key)).tenant == 3
        relation_rows.check_tuple_value(bytes.fromhex(value))
    key, value = (bytes.fromhex(part) for part in GOLDEN[5])
    read = relation_rows.read_tuple_key(key)
    assert (read.number, read.path, read.is_object, read.relation) == (7, b"a\0/", False, 12)
    assert read.grantee == relation_rows.Grantee(6, 4, 9)


@pytest.mark.parametrize("which", range(len(GOLDEN)))
def test_no_row_is_read_that_ends_early_or_goes_on(which):
    key, value = (bytes.fromhex(part) for part in GOLDEN[which])
    for size in range(len(key)):
        with pytest.raises(BadRow):
            relation_rows.read_tuple_key(key[:size])
    for wrong in [value[:size] for size in range(len(value))] + [value + b"\0", b"\x02" + value[1:]]:
        with pytest.raises(BadRow):
            relation_rows.check_tuple_value(wrong)


def test_relations_that_agree_are_sound(tmp_path):
    report = checked(tmp_path, SOUND)
    assert (report.problems, report.notes, report.counts["relations"]) == ([], [], 1)


BROKEN = {
    "is missing, and there are relations": {STATE: None},
    "version 2 is not known": {STATE: b"\x02" + state(3)[1:]},
    "goes on after its end": {STATE: state(3) + b"\0"},
    "follows where revision 2 must be": {entry_key(2): None},
    "ends before revision 4": {STATE: state(4)},
    "follows where revision 4 must be": {entry_key(5): entry(), STATE: state(5)},
    "is not in the log": {tenant_tuple(3): PLAIN},
    "is missing, says the log": {tenant_tuple(1): None},
    "was removed, says the log": {tenant_tuple(2): PLAIN},
    "is not what the log says": {tenant_tuple(1): b"\x01\x01" + bytes([9] * 8)},
    "expires at 0": {tenant_tuple(1): b"\x01\x01" + bytes(8)},
    "changes a tuple that is not of tenant 2": {entry_key(2): entry((tenant_tuple(2), b""), tenant=2)},
    "names revision 4": {IDEMPOTENT: b"\x01" + struct.pack("<Q", 4) + bytes(32)},
    "neither a log entry nor an idempotency row": {b"l\x02": b"\x01"},
    "relation 30 is not known": {tenant_tuple(30): PLAIN},
    "relation 19, and the tenant has no schema": {tenant_tuple(19): PLAIN},
    "grantee kind 10 is not known": {tenant_tuple(1, 10 << 60): PLAIN},
}


@pytest.mark.parametrize("words", BROKEN)
def test_each_rule_broken_is_a_problem(tmp_path, words):
    report = checked(tmp_path, SOUND | BROKEN[words])
    assert words in "\n".join(map(str, report.problems))


SCHEMAS_BROKEN = {
    "is not what the log says": {COMPILED: SCHEMA[:-3] + b"\x11\0\0"},
    "is missing, says the log": {COMPILED: None, TEXT: None},
    "was removed, says the log": {entry_key(3): entry((COMPILED, b"")), STATE: state(3)},
    "a text or a compiled form, and not both": {TEXT: None},
    "is of revision 9": {COMPILED: b"\x01" + struct.pack("<QB", 9, 0) + DEFAULT_SCHEMA},
    "ends early": {COMPILED: SCHEMA[:-1]},
    "goes on after its end": {COMPILED: SCHEMA + b"\0"},
    "is not UTF-8": {TEXT: b"\x01\xff"},
    "is not a schema's row": {b"S" + bytes(4): b"\x01"},
    "version 2 of a compiled schema is not known": {COMPILED: SCHEMA[:10] + b"\x02" + SCHEMA[11:]},
    "a clause of permission read is not what it can be": {
        COMPILED: SCHEMA.replace(b"\x04read\x01\x07\0\0\0", b"\x04read\x01\0\0\0\0")
    },
    "has no place in the tenant's schema": {
        entry_key(3): entry((tenant_tuple(7), PLAIN)),
        tenant_tuple(7): PLAIN,
    },
}


def test_a_schema_that_agrees_is_sound(tmp_path):
    assert checked(tmp_path, WITH_SCHEMA).problems == []


@pytest.mark.parametrize("words", SCHEMAS_BROKEN)
def test_each_rule_of_schemas_broken_is_a_problem(tmp_path, words):
    report = checked(tmp_path, WITH_SCHEMA | SCHEMAS_BROKEN[words])
    assert words in "\n".join(map(str, report.problems))


def test_a_schema_that_was_removed_is_sound_and_one_without_its_tenant_is_a_note(tmp_path):
    gone = {entry_key(3): entry((COMPILED, b"")), STATE: state(3), COMPILED: None, TEXT: None}
    removed = checked(tmp_path / "removed", WITH_SCHEMA | gone)
    assert (removed.problems, removed.notes) == ([], [])
    left = {key[:4] + b"\x09" + key[5:]: value for key, value in WITH_SCHEMA.items() if key in (COMPILED, TEXT)}
    over = checked(tmp_path / "over", SOUND | left)
    assert [note.where for note in over.notes] == ["schema of tenant 9"]


def test_a_log_that_was_trimmed_says_nothing_of_what_is_older(tmp_path):
    rows = SOUND | {STATE: state(3, oldest=3), entry_key(1): None, entry_key(2): None, tenant_tuple(5): PLAIN}
    assert checked(tmp_path / "trimmed", rows).problems == []
    kept = checked(tmp_path / "kept", rows | {entry_key(1): entry()})
    assert "revision 1: follows where revision 3 must be" in str(kept.problems[0])
    assert checked(tmp_path / "empty", {STATE: state(3, oldest=4), tenant_tuple(5): PLAIN}).problems == []


def test_what_is_left_over_is_a_note(tmp_path):
    changes = [(bucket_tuple(9), PLAIN), (tenant_tuple(1, 0x40000001_00000063), PLAIN)]
    report = checked(tmp_path, {STATE: state(1), entry_key(1): entry(*changes), **dict(changes)})
    assert report.problems == []
    assert [note.where for note in report.notes] == ["relations of user 99 of tenant 1", "relations of bucket 9"]
