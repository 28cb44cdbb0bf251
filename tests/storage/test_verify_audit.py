"""`storage.verify` over the audit log: golden bytes of the other reader, and each rule broken once."""

import json
import struct
from pathlib import Path

import pytest
from checking import checked

from storage.verify import audit
from storage.verify.rows import BadRow

GOLDEN = json.loads((Path(__file__).parent.parent / "vectors" / "records" / "audit.json").read_text())
WITHOUT_CHANGES = [case for case in GOLDEN if not case["fields"]["changes"]]
TUPLE = bytes.fromhex("720000000100014000000100000005")
TALLY = b"maudit/1"


def key(tenant=1, moment=5, sequence=1):
    return b"j" + struct.pack(">IQQ", tenant, moment, sequence)


def section(tag, data):
    return bytes([tag]) + len(data).to_bytes(4, "little") + data


def entry(*, flags=0, kind=1, outcome=2, reserved=bytes(3), who=0, size=None, sections=None):
    tail = section(4, b"panthera:Grant") if sections is None else sections
    size = 21 + 36 + len(tail) if size is None else size
    return bytes([1, flags, kind, outcome, 0]) + reserved + struct.pack("<QQQI", size, who, 1, 0) + tail


def change(row, value):
    return section(7, b"".join(len(part).to_bytes(2, "little") + part for part in (row, value)))


def tally(*rows):
    return struct.pack("<qq", len(rows), sum(21 + len(value) for value in rows))


PLAIN = entry()
CHANGED = entry(sections=section(4, b"panthera:Revoke") + change(TUPLE, b""))
SOUND = {key(): PLAIN, key(sequence=2): CHANGED, TALLY: tally(PLAIN, CHANGED)}


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case["name"]) for case in GOLDEN if not case["fields"]["changes"]]
)
def test_golden_entries_are_read_and_cuts_are_refused(case):
    value = bytes.fromhex(case["hex"])
    audit.read_entry(value)
    for size in range(36):
        with pytest.raises(BadRow):
            audit.read_entry(value[:size])


def test_an_audit_log_that_agrees_is_sound(tmp_path):
    report = checked(tmp_path, SOUND)
    assert (report.problems, report.notes, report.counts["audit entries"]) == ([], [], 2)


def test_a_log_outlives_its_tenant_and_that_is_noted(tmp_path):
    rows = {key(tenant=9): PLAIN, b"maudit/9": tally(PLAIN)}
    report = checked(tmp_path, rows)
    assert report.problems == []
    assert "audit log of tenant 9" in str(report.notes[0])


def one(value, name=None):
    return {key() if name is None else name: value, TALLY: struct.pack("<qq", 1, 21 + len(value))}


BROKEN = {
    "is missing": {key(): PLAIN},
    "counts 2 entries": {key(): PLAIN, TALLY: tally(PLAIN), b"maudit/2": tally(PLAIN, PLAIN)},
    "is not a tenant's": {key(): PLAIN, TALLY: tally(PLAIN), b"maudit/01": tally()},
    "counts 3 entries": {key(): PLAIN, TALLY: struct.pack("<qq", 3, 21 + len(PLAIN))},
    "not an audit entry's key": one(PLAIN, key() + b"\0"),
    "version 2 is not known": one(b"\x02" + PLAIN[1:]),
    "flags 0x2 are not known": one(entry(flags=2)),
    "kind 5 is not known": one(entry(kind=5)),
    "outcome 3 is not known": one(entry(outcome=3)),
    "reserved bytes are not 0": one(entry(reserved=b"\0\0\x01")),
    "grantee kind 10 is not known": one(entry(who=10 << 60)),
    "says another size than it has": one(entry(size=7)),
    "says no action": one(entry(sections=b"")),
    "text is not UTF-8": one(entry(sections=section(4, b"\xff"))),
    "came from what is no address": one(entry(sections=section(3, b"12345") + section(4, b"x"))),
    "ends early": one(entry(sections=section(4, b"x") + section(7, b"\x05\0r"))),
    "relation 30 is not known": one(entry(sections=section(4, b"x") + change(TUPLE[:6] + b"\x1e" + TUPLE[7:], b""))),
}


@pytest.mark.parametrize("words", BROKEN)
def test_each_rule_broken_is_a_problem(tmp_path, words):
    report = checked(tmp_path, BROKEN[words])
    assert words in "\n".join(map(str, report.problems))
