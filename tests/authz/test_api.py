"""The Python face: what is granted is allowed and shown again by name, and what is refused says why."""

import asyncio
import threading
import time

import pytest

from authz.answers import Ask, Change, Filter, Part, Precondition, Stored
from authz.api import BULK_KEYS, LOG_PAGE, PAGE
from authz.asynchronous import AsyncRelations
from authz.deciding import permission_of
from authz.directory import UnknownNameError
from authz.model import BUNDLES, Facts, Kind, Subject
from authz.names import WordError
from authz.shown import packed
from authz.writing import CHANGES
from storage.api import RelationError

DAY_US = 86_400 * 1_000_000


def granted(people, subject="user:alice", relation="reader", resource="s3://photos/2024/", **more):
    return people.relations.grant(subject, relation, resource, **more)


def test_a_grant_allows_until_it_is_revoked(people):
    key = "s3://photos/2024/cat.jpg"
    assert not people.allowed("user:alice", "read", key)
    written = granted(people)
    assert (written.revision, written.notes) == (1, ())
    decision = people.relations.explain("user:alice", "s3:GetObject", key)
    assert (decision.allowed, decision.reason, decision.permission) == (True, "granted", "read")
    assert decision.decided_by == Stored("s3://photos/2024/", "reader", "user:alice")
    assert not people.allowed("user:alice", "write", key) and not people.allowed("user:bob", "read", key)
    people.relations.revoke("user:alice", "reader", "s3://photos/2024/")
    assert people.relations.check("user:alice", "read", key).reason == "not_granted"


def test_a_deny_wins_and_says_so(people):
    granted(people, resource="s3://photos")
    granted(people, "authenticated", "deny_read", "s3://photos/secret/")
    decision = people.relations.explain("user:alice", "read", "s3://photos/secret/x")
    assert (decision.allowed, decision.reason) == (False, "denied")
    assert decision.decided_by == Stored("s3://photos/secret/", "deny_read", "authenticated")


def test_administrators_need_no_relation(people):
    decision = people.relations.explain("user:acme/ann", "read", "s3://vault/x")
    assert (decision.allowed, decision.reason, decision.decided_by) == (True, "tenant_admin", None)
    assert people.relations.check("user:ann", "write", "s3://vault/x").allowed, "ann is of the bucket's tenant"
    assert not people.allowed("user:acme/ann", "read", "s3://photos/x")


def test_every_bundle_is_stored_as_relations(people):
    for bundle, stands_for in BUNDLES.items():
        granted(people, "user:bob", bundle, f"s3://docs/{bundle}/")
        page = people.relations.read(Filter(resource=f"s3://docs/{bundle}/"))
        assert {one.relation for one in page.relations} == set(stands_for)
    people.relations.revoke("user:bob", "editor", "s3://docs/editor/")
    assert people.relations.read(Filter(resource="s3://docs/editor/")).relations == ()


def test_expiry_and_conditions_hold_and_are_shown(people):
    granted(people, expires="1d", conditions=["ip=10.0.0.0/8", "tls"])
    ask = lambda **facts: Ask(Facts(now_us=people.now_us, **facts))  # noqa: E731
    inside = ask(source_ip="10.1.2.3", tls=True)
    decision = people.relations.check("user:alice", "read", "s3://photos/2024/x", inside)
    assert decision.allowed and decision.conditional
    for facts in ({}, {"source_ip": "11.0.0.1", "tls": True}, {"source_ip": "10.1.2.3", "tls": False}):
        assert not people.relations.check("user:alice", "read", "s3://photos/2024/x", ask(**facts)).allowed
    (stored,) = people.relations.read(Filter(bucket="photos")).relations
    assert (stored.expires, stored.conditions) == ("2025-11-22T04:40:00Z", ("ip=10.0.0.0/8", "tls"))
    later = Ask(Facts(now_us=people.now_us + DAY_US, source_ip="10.1.2.3", tls=True))
    assert not people.relations.check("user:alice", "read", "s3://photos/2024/x", later).allowed
    with pytest.raises(RelationError, match="is no IP address"):
        people.relations.check("user:alice", "read", "s3://photos/x", ask(source_ip="10.1"))


def test_writes_are_all_or_nothing_with_preconditions(people):
    granted(people)
    changes = [
        Change("create", "user:bob", "reader", "s3://docs"),
        Change("create", "user:alice", "reader", "s3://photos/2024/"),
    ]
    with pytest.raises(RelationError) as caught:
        people.relations.write(changes)
    assert (caught.value.kind, caught.value.number) == ("exists", 1)
    absent = Precondition("absent", "user:alice", "reader", "s3://photos/2024/")
    with pytest.raises(RelationError) as caught:
        people.relations.write(changes[:1], preconditions=[absent])
    assert (caught.value.kind, caught.value.number) == ("precondition", 0)
    assert not people.allowed("user:bob", "read", "s3://docs/x")
    present = Precondition("present", "user:alice", "reader", "s3://photos/2024/")
    people.relations.write(changes[:1], preconditions=[present])
    assert people.allowed("user:bob", "read", "s3://docs/x")


def test_a_repeated_request_is_answered_and_not_done_again(people):
    change = [Change("create", "user:bob", "reader", "s3://docs")]
    first = people.relations.write(change, idempotency_key="k1")
    people.relations.revoke("user:bob", "reader", "s3://docs")
    assert people.relations.write(change, idempotency_key="k1").revision == first.revision
    assert not people.allowed("user:bob", "read", "s3://docs/x")
    with pytest.raises(RelationError) as caught:
        people.relations.write([Change("delete", "user:bob", "reader", "s3://docs")], idempotency_key="k1")
    assert caught.value.kind == "idempotency"


def test_a_removal_of_what_is_not_there_is_noted(people):
    def notes(*changes, **more):
        return people.relations.write([Change("delete", *change) for change in changes], **more).notes

    people.relations.grant("user:bob", "viewer", "s3://docs")
    people.relations.revoke("user:bob", "lister", "s3://docs")
    gone, there = ("user:bob", "writer", "s3://docs"), ("user:bob", "viewer", "s3://docs")
    assert notes(gone, there) == ("it was not there: user:bob writer s3://docs",), "of a bundle a part was"
    assert notes(there) == ("it was not there: user:bob viewer s3://docs",)
    assert notes(there, idempotency_key="k") == (), "repeated it would say that the first time was none"
    assert people.relations.write([Change("touch", *there)]).notes == ()
    people.relations.grant("itself", "isolated", "s3://docs/a/")
    flag = ("itself", "isolated", "s3://docs/a/")
    assert (notes(flag), notes(flag)) == ((), ("it was not there: itself isolated s3://docs/a/",))


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (Change("touch", "user:nobody", "reader", "s3://photos"), UnknownNameError, "no user nobody in tenant default"),
        (Change("touch", "user:acme/x", "reader", "s3://photos"), UnknownNameError, "no user x in tenant acme"),
        (Change("touch", "user:alice", "reader", "s3://nothing"), UnknownNameError, "no bucket nothing"),
        (Change("touch", "user:alice", "reader", "tenant:nowhere"), UnknownNameError, "no tenant nowhere"),
        (Change("put", "user:alice", "reader", "s3://photos"), WordError, "none of create, touch, delete"),
        (Change("touch", "user:alice", "isolated", "s3://photos/a/"), WordError, "has no subject"),
        (Change("touch", "user:alice", "lister", "s3://photos/a"), RelationError, "an object has no relation lister"),
        (Change("touch", "anyone", "owner", "s3://photos"), RelationError, "cannot be granted"),
        (Change("touch", "user:alice", "deny_read", "s3://photos", None, ["tls"]), RelationError, "no condition"),
    ],
)
def test_what_cannot_be_written_says_why(people, change, error, says):
    with pytest.raises(error, match=says):
        people.relations.write([change])
    assert people.engine.revision() == 0


def test_one_write_is_of_one_tenant_and_has_changes(people):
    with pytest.raises(WordError, match="belong to one tenant"):
        people.relations.write([Change("touch", "anyone", "reader", f"s3://{name}") for name in ("photos", "vault")])
    with pytest.raises(WordError, match="nothing to write"):
        people.relations.write([])


def test_the_most_changes_of_a_write(people):
    many = [Change("touch", "user:alice", "reader", f"s3://photos/{n}/") for n in range(CHANGES)]
    people.relations.write(many)
    with pytest.raises(WordError, match=f"{CHANGES + 1} changes"):
        people.relations.write([*many, Change("touch", "user:alice", "reader", "s3://docs")])


def test_a_grant_on_an_object_that_looks_like_a_prefix_is_noted(people):
    from storage.api import put
    from storage.records import keys

    people.store.commit([], [put(keys.object(1, b"2024/cat.jpg"), b"x")])
    assert "a prefix ends in /" in granted(people, resource="s3://photos/2024").notes[0]
    assert granted(people, resource="s3://photos/2024/cat.jpg").notes == ()
    assert granted(people, resource="s3://photos/2025").notes == ()


def test_bulk_checks_agree_with_checks(people):
    granted(people)
    granted(people, relation="deny_read", resource="s3://photos/2024/private/")
    asked = ["2024/a", "2024/private/b", "2025/c", "", "x" * 2000, "2024/d"]
    bulk = people.relations.check_keys("user:alice", "read", "s3://photos", asked)
    assert bulk.allowed == (True, False, False, False, False, True)
    assert people.relations.check_keys("user:alice", "read", "photos", []).allowed == ()
    with pytest.raises(WordError, match="more than a bucket"):
        people.relations.check_keys("user:alice", "read", "s3://photos/2024/", asked)
    many = ["2024/a"] * BULK_KEYS
    assert sum(people.relations.check_keys("user:alice", "read", "photos", many).allowed) == BULK_KEYS
    with pytest.raises(WordError, match="at most"):
        people.relations.check_keys("user:alice", "read", "photos", [*many, "x"])


def test_relations_are_read_in_pages_with_filters(people):
    for n in range(25):
        granted(people, resource=f"s3://photos/{n:02}/")
    granted(people, "anyone", "lister", "s3://docs")
    found, cursor = [], None
    while True:
        page = people.relations.read(Filter(bucket="photos"), part=Part(cursor, 10))
        found += page.relations
        cursor = page.cursor
        if cursor is None:
            break
    assert [one.resource for one in found] == [f"s3://photos/{n:02}/" for n in range(25)]
    only = lambda **wanted: people.relations.read(Filter(**wanted)).relations  # noqa: E731
    assert only(subject="anyone") == (Stored("s3://docs", "lister", "anyone"),)
    assert len(only(relation="reader")) == 25 and only(resource="s3://photos/07/")[0].resource == "s3://photos/07/"
    for limit, fine in ((0, False), (1, True), (PAGE, True), (PAGE + 1, False)):
        if fine:
            people.relations.read(part=Part(limit=limit))
        else:
            with pytest.raises(WordError, match="a page has 1 to"):
                people.relations.read(part=Part(limit=limit))
    with pytest.raises(WordError, match="no cursor of this server"):
        people.relations.read(part=Part("%%%"))


def test_a_cursor_is_of_one_kind_of_question(people):
    for n in range(3):
        people.relations.grant("user:alice", "viewer", f"s3://photos/{n}/")
        people.accounts.add_user("default", f"u{n}")
        people.relations.grant(f"user:u{n}", "viewer", "s3://photos/0/")
    ask = {
        "read": lambda part: people.relations.read(part=part),
        "what": lambda part: people.relations.what_can("user:alice", "read", "photos", part=part),
        "who": lambda part: people.relations.who_can("read", "s3://photos/0/x", part=part),
    }
    cursors = {name: one(Part(limit=1)).cursor for name, one in ask.items()}
    assert all(cursors.values())
    forged = [packed(b"s"), packed(b"s" + bytes(7)), packed(b"s" + bytes(9)), packed(b""), packed(b"\xff" * 40), ""]
    for name, one in ask.items():
        assert one(Part(cursors[name], 1)).cursor != cursors[name]
        for other in [cursor for kind, cursor in cursors.items() if kind != name] + forged:
            with pytest.raises(WordError, match="is no cursor of this question: give back the one of its own page"):
                one(Part(other, 1))


def test_who_can_and_what_can(people):
    people.groups.add("devs")
    people.groups.add_member("devs", "user:bob")
    granted(people, "group:devs")
    granted(people, resource="s3://photos/one.jpg")
    who = people.relations.who_can("read", "s3://photos/2024/x")
    assert (who.subjects, who.administrators, who.classes) == (("user:bob",), ("user:root",), ())
    granted(people, "anyone", "reader", "s3://photos/2024/open/")
    granted(people, "user:bob", "deny_read", "s3://photos/2024/open/")
    who = people.relations.who_can("s3:GetObject", "s3://photos/2024/open/x")
    assert (who.classes, who.excluded, who.cursor) == (("anyone",), ("user:bob",), None)
    shown = lambda subject: [one.shown for one in people.relations.what_can(subject, "read", "photos").ranges]  # noqa: E731
    assert shown("user:alice") == ["s3://photos/2024/open/", "s3://photos/one.jpg"]
    assert shown("user:root") == ["s3://photos"]
    assert shown("user:bob") == [
        "s3://photos/2024/… to before s3://photos/2024/open/",
        "s3://photos/2024/open0… to before s3://photos/20240",
    ]


def test_lookups_come_in_pages(people):
    for n in range(7):
        granted(people, resource=f"s3://photos/{n}/")
        people.accounts.add_user("default", f"u{n}")
        granted(people, f"user:u{n}", "reader", "s3://docs")
    ranges, cursor = [], None
    while ranges == [] or cursor:
        page = people.relations.what_can("user:alice", "read", "photos", part=Part(cursor, 3))
        ranges, cursor = ranges + [one.shown for one in page.ranges], page.cursor
    assert ranges == [f"s3://photos/{n}/" for n in range(7)]
    subjects, cursor = [], None
    while subjects == [] or cursor:
        who = people.relations.who_can("read", "s3://docs/x", part=Part(cursor, 3))
        assert (who.administrators == ()) == (cursor is not None)
        subjects, cursor = subjects + list(who.subjects), who.cursor
    assert subjects == [f"user:u{n}" for n in range(7)]


def test_expand_shows_what_bears_on_a_place(people):
    granted(people, "user:alice", "reader", "tenant")
    granted(people, "user:bob", "writer", "s3://photos")
    granted(people, "anyone", "reader", "s3://photos/2024/", expires="1d")
    granted(people, "user:bob", "reader", "s3://photos/2025/")
    found = people.relations.expand("s3://photos/2024/x").relations
    assert [(one.resource, one.relation) for one in found] == [
        ("tenant:default", "reader"),
        ("s3://photos", "writer"),
        ("s3://photos/2024/", "reader"),
    ]


def test_tokens_say_at_least_and_are_of_one_tenant(people):
    token = granted(people).token
    ask = Ask(at_least=token)
    assert people.relations.check("user:alice", "read", "s3://photos/2024/x", ask).allowed
    with pytest.raises(RelationError, match="not one of this store and tenant"):
        people.relations.check("user:acme/ann", "read", "s3://vault/x", ask)
    for forged in ("AAAA", token[:-2] + "AA"):
        with pytest.raises(RelationError, match="not one of this store"):
            people.relations.read(ask=Ask(at_least=forged))


def test_groups_nest_and_are_removed_with_what_they_gave(people):
    people.groups.add("devs", description="Who writes")
    people.groups.add("all")
    people.groups.add_member("devs", "user:alice")
    people.groups.add_member("all", "group:devs")
    granted(people, "group:all", "editor", "s3://photos")
    assert people.allowed("user:alice", "write", "s3://photos/x")
    assert [one["name"] for one in people.groups.all()] == ["all", "devs"]
    assert people.groups.members("all").relations == (Stored("group:all", "member", "group:devs"),)
    people.groups.remove_member("all", "group:devs")
    assert not people.allowed("user:alice", "write", "s3://photos/x")
    people.groups.add_member("all", "group:devs")
    people.groups.remove("all")
    assert not people.allowed("user:alice", "write", "s3://photos/x")
    assert people.relations.read().relations == (Stored("group:devs", "member", "user:alice"),)
    with pytest.raises(UnknownNameError, match="no group all"):
        people.groups.members("all")
    again = people.groups.add("all")
    assert again["id"] == 3, "numbers are never given twice"


def test_roles_have_assignees(people):
    people.roles.add("auditor", tenant="acme")
    people.roles.add_member("auditor", "user:carl", tenant="acme")
    granted(people, "role:auditor", "viewer", "s3://vault")
    assert people.allowed("user:carl", "list", "s3://vault")
    with pytest.raises(RelationError, match="a role has no relation member; it has manager, assignee"):
        people.roles.add_member("auditor", "user:carl", relation="member", tenant="acme")


def test_other_tenants_name_a_group_only_while_it_is_exported(people):
    people.groups.add("partners", tenant="acme")
    people.groups.add_member("partners", "user:carl", tenant="acme")
    with pytest.raises(RelationError, match="exports no such group"):
        granted(people, "group:acme/partners", "reader", "s3://docs")
    people.groups.flag("partners", "exported", on=True, tenant="acme")
    granted(people, "group:acme/partners", "reader", "s3://docs")
    assert people.allowed("user:acme/carl", "read", "s3://docs/x")
    people.groups.flag("partners", "exported", on=False, tenant="acme")
    assert not people.allowed("user:acme/carl", "read", "s3://docs/x")


def test_what_is_gone_is_shown_by_number_and_can_be_revoked_so(people):
    granted(people, "user:bob", "reader", "s3://docs")
    people.accounts.remove_user("default", "bob")
    (stored,) = people.relations.read().relations
    assert stored.subject == "user:#3"
    people.accounts.add_user("default", "bob")
    assert people.relations.read().relations[0].subject == "user:#3", "the new bob is another one"
    assert not people.allowed("user:bob", "read", "s3://docs/x")
    people.relations.revoke(stored.subject, stored.relation, stored.resource)
    assert people.relations.read().relations == ()


# One tenant learns nothing of another.


def test_numbers_of_nobody_and_of_strangers_read_alike_and_get_nothing(people):
    people.groups.add("partners", tenant="acme")
    theirs = {"user": people.accounts.user("acme", "carl")["id"], "group": people.groups.all("acme")[0]["id"]}
    mine = people.relations.seen_from(1)
    for word, number in theirs.items():
        for one in (number, 99_999):
            with pytest.raises(UnknownNameError, match=f"there is no {word} #{one} in tenant default$"):
                mine.grant(f"{word}:#{one}", "reader", "s3://docs")
    for action in ("read", "s3:GetObject"):
        for one in (theirs["user"], 99_999):
            with pytest.raises(UnknownNameError, match=f"there is no user #{one} in tenant default$"):
                mine.check(f"user:#{one}", action, "s3://docs/x")
    people.groups.add("devs")
    assert ["id" in one for one in people.groups.seen_from(1).all()] == [False], "it counts those of others, too"


def test_from_within_a_tenant_others_do_not_exist(people):
    acme = people.relations.seen_from(2)

    def refusal(act):
        with pytest.raises((UnknownNameError, WordError)) as caught:
            act()
        return str(caught.value)

    def grant(subject, resource):
        return lambda: acme.grant(subject, "reader", resource)

    assert refusal(grant("user:carl", "s3://photos")) == refusal(grant("user:carl", "s3://nothing")).replace(
        "nothing", "photos"
    )
    there, not_there = "user:default/alice", "user:nowhere/alice"
    assert refusal(grant(there, "s3://vault")) == refusal(grant(not_there, "s3://vault")).replace("nowhere", "default")
    for act in (
        lambda: acme.check("user:carl", "read", "s3://photos/x"),
        lambda: acme.read(ask=Ask(tenant="default")),
        lambda: acme.who_can("read", "s3://photos/x"),
        lambda: next(acme.watch(tenant="default")),
        lambda: acme.position("5", None),
    ):
        assert refusal(act)
    assert acme.grant("user:carl", "reader", "s3://vault").revision == 1


def test_a_tenant_sees_and_revokes_what_root_granted_to_strangers(people):
    granted(people, "user:default/alice", "reader", "s3://vault")
    acme = people.relations.seen_from(2)
    (stored,) = acme.read().relations
    assert stored.subject == "user:default/alice"
    before = people.engine.revision()
    for unknown in ("user:default/root", "user:default/nobody", "user:nowhere/x", "tenant:default", "group:default/x"):
        assert acme.revoke(unknown, "reader", "s3://vault").revision == before, "tells nothing"
        assert acme.read(Filter(subject=unknown)).relations == ()
    acme.revoke(stored.subject, "reader", "s3://vault")
    assert acme.read().relations == ()


# Watching.


def test_a_watch_gives_every_change_in_order(people):
    granted(people)
    people.relations.revoke("user:alice", "reader", "s3://photos/2024/")
    granted(people, "anyone", "lister", "s3://vault")
    watch = people.relations.watch("0", heartbeat_s=0.01)
    entries = [next(watch) for _ in range(3)]
    assert [entry.revision for entry in entries] == [1, 2, 3]
    assert [entry.tenant for entry in entries] == ["default", "default", "acme"]
    assert [entry.changes[0].gone for entry in entries] == [False, True, False]
    assert entries[2].changes[0].relation == Stored("s3://vault", "lister", "anyone")
    assert next(watch) is None, "a heartbeat"
    again = people.relations.watch(entries[0].token, heartbeat_s=0.01, tenant="default")
    assert (next(again).revision, next(again)) == (2, None)


def test_a_watch_wakes_up_and_misses_nothing(people):
    watch = people.relations.watch("0", heartbeat_s=20)
    total = LOG_PAGE + 5

    def write():
        for n in range(total):
            granted(people, resource=f"s3://photos/{n}/")

    writer = threading.Thread(target=write)
    writer.start()
    assert [next(watch).revision for _ in range(total)] == list(range(1, total + 1))
    writer.join()


def test_a_watch_from_before_the_log_is_refused(people):
    for n in range(3):
        granted(people, resource=f"s3://photos/{n}/")
    people.engine.trim_log(3)
    with pytest.raises(RelationError) as caught:
        next(people.relations.watch("1"))
    assert (caught.value.kind, caught.value.number) == ("trimmed", 3)


def test_the_face_for_an_event_loop_is_the_same(people):
    async def run():
        face = AsyncRelations(people.relations)
        watch = face.watch(heartbeat_s=0.05)
        first = asyncio.create_task(anext(watch))
        await asyncio.sleep(0.01)
        written = await face.grant("user:alice", "reader", "s3://photos")
        assert (await face.check("user:alice", "read", "s3://photos/x")).allowed
        assert (await asyncio.wait_for(first, 10)).revision == written.revision
        assert await asyncio.wait_for(anext(watch), 10) is None

    asyncio.run(run())


# The shortest way.


def test_the_engine_is_asked_with_numbers(people):
    granted(people)
    alice = Subject(Kind.USER, 1, 2).bits
    read = permission_of("read")
    assert people.engine.check(alice, read, 1, 1, "2024/cat.jpg")
    assert people.engine.check(alice, read, 1, 1, b"2024/cat.jpg")
    assert not people.engine.check(alice, read, 1, 1, "2025/cat.jpg")
    assert people.engine.check(Subject(Kind.USER, 1, 1).bits, read, 1, 1, "2025/cat.jpg", True)
    with pytest.raises(TypeError, match="bytes or text"):
        people.engine.check(alice, read, 1, 1, 7)
    with pytest.raises(RelationError, match="a key has 1 to 1024 bytes"):
        people.engine.check(alice, read, 1, 1, "")
    assert Subject.of(alice) == Subject(Kind.USER, 1, 2)


def test_waiting_gives_the_interpreter_back(people):
    log = people.engine.watch(0)
    waiter = threading.Thread(target=log.wait, args=(30.0,))
    waiter.start()
    start = time.monotonic()
    granted(people)
    waiter.join(20)
    assert not waiter.is_alive() and time.monotonic() - start < 20
