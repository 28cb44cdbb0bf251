"""Defects that other systems and first designs had, where Python can show them; each test has its defect's name.

docs/reference/known-defects.md lists every one with its test, here or elsewhere; the last tests hold that list to
the code.
"""

import re
from pathlib import Path

import oracle as o
import pytest
from test_oracle import bits

from authz.model import PERMISSIONS, RELATIONS
from storage.native import Relations as Engine

ROOT = Path(__file__).resolve().parents[2]
LISTED = ROOT / "docs" / "reference" / "known-defects.md"
READ = PERMISSIONS.index("read")
HOME, AWAY, BUCKET = 1, 2, 10
NOW: o.Moment = (1_000_000, None, None, None)
ALICE, TEAM = (o.USER, HOME, 1), (o.GROUP, HOME, 7)
OFFICE: o.Condition = ((("10.0.0.0", 8),), None, False, None)


@pytest.fixture
def engine():
    return Engine.in_memory()


def grant(engine, who, place, relation="reader", expires=None, condition=None):
    engine.write(HOME, [("touch", place, RELATIONS.index(relation), bits(who), expires, condition)])


def revoke(engine, who, place, relation="reader"):
    engine.write(HOME, [("delete", place, RELATIONS.index(relation), bits(who), None, None)])


def prefix(path):
    return (o.AT_PREFIX, BUCKET, path)


def reads(engine, who, keys, moment=NOW):
    """Of each key, asked at once; each alone must answer the same."""
    bulk = [bool(v) for v in engine.check_keys((bits(who), False), READ, (HOME, BUCKET), keys, moment)[1]]
    places = [(o.AT_OBJECT, BUCKET, key) for key in keys]
    assert bulk == [engine.answer((bits(who), False), READ, HOME, place, moment)[0] for place in places]
    return bulk


def test_spicedb_cve_2025_49011_a_missing_fact_is_said_to_be_missing(engine):
    grant(engine, ALICE, (o.AT_GROUP, 7, b""), "member", condition=OFFICE)
    grant(engine, TEAM, prefix(b"a/"))
    place = (o.AT_OBJECT, BUCKET, b"a/k")
    allowed, denied, *_, conditional = engine.answer((bits(ALICE), False), READ, HOME, place, NOW)
    assert (allowed, denied, conditional) == (False, False, True)


def test_openfga_cve_2026_34972_the_same_question_with_other_facts_is_another_question(engine):
    grant(engine, ALICE, prefix(b"a/"), condition=OFFICE)
    answers = [reads(engine, ALICE, [b"a/k", b"a/k"], (1, ip, None, None)) for ip in ("10.0.0.1", "11.0.0.1", None)]
    assert answers == [[True, True], [False, False], [False, False]]


def test_seeds_bulk_grants_to_groups_and_on_ancestors_are_seen(engine):
    grant(engine, ALICE, (o.AT_GROUP, 7, b""), "member")
    grant(engine, TEAM, prefix(b"a/"))
    grant(engine, TEAM, prefix(b"a/b/c/"), "deny_read")
    assert reads(engine, ALICE, [b"a/b/k", b"a/b/c/k", b"a/b/c/d/k", b"b/k"]) == [True, False, False, False]


def test_seeds_tiger_a_denied_question_leaves_nothing_behind(engine):
    assert reads(engine, ALICE, [b"a/k", b"b/k"]) == [False, False]
    grant(engine, ALICE, prefix(b"a/"))
    assert reads(engine, ALICE, [b"a/k", b"b/k"]) == [True, False]


def test_seeds_tiger_other_grants_do_not_lengthen_an_expiry(engine):
    grant(engine, ALICE, prefix(b"a/"), expires=2_000_000)
    for n in range(20):
        grant(engine, ALICE, prefix(b"%d/" % n))
        assert reads(engine, ALICE, [b"a/k"], (1_999_999, None, None, None)) == [True]
        assert reads(engine, ALICE, [b"a/k"], (2_000_000, None, None, None)) == [False]


def test_seeds_key_a_verdict_is_of_its_subject_permission_and_place_only(engine):
    grant(engine, ALICE, prefix(b"a/"))
    bob, place = (o.USER, HOME, 2), (o.AT_OBJECT, BUCKET, b"a/k")
    for _ in range(3):
        assert reads(engine, ALICE, [b"a/k"]) == [True] and reads(engine, bob, [b"a/k"]) == [False]
        writes = engine.answer((bits(ALICE), False), PERMISSIONS.index("write"), HOME, place, NOW)
        assert not writes[0]


def test_seeds_cross_tenant_a_grant_to_a_stranger_expires_and_is_revoked_at_once(engine):
    stranger = (o.USER, AWAY, 1)
    grant(engine, stranger, prefix(b"a/"), expires=2_000_000)
    assert reads(engine, stranger, [b"a/k"]) == [True]
    assert reads(engine, stranger, [b"a/k"], (2_000_000, None, None, None)) == [False]
    revoke(engine, stranger, prefix(b"a/"))
    assert reads(engine, stranger, [b"a/k"]) == [False]
    grant(engine, stranger, prefix(b"a/"))
    assert reads(engine, stranger, [b"a/k"]) == [True]


def listed() -> list[tuple[str, str, str]]:
    """Rows of the document: defect, file, test."""
    rows = re.findall(r"^\| (?!defect|---)(.+?) \| (.+) \|$", LISTED.read_text("utf-8"), re.MULTILINE)
    return [(defect, *name.split("::")) for defect, tests in rows for name in re.findall(r"`([^`]+::[^`]+)`", tests)]


def test_every_listed_test_exists():
    assert len(listed()) >= 40
    for defect, file, name in listed():
        text = (ROOT / file).read_text("utf-8")
        found = re.search(rf"^\s*(?:async )?(?:fn|def) {re.escape(name)}\b", text, re.MULTILINE)
        assert found, f"{defect}: {file} has no test {name}"


def test_every_row_has_a_test_and_every_test_of_defects_has_a_row():
    rows = [line for line in LISTED.read_text("utf-8").splitlines() if line.startswith("| ")]
    bare = [row for row in rows if "::" not in row and not row.startswith(("| defect |", "| --- |"))]
    assert bare == []
    named = {name for _, _, name in listed()}
    mine = re.findall(
        r"^def (test_(?:spicedb|openfga|seeds|nexus)\w+)", Path(__file__).read_text("utf-8"), re.MULTILINE
    )
    rust = (ROOT / "rust/crates/authz/tests/live/defects.rs").read_text("utf-8")
    theirs = re.findall(r"^fn ((?:spicedb|openfga|seeds|nexus)_\w+)\(", rust, re.MULTILINE)
    assert mine and theirs and set(mine) | set(theirs) <= named
