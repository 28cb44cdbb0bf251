"""Identity policies: rules, limits at n and n+1, races, and removals that leave nothing behind."""

import dataclasses
import json
from collections.abc import Callable

import pytest
from world import World

from authz.directory import UnknownNameError
from authz.policy import (
    COMPILER_VERSION,
    IDENTITY_POLICY_CHARS,
    TRUST_POLICY_CHARS,
    compile_identity_policy,
    parse_identity_policy,
)
from gateway import limits
from gateway.accounts.identity import Identities, Who, recompile_identities
from gateway.errors import AccountError
from storage.records import keys
from storage.records.identity import IdentityRecord, InlinePolicy
from storage.records.keys import AttachedAs, PrincipalOf
from storage.records.managed_policy import ManagedPolicyRecord

READ = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}'
WRITE = READ.replace("GetObject", "PutObject")
TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":'
    '{"AWS":"arn:aws:iam::000000000001:user/alice"}}]}'
)
ALICE, RED, AUDIT = Who("user", "alice"), Who("group", "red"), Who("role", "audit")
ANYBODY = pytest.mark.parametrize("who", [ALICE, RED, AUDIT], ids=lambda who: who.word)


@pytest.fixture
def people(world: World) -> World:
    world.accounts.add_user("default", "alice")
    world.groups.add("red")
    world.roles.add("audit")
    return world


def refused(kind: str, act: Callable[..., object], *words: object, **more: object) -> str:
    with pytest.raises(AccountError) as caught:
        act(*words, **more)
    assert caught.value.kind == kind
    return caught.value.message


def missing(act: Callable[..., object], *words: object, **more: object) -> str:
    with pytest.raises(UnknownNameError) as caught:
        act(*words, **more)
    return str(caught.value)


def sized(chars: int) -> str:
    """A policy of exactly so many counted characters, and white space beside them."""
    empty = READ.replace("b/*", "b/")
    return empty.replace("b/", "b/" + "x" * (chars - len(empty))).replace(",", " , \n")


def rows(world: World, kind: bytes) -> list[bytes]:
    return [row for row, _ in world.store.scan(*keys.kind_range(kind), 10_000)]


def record(world: World, of: PrincipalOf = PrincipalOf.USER, number: int = 2) -> IdentityRecord:
    return IdentityRecord.decode(world.store.get(keys.identity(1, of, number)))


def test_a_managed_policy_is_given_back_byte_for_byte_and_counts_its_documents(people: World) -> None:
    spaced = " " + READ
    refused("invalid", people.identities.add_policy, "read", spaced)
    spaced = READ.replace(":", " : ")
    spaced = spaced.replace("s3 : GetObject", "s3:GetObject").replace("arn : aws : s3 :  :  : ", "arn:aws:s3:::")
    made = people.identities.add_policy("read", spaced, description="für alle")
    assert made == {
        "name": "read",
        "tenant": "default",
        "arn": "arn:aws:iam::000000000001:policy/read",
        "description": "für alle",
        "number": 1,
        "created": "2025-11-21T04:40:00Z",
        "changed": "2025-11-21T04:40:00Z",
        "attached": [],
        "bounds": [],
    }
    assert people.identities.policy("read") == made | {"document": spaced}
    people.now_us += 60_000_000
    changed = people.identities.change_policy("read", WRITE)
    assert (changed["number"], changed["created"], changed["changed"]) == (2, made["created"], "2025-11-21T04:41:00Z")
    stored = ManagedPolicyRecord.decode(people.store.get(keys.managed_policy(1, b"read")))
    assert stored.document.decode() == WRITE
    assert stored.compiled == compile_identity_policy(parse_identity_policy(WRITE.encode()))
    assert [shown["name"] for shown in people.identities.policies()] == ["read"]
    people.identities.remove_policy("read")
    assert people.identities.policies() == []
    missing(people.identities.policy, "read")
    missing(people.identities.remove_policy, "read")
    missing(people.identities.change_policy, "read", READ)


@pytest.mark.parametrize(
    "document",
    ["", "[]", "{", "{}", READ.replace("Allow", "Maybe"), READ.replace('"Action"', '"Principal":"*","Action"')],
)
def test_what_is_no_policy_is_refused_with_amazons_words(people: World, document: str) -> None:
    assert "the policy is refused: " in refused("invalid", people.identities.add_policy, "p", document)
    assert "the policy is refused: " in refused("invalid", people.identities.put_inline, ALICE, "p", document)
    people.identities.add_policy("good", READ)
    refused("invalid", people.identities.change_policy, "good", document)
    assert people.identities.policy("good")["document"] == READ


def test_names_of_policies_are_amazons(people: World) -> None:
    for good in ("a", "Az09_+=,.@-", "n" * limits.POLICY_NAME_CHARS):
        people.identities.add_policy(good, READ)
        people.identities.put_inline(ALICE, good, READ)
        people.identities.remove_inline(ALICE, good)
        people.identities.attach(ALICE, good)
    for bad in ("", "a b", "a/b", "ä", "a\n", "a:b", "n" * (limits.POLICY_NAME_CHARS + 1)):
        assert "cannot be the name of a policy" in refused("invalid", people.identities.add_policy, bad, READ)
        refused("invalid", people.identities.put_inline, ALICE, bad, READ)
        missing(people.identities.attach, ALICE, bad)
    assert "exists" in refused("conflict", people.identities.add_policy, "a", READ)


def test_documents_and_descriptions_have_limits(people: World) -> None:
    people.identities.add_policy(
        "most", sized(IDENTITY_POLICY_CHARS), description="d" * limits.POLICY_DESCRIPTION_CHARS
    )
    assert "maximum" in refused("invalid", people.identities.add_policy, "more", sized(IDENTITY_POLICY_CHARS + 1))
    refused(
        "invalid", people.identities.add_policy, "more", READ, description="d" * (limits.POLICY_DESCRIPTION_CHARS + 1)
    )
    refused("invalid", people.identities.add_policy, "more", READ, description="a\nb")


@pytest.mark.parametrize(
    ("who", "most"),
    [(ALICE, limits.INLINE_USER_CHARS), (RED, limits.INLINE_GROUP_CHARS), (AUDIT, limits.INLINE_ROLE_CHARS)],
    ids=lambda given: getattr(given, "word", ""),
)
def test_inline_policies_have_a_limit_together(people: World, who: Who, most: int) -> None:
    people.identities.put_inline(who, "all", sized(most))
    refused("invalid", people.identities.put_inline, who, "all", sized(most + 1))
    assert str(most) in refused("conflict", people.identities.put_inline, who, "another", READ)
    people.identities.put_inline(who, "all", sized(most - len(READ)))
    people.identities.put_inline(who, "another", READ)
    refused("conflict", people.identities.put_inline, who, "another", READ.replace("b/*", "b/*x"))
    assert people.identities.held(who)["inline"] == ["all", "another"]


def test_a_tenant_has_a_limit_of_policies(people: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.accounts.identity.MANAGED_POLICIES", 3)
    for number in range(3):
        people.identities.add_policy(f"p{number}", READ)
    assert "at most 3" in refused("conflict", people.identities.add_policy, "p3", READ)
    people.other()
    people.identities.add_policy("p3", READ, tenant="other")
    assert limits.MANAGED_POLICIES == 1_500


@ANYBODY
def test_attached_policies_have_a_limit(people: World, who: Who) -> None:
    for number in range(limits.ATTACHED_POLICIES + 1):
        people.identities.add_policy(f"p{number:02}", READ)
    for number in range(limits.ATTACHED_POLICIES):
        people.identities.attach(who, f"p{number:02}")
    people.identities.attach(who, "p00")
    assert "at most 10" in refused("conflict", people.identities.attach, who, "p10")
    people.identities.detach(who, "p00")
    people.identities.attach(who, "p10")
    assert people.identities.held(who)["attached"] == [f"p{number:02}" for number in range(1, 11)]


@ANYBODY
def test_policies_know_who_has_them_and_stay_while_somebody_does(people: World, who: Who) -> None:
    people.identities.add_policy("read", READ)
    missing(people.identities.attach, who, "nothing")
    missing(people.identities.detach, who, "read")
    people.identities.attach(who, "read")
    name = f"{who.word}:{who.name}"
    assert people.identities.policies()[0]["attached"] == [name]
    assert name in refused("conflict", people.identities.remove_policy, "read")
    people.identities.detach(who, "read")
    assert people.identities.policy("read")["attached"] == []
    assert rows(people, keys.IDENTITY) == rows(people, keys.ATTACHMENT) == []
    people.identities.remove_policy("read")


@ANYBODY
def test_inline_policies_come_and_go(people: World, who: Who) -> None:
    missing(people.identities.inline, who, "own")
    missing(people.identities.remove_inline, who, "own")
    people.identities.put_inline(who, "own", READ)
    people.identities.put_inline(who, "a", READ)
    people.identities.put_inline(who, "own", WRITE)
    assert people.identities.inline(who, "own") == {"name": "own", "document": WRITE}
    assert people.identities.held(who)["inline"] == ["a", "own"]
    people.identities.remove_inline(who, "own")
    people.identities.remove_inline(who, "a")
    assert rows(people, keys.IDENTITY) == []


@pytest.mark.parametrize("who", [ALICE, AUDIT], ids=lambda who: who.word)
def test_a_boundary_is_a_managed_policy_and_keeps_it(people: World, who: Who) -> None:
    missing(people.identities.set_boundary, who, "fence")
    people.identities.add_policy("fence", READ)
    people.identities.set_boundary(who, "fence")
    assert people.identities.held(who)["boundary"] == "fence"
    assert people.identities.policy("fence")["bounds"] == [f"{who.word}:{who.name}"]
    refused("conflict", people.identities.remove_policy, "fence")
    people.identities.attach(who, "fence")
    people.identities.set_boundary(who, None)
    assert people.identities.policy("fence")["bounds"] == []
    people.identities.set_boundary(who, None)
    people.identities.detach(who, "fence")
    people.identities.remove_policy("fence")


def test_a_group_has_neither_boundary_nor_tags_and_only_roles_are_trusted(people: World) -> None:
    people.identities.add_policy("fence", READ)
    refused("invalid", people.identities.set_boundary, RED, "fence")
    refused("invalid", people.identities.set_tags, RED, [("a", "b")])
    assert people.identities.held(RED) == {"attached": [], "inline": []}
    for who in (ALICE, RED):
        refused("invalid", people.identities.set_trust_policy, who, TRUST)


def test_tags_are_those_iam_takes(people: World) -> None:
    most = [(f"k{number}", "v" * limits.TAG_VALUE_CHARS) for number in range(limits.PRINCIPAL_TAGS - 1)]
    most.append(("k" * limits.TAG_KEY_CHARS, ""))
    people.identities.set_tags(ALICE, most)
    assert people.identities.held(ALICE)["tags"] == [{"key": key, "value": value} for key, value in most]
    assert record(people).tags == tuple(most)
    for bad in (
        [*most, ("more", "")],
        [("Team", "a"), ("team", "b")],
        [("k" * (limits.TAG_KEY_CHARS + 1), "")],
        [("k", "v" * (limits.TAG_VALUE_CHARS + 1))],
        [("aws:x", "")],
        [("", "v")],
        [("k", "\n")],
    ):
        refused("invalid", people.identities.set_tags, ALICE, bad)
    people.identities.set_tags(ALICE, [])
    assert rows(people, keys.IDENTITY) == []


def test_a_trust_policy_is_kept_as_it_was_given(people: World) -> None:
    missing(people.identities.trust_policy, AUDIT)
    most = TRUST.replace('"Effect"', f'"Sid":"{"s" * (TRUST_POLICY_CHARS - len(TRUST) - 9)}","Effect"')
    people.identities.set_trust_policy(AUDIT, most)
    people.identities.set_trust_policy(AUDIT, TRUST)
    assert people.identities.trust_policy(AUDIT) == {"document": TRUST}
    for bad, says in (
        ("{", "Json"),
        (READ, "Missing required field Principal"),
        (TRUST.replace("sts:AssumeRole", "s3:GetObject"), "AssumeRole"),
        (TRUST.replace('"Action"', '"Resource":"*","Action"'), "Has prohibited field Resource"),
        (TRUST.replace('"Principal"', '"Principle"'), "Unknown field"),
        (most.replace("alice", "alicex"), "maximum"),
    ):
        assert says in refused("invalid", people.identities.set_trust_policy, AUDIT, bad)
    assert people.identities.trust_policy(AUDIT) == {"document": TRUST}


def test_nothing_hangs_on_root_or_on_who_is_not_there(people: World) -> None:
    root = Who("user", "root")
    people.identities.add_policy("read", READ)
    assert "root" in refused("refused", people.identities.attach, root, "read")
    refused("refused", people.identities.put_inline, root, "own", READ)
    for word in ("user", "group", "role"):
        missing(people.identities.attach, Who(word, "nobody"), "read")
        missing(people.identities.held, Who(word, "alice" if word != "user" else "red"))


def test_a_tenant_sees_and_uses_its_own_only(people: World) -> None:
    people.other()
    people.identities.add_policy("theirs", READ, tenant="other")
    own = people.identities.seen_from(1)
    theirs = people.identities.seen_from(2)
    assert [own.policies(), theirs.policies()[0]["name"]] == [[], "theirs"]
    missing(own.policies, "other")
    missing(own.policy, "theirs")
    missing(own.attach, ALICE, "theirs")
    missing(own.held, Who("user", "ann", "other"))
    missing(theirs.held, ALICE)
    theirs.attach(Who("user", "ann"), "theirs")
    assert theirs.policy("theirs")["attached"] == ["user:ann"]


def test_who_is_removed_leaves_nothing_behind(people: World) -> None:
    people.identities.add_policy("read", READ)
    for who in (ALICE, RED, AUDIT):
        people.identities.attach(who, "read")
        people.identities.put_inline(who, "own", READ)
    people.identities.set_boundary(ALICE, "read")
    people.accounts.remove_user("default", "alice")
    assert people.identities.policy("read")["attached"] == ["group:red", "role:audit"]
    people.groups.remove("red")
    people.roles.remove("audit")
    assert rows(people, keys.IDENTITY) == rows(people, keys.ATTACHMENT) == []
    people.identities.remove_policy("read")


def test_a_tenant_takes_its_policies_along_and_nobody_elses(people: World) -> None:
    people.other()
    for tenant, user in (("default", "alice"), ("other", "ann")):
        people.identities.add_policy("read", READ, tenant=tenant)
        people.identities.attach(Who("user", user, tenant), "read")
    people.groups.add("blue", tenant="other")
    people.roles.add("check", tenant="other")
    people.accounts.remove_tenant("other")
    assert [len(rows(people, kind)) for kind in (keys.GROUP, keys.GROUP_NAME, keys.ROLE, keys.ROLE_NAME)] == [1] * 4
    assert rows(people, keys.MANAGED_POLICY) == [keys.managed_policy(1, b"read")]
    assert rows(people, keys.IDENTITY) == [keys.identity(1, PrincipalOf.USER, 2)]
    assert rows(people, keys.ATTACHMENT) == [keys.attachment(1, b"read", AttachedAs.POLICY, PrincipalOf.USER, 2)]


class Racing:
    """A store in which somebody else acts just before the first commit."""

    def __init__(self, world: World, act: Callable[[], object]) -> None:
        self.get, self.scan = world.store.get, world.store.scan
        self._store, self._act = world.store, act
        self.raced = False

    def commit(self, guards: object, ops: object) -> int:
        if not self.raced:
            self.raced = True
            self._act()
        return int(self._store.commit(guards, ops))


def test_a_policy_removed_while_it_is_attached_is_not_attached(people: World) -> None:
    people.identities.add_policy("read", READ)
    store = Racing(people, lambda: people.identities.remove_policy("read"))
    missing(Identities(store, lambda: 0).attach, ALICE, "read")
    assert rows(people, keys.IDENTITY) == rows(people, keys.ATTACHMENT) == []
    people.identities.add_policy("read", READ)
    store = Racing(people, lambda: people.identities.attach(ALICE, "read"))
    refused("conflict", Identities(store, lambda: 0).remove_policy, "read")


def test_who_is_removed_while_something_is_attached_gets_nothing(people: World) -> None:
    people.identities.add_policy("read", READ)
    store = Racing(people, lambda: people.accounts.remove_user("default", "alice"))
    missing(Identities(store, lambda: 0).attach, ALICE, "read")
    store = Racing(people, lambda: people.groups.remove("red"))
    missing(Identities(store, lambda: 0).put_inline, RED, "own", READ)
    assert rows(people, keys.IDENTITY) == rows(people, keys.ATTACHMENT) == []


def test_changes_of_one_identity_at_once_are_both_made(people: World) -> None:
    store = Racing(people, lambda: people.identities.put_inline(ALICE, "first", READ))
    Identities(store, lambda: 0).put_inline(ALICE, "second", WRITE)
    assert people.identities.held(ALICE)["inline"] == ["first", "second"]


def test_a_store_of_another_compiler_is_compiled_again(people: World) -> None:
    people.identities.add_policy("read", READ)
    people.identities.put_inline(ALICE, "own", READ)
    assert recompile_identities(people.store) == 0
    row, identity = keys.managed_policy(1, b"read"), keys.identity(1, PrincipalOf.USER, 2)
    managed = ManagedPolicyRecord.decode(people.store.get(row))
    old = bytes([COMPILER_VERSION + 1]) + managed.compiled[1:]
    inline = (InlinePolicy("bad", b"{}", old), InlinePolicy("own", READ.encode(), old))
    puts = [
        ("put", row, dataclasses.replace(managed, compiled=old).encode()),
        ("put", identity, dataclasses.replace(record(people), inline=inline).encode()),
    ]
    people.store.commit([], puts)
    assert recompile_identities(people.store) == 2
    assert ManagedPolicyRecord.decode(people.store.get(row)) == managed
    assert [policy.compiled for policy in record(people).inline] == [b"\0", managed.compiled]
    assert recompile_identities(people.store) == 0
    assert json.loads(people.identities.inline(ALICE, "own")["document"])
