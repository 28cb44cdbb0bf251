"""Schemas through the Python face: relations and permissions of a tenant's own have names everywhere."""

import pytest

from authz.answers import Filter
from authz.directory import UnknownNameError
from authz.names import WordError
from authz.schema import SchemaError, default_source
from authz.schemas import OrphansError
from authz.vocabulary import BUILT_IN, vocabulary_of

AUDITED = """use default
definition place {
    relation auditor: user | group#member
    deny relation embargo: user | anyone
    permission read  = default.read + (auditor - (deny_read + deny_all + embargo))
    permission audit = auditor - embargo
}
"""


def test_what_is_in_force_at_first_is_built_in(people):
    found = people.relations.schemas.show()
    assert (found.tenant, found.built_in, found.source, found.revision) == ("default", True, default_source(), 0)
    assert "reader" in found.relations and found.permissions[0] == "read"
    assert vocabulary_of(people.engine, 1) is BUILT_IN


def test_own_relations_are_granted_checked_explained_listed_and_read_by_name(people):
    applied = people.relations.schemas.apply(AUDITED)
    assert (applied.added, applied.removed, applied.warnings) == (("auditor", "embargo"), (), ())
    people.relations.grant("user:alice", "auditor", "s3://photos/2024/")
    assert people.allowed("user:alice", "audit", "s3://photos/2024/a")
    assert people.allowed("user:alice", "s3:GetObject", "s3://photos/2024/a")
    assert not people.allowed("user:alice", "audit", "s3://photos/2025/a")
    why = people.relations.explain("user:alice", "audit", "s3://photos/2024/a")
    assert (why.permission, why.decided_by.relation) == ("audit", "auditor")
    assert people.relations.who_can("audit", "s3://photos/2024/a").subjects == ("user:alice",)
    assert [r.shown for r in people.relations.what_can("user:alice", "audit", "photos").ranges] == ["s3://photos/2024/"]
    assert people.relations.check_keys("user:alice", "audit", "photos", ["2024/x", "y"]).allowed == (True, False)
    page = people.relations.read(Filter(relation="auditor"))
    assert [(one.subject, one.relation) for one in page.relations] == [("user:alice", "auditor")]
    people.relations.grant("anyone", "embargo", "s3://photos/2024/secret/")
    assert not people.allowed("user:alice", "audit", "s3://photos/2024/secret/a")
    denied = people.relations.explain("user:alice", "audit", "s3://photos/2024/secret/a")
    assert (denied.reason, denied.decided_by.relation) == ("denied", "embargo")
    people.relations.revoke("user:alice", "auditor", "s3://photos/2024/")
    assert not people.allowed("user:alice", "audit", "s3://photos/2024/a")
    logged = people.relations.entries(people.engine.watch(0, 1).poll(100))
    assert [len(one.changes) for one in logged] == [0, 1, 1, 1], "the first is the schema"
    assert logged[-1].changes[0].relation.relation == "auditor"


def test_another_tenant_has_none_of_it(people):
    people.relations.schemas.apply(AUDITED)
    with pytest.raises(WordError, match="no relation is called 'auditor'"):
        people.relations.grant("user:carl", "auditor", "s3://vault/", tenant="acme")
    with pytest.raises(WordError, match="no action is called 'audit'"):
        people.relations.check("user:acme/carl", "audit", "s3://vault/a")
    inside = people.relations.seen_from(2)
    assert inside.schemas.show().built_in
    with pytest.raises(UnknownNameError):
        inside.schemas.show("default")
    with pytest.raises(UnknownNameError):
        inside.schemas.apply(AUDITED, "default")
    assert inside.schemas.apply(AUDITED).tenant == "acme"


def test_a_schema_without_a_place_for_relations_is_refused_with_them(people):
    people.relations.schemas.apply(AUDITED)
    people.relations.grant("user:alice", "auditor", "s3://photos/2024/")
    people.relations.grant("anyone", "reader", "s3://docs")
    with pytest.raises(OrphansError, match="user:alice auditor s3://photos/2024/") as caught:
        people.relations.schemas.apply("use default", dry_run=True)
    assert [(one.subject, one.relation, one.resource) for one in caught.value.relations] == [
        ("user:alice", "auditor", "s3://photos/2024/")
    ]
    private = AUDITED + "definition bucket { relation reader: user }"
    with pytest.raises(SchemaError):
        people.relations.schemas.apply(AUDITED + "nonsense")
    with pytest.raises(OrphansError) as caught:
        people.relations.schemas.apply(private)
    assert [one.relation for one in caught.value.relations] == ["reader"]
    # Allow becomes deny: the name gets another number, and what has the old one is in the way.
    turned = AUDITED.replace("relation auditor", "deny relation auditor").replace("(auditor - ", "(sharer - ")
    turned = turned.replace("= auditor - embargo", "= sharer - (embargo + auditor)")
    with pytest.raises(OrphansError, match="auditor"):
        people.relations.schemas.apply(turned)
    assert people.relations.schemas.show().source == AUDITED
    people.relations.revoke("user:alice", "auditor", "s3://photos/2024/")
    applied = people.relations.schemas.apply(turned)
    assert (applied.added, applied.removed) == ((), ())
    people.relations.grant("user:alice", "auditor", "s3://photos/")
    assert not people.allowed("user:alice", "audit", "s3://photos/a")


def test_a_dry_run_leaves_nothing(people):
    before = people.engine.revision()
    applied = people.relations.schemas.apply(AUDITED, dry_run=True)
    assert (applied.dry_run, applied.added) == (True, ("auditor", "embargo"))
    assert people.engine.revision() == before and people.relations.schemas.show().built_in


def test_bundles_are_there_while_their_relations_are(people):
    people.relations.schemas.apply(
        default_source()
        .replace("    relation lister:   public\n", "")
        .replace("    relation lister: public\n", "")
        .replace("    relation lister:     public\n", "")
        .replace("owner + admin + lister", "owner + admin")
        .replace(" + lister", "")
    )
    with pytest.raises(WordError, match="no relation is called 'viewer'"):
        people.relations.grant("user:alice", "viewer", "s3://photos")
    people.relations.grant("user:alice", "reader", "s3://photos")
    assert people.allowed("user:alice", "read", "s3://photos/a")
