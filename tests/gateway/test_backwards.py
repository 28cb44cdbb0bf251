"""The questions backwards about Amazon's actions equal a filter over the same questions asked one by one.

Belongs here: random small worlds with every source (relations, both kinds of policies, lists, the public access block,
shares), and what an answer says beside its list. Does not belong here: whether the decision itself is right.
"""

import json
import random
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import pytest
from world import World

from authz.answers import Ask, Part, Resources, Subjects
from authz.api import Relations
from authz.model import Facts
from authz.names import WordError
from authz.shown import packed
from authz.whole import WholeDecision
from gateway.accounts.groups import GROUP, Groups
from gateway.accounts.identity import Who
from gateway.ops.table import ACTIONS
from gateway.sharing.shares import Offer, Shares
from gateway.sharing.shares import Who as Sharer
from storage.native import Core, generate_key
from storage.records import keys
from storage.records.acl import Grant, Kind, Permission, encode_acl
from storage.records.bucket import BucketRecord, Ownership, PublicAccessBlock

WORLDS = 60
STORED = (b"a/1", b"a/2", b"a/b/1", b"b/alice/1", b"b/bob/1", b"c", "é/1".encode(), b"top")
PROBES = (*STORED, b"a/", b"a/3", b"a/b/", b"a/b/2", b"b/", b"b/carl/9", b"c/", b"cc", "é/2".encode(), b"zz")
PLACES = ("", "/a/", "/a/b/", "/a/1", "/b/", "/c", "/top")
RELATIONS = ("reader", "writer", "viewer", "editor", "owner", "deny_read", "deny_all", "deny_write", "isolated")
ON_KEYS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:GetObjectTagging", "s3:PutObjectAcl")
ON_BUCKETS = ("s3:ListBucket", "s3:GetBucketPolicy", "s3:PutBucketPolicy")
PATHS = ("/*", "/a/*", "/a/1", "/b/${aws:username}/*", "/*/1", "/a/?", "/c", "/é*", "")
EVERYBODY_ELSE = "users of other tenants whose own tenant allows it"
CONDITIONS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
    {"Bool": {"aws:SecureTransport": "false"}},
    {"StringEquals": {"s3:ExistingObjectTag/t": "x"}},
    {"StringEquals": {"aws:username": "alice"}},
)


class Stage:
    """Two tenants of a store with the real core; one of them owns a bucket."""

    def __init__(self, world: World, mark: str, chance: random.Random) -> None:
        self.world, self.chance, self.relations = world, chance, world.relations
        self.own, self.far, self.bucket = f"own{mark}", f"far{mark}", f"bucket-{mark}"
        self.numbers: dict[str, int] = {}
        for tenant, admin, users in ((self.own, "ann", ("alice", "bob")), (self.far, "mal", ("carl",))):
            self.numbers[tenant] = world.accounts.add_tenant(tenant)["id"]
            self.numbers[admin] = world.accounts.add_user(tenant, admin, admin=True)["id"]
            for user in users:
                self.numbers[user] = world.accounts.add_user(tenant, user)["id"]
        self.ann = world.caller(self.own, "ann")
        world.call("CreateBucket", self.bucket, caller=self.ann)
        self.number = world.number(self.bucket)
        world.groups.add("devs", tenant=self.own)
        world.groups.add_member("devs", "user:bob", tenant=self.own)
        for key in STORED:
            tags = (("t", chance.choice("xy")),) if chance.random() < 0.5 else ()
            acl = self.acl() if chance.random() < 0.5 else None
            owner = self.numbers[chance.choice(("ann", "alice", "mal", "carl"))]
            world.put_current(self.number, key, tags=tags, acl=acl, owner=owner)
        self.mine = ["user:ann", "user:alice", "user:bob", "anyone"]
        self.theirs = [f"user:{self.far}/{name}" for name in ("mal", "carl")]

    def acl(self) -> bytes:
        users = [Grant(Kind.USER, self.numbers[name], self.permission()) for name in ("alice", "carl", "mal")]
        groups = [Grant(kind, 0, self.permission()) for kind in (Kind.ALL_USERS, Kind.AUTHENTICATED_USERS)]
        return encode_acl(tuple(self.chance.sample(users + groups, self.chance.randint(1, 2))))

    def permission(self) -> Permission:
        return self.chance.choice((Permission.READ, Permission.WRITE, Permission.FULL_CONTROL))

    def relate(self, subject: str, relation: str, place: str) -> None:
        who = {"isolated": "itself", "owner": "user:alice"}.get(relation, subject)
        if relation != "isolated" or place.endswith("/"):
            self.relations.grant(who, relation, f"s3://{self.bucket}{place}", tenant=self.own)

    def principal(self) -> Any:
        account, far = f"{self.numbers[self.own]:012}", f"{self.numbers[self.far]:012}"
        users = (f"{account}:user/alice", f"{far}:user/carl", f"{far}:root", f"{account}:root")
        return self.chance.choice(("*", *({"AWS": f"arn:aws:iam::{user}"} for user in users)))

    def statement(self, *, principal: bool) -> dict[str, Any]:
        chance = self.chance
        path = chance.choice(PATHS)
        actions = chance.choice(("s3:*", "s3:GetObject", "s3:PutObject", "s3:*Object")) if path else "s3:*"
        found = {
            "Effect": "Allow" if chance.random() < 0.7 else "Deny",
            "Action": actions,
            ("Resource" if chance.random() < 0.85 else "NotResource"): f"arn:aws:s3:::{self.bucket}{path}",
            "Condition": chance.choice(CONDITIONS),
        }
        return found | ({"Principal": self.principal()} if principal else {})

    def document(self, *, principal: bool) -> str:
        statements = [self.statement(principal=principal) for _ in range(self.chance.randint(1, 3))]
        return json.dumps({"Version": "2012-10-17", "Statement": statements})

    def fill(self) -> None:
        """Every source, each in half of the worlds."""
        chance, world = self.chance, self.world
        subjects = ("user:alice", "group:devs", "authenticated", "anyone", *self.theirs, f"tenant:{self.far}")
        for _ in range(chance.randint(0, 6)):
            self.relate(chance.choice(subjects), chance.choice(RELATIONS), chance.choice(PLACES))
        if chance.random() < 0.7:
            self.policy(self.document(principal=True))
        holders = (("user", "alice", self.own), ("group", "devs", self.own), ("user", "carl", self.far))
        for word, name, tenant in holders:
            if chance.random() < 0.4:
                world.identities.put_inline(Who(word, name, tenant), "p", self.document(principal=False))
        changes: dict[str, Any] = {}
        if chance.random() < 0.4:
            changes["ownership"] = chance.choice((Ownership.OBJECT_WRITER, Ownership.BUCKET_OWNER_PREFERRED))
            changes["acl"] = self.acl()
        if chance.random() < 0.3:
            changes["public_access_block"] = PublicAccessBlock(chance.randint(0, 15))
        self.change(**changes)
        if chance.random() < 0.5:
            sharer = Sharer(self.numbers[self.own], self.numbers["ann"], admin=True)
            offered = Offer(f"s3://{self.bucket}/a/", chance.choice(("view", "edit")))
            try:
                self.mine.append(f"share:#{world.shares.create(sharer, offered)['share']}")
            except Exception as error:  # noqa: BLE001 - what a random world denies to who would share
                assert "may not" in str(error) or "not share" in str(error) or "only" in str(error), error

    def policy(self, document: str) -> None:
        self.world.call("PutBucketPolicy", self.bucket, body=document.encode(), caller=self.ann)

    def change(self, **changes: Any) -> None:
        row = keys.bucket(self.bucket.encode())
        record = BucketRecord.decode(self.world.store.get(row)).replace(**changes)
        self.world.store.commit([], [("put", row, record.encode())])

    def can(self, subject: str, action: str, key: bytes | None, facts: Facts) -> bool:
        path = "" if key is None else f"/{key.decode()}"
        return self.relations.check(subject, action, f"s3://{self.bucket}{path}", self.ask(facts)).allowed

    def ask(self, facts: Facts) -> Ask:
        return Ask(facts, tenant=self.own)

    def where(self, subject: str, action: str, facts: Facts, limit: int) -> list[Resources]:
        pages, part = [], Part(None, limit)
        while True:
            page = self.relations.what_can(subject, action, self.bucket, self.ask(facts), part)
            assert len(page.ranges) <= limit
            pages.append(page)
            if page.cursor is None:
                return pages
            part = Part(page.cursor, limit)

    def who(self, action: str, key: bytes | None, facts: Facts, limit: int) -> list[Subjects]:
        path = "" if key is None else f"/{key.decode()}"
        pages, part = [], Part(None, limit)
        while True:
            page = self.relations.who_can(action, f"s3://{self.bucket}{path}", self.ask(facts), part)
            pages.append(page)
            if page.cursor is None:
                return pages
            part = Part(page.cursor, limit)


@pytest.fixture(scope="module")
def core_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world over the real stores, so that the whole decision answers."""
    core = Core(str(tmp_path_factory.mktemp("core")), sync=False)
    world = World(store=core)
    engine = core.relations()

    def clock() -> int:
        return world.now_us

    world.relations = Relations(engine, core, clock_us=clock, actions=ACTIONS, whole=WholeDecision(core, core))
    world.groups = Groups(GROUP, core, world.relations, clock)
    world.shares = Shares(core, engine, clock, generate_key)
    yield world
    core.drain(1)


def within(spans: Any, key: bytes) -> bool:
    return any(span.start <= key and (span.end is None or key < span.end) for span in spans)


@pytest.mark.parametrize("seed", range(WORLDS))
def test_both_equal_a_filter_in_any_world(core_world: World, seed: int) -> None:
    chance = random.Random(seed)
    stage = Stage(core_world, f"{seed:03}", chance)
    stage.fill()
    facts = chance.choice((Facts(), Facts("10.1.2.3", tls=True), Facts("11.1.2.3", tls=False)))
    for subject in stage.mine + stage.theirs:
        for action in chance.sample(ON_KEYS, 2):
            pages = stage.where(subject, action, facts, chance.choice((1, 2, 5, 1000)))
            ranges = [one for page in pages for one in page.ranges]
            varying = [one for page in pages for one in page.only_stored]
            for key in PROBES:
                expected = stage.can(subject, action, key, facts) and (key in STORED or not within(varying, key))
                assert within(ranges, key) is expected, (subject, action, key, ranges, varying)
            names = [key.decode() for key in PROBES]
            bulk = stage.relations.check_keys(subject, action, stage.bucket, names, stage.ask(facts))
            assert bulk.allowed == tuple(stage.can(subject, action, key, facts) for key in PROBES), (subject, action)
    for action, key in [(chance.choice(ON_KEYS), key) for key in PROBES[::3]] + [(one, None) for one in ON_BUCKETS]:
        pages = stage.who(action, key, facts, chance.choice((1, 2, 1000)))
        listed = [one for page in pages for one in (*page.subjects, *page.administrators)]
        assert len(listed) == len(set(listed))
        expected_here = {one for one in stage.mine if stage.can(one, action, key, facts)}
        assert set(listed) - set(stage.theirs) == expected_here, (action, key)
        for one in stage.theirs:
            named = one in listed
            covered = any(page.classes or page.unlisted for page in pages)
            assert stage.can(one, action, key, facts) <= (named or covered), (action, key, one)
            assert named <= stage.can(one, action, key, facts), (action, key, one)


@pytest.fixture
def stage(core_world: World, request: pytest.FixtureRequest) -> Stage:
    """An empty stage of the test's own."""
    return Stage(core_world, f"-{crc32(request.node.name.encode()):08x}", random.Random(0))


def test_where_the_public_is_kept_out_a_nearer_public_grant_hides_a_named_one(stage: Stage) -> None:
    carl = stage.theirs[1]
    stage.relate(carl, "reader", "/a/")
    stage.relate("anyone", "reader", "/a/b/")
    stage.change(public_access_block=PublicAccessBlock.RESTRICT_PUBLIC_BUCKETS)
    (page,) = stage.where(carl, "s3:GetObject", Facts(), 1000)
    assert [one.start for one in page.ranges] == [b"a/1", b"a/2"]
    assert [one.shown for one in page.only_stored] == [f"s3://{stage.bucket}"]
    assert not stage.can(carl, "s3:GetObject", b"a/b/1", Facts())


def test_what_cannot_be_listed_is_said(stage: Stage) -> None:
    far = f"{stage.numbers[stage.far]:012}"
    carl = {"AWS": f"arn:aws:iam::{far}:user/carl"}
    address = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{stage.bucket}/a/*"}
    named = [
        statement | {"Sid": "All", "Principal": "*", "Condition": address},
        statement | {"Sid": "Account", "Principal": {"AWS": f"arn:aws:iam::{far}:root"}},
        statement | {"Sid": "Carl", "Principal": carl},
    ]
    stage.policy(json.dumps({"Version": "2012-10-17", "Statement": named}))
    (page,) = stage.who("s3:GetObject", b"a/1", Facts(), 1000)
    assert page.unlisted == (
        f"{EVERYBODY_ELSE}, depending on aws:SourceIp: statement 1 (All) of the bucket's policy",
        f"users of account {far} whom that account allows it: statement 2 (Account) of the bucket's policy",
    )
    assert [(one.sid, one.effect, one.on) for one in page.depends_on] == [("All", "allow", ("aws:SourceIp",))]
    assert (page.subjects, page.administrators, page.elsewhere) == ((), ("user:ann",), ())
    (there,) = stage.who("s3:GetObject", b"a/1", Facts("10.1.2.3"), 1000)
    assert there.subjects == ("anyone", "user:alice", "user:bob")


def test_within_a_tenant_nobody_learns_what_another_lets_its_users_do(stage: Stage) -> None:
    carl = f"arn:aws:iam::{stage.numbers[stage.far]:012}:user/carl"
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{stage.bucket}/*"}
    document = {"Version": "2012-10-17", "Statement": [statement | {"Principal": {"AWS": carl}}]}
    stage.policy(json.dumps(document))
    seen = stage.relations.seen_from(stage.numbers[stage.own])
    before = seen.who_can("s3:GetObject", f"s3://{stage.bucket}/a/1")
    told = f"{carl}, as far as its own tenant lets it: statement 1 of the bucket's policy"
    assert (before.elsewhere, before.subjects, before.unlisted) == ((), (), (told,))
    allowing = {"Version": "2012-10-17", "Statement": [statement]}
    stage.world.identities.put_inline(Who("user", "carl", stage.far), "p", json.dumps(allowing))
    assert seen.who_can("s3:GetObject", f"s3://{stage.bucket}/a/1").unlisted == before.unlisted
    (page,) = stage.who("s3:GetObject", b"a/1", Facts(), 1000)
    assert page.subjects == (stage.theirs[1],)
    document["Statement"].append(statement | {"Effect": "Deny", "Principal": {"AWS": carl}})
    stage.policy(json.dumps(document))
    assert seen.who_can("s3:GetObject", f"s3://{stage.bucket}/a/1").unlisted == ()


def test_whom_a_policy_names_elsewhere_is_told_as_written_whether_it_is_there_or_not(stage: Stage) -> None:
    """Else a policy is a question: is there such a user, such an account, and what is it called?"""
    far, missing = f"{stage.numbers[stage.far]:012}", "000987654321"
    seen = stage.relations.seen_from(stage.numbers[stage.own])
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{stage.bucket}/*"}
    told = set()
    for account in (far, missing, stage.far, "nowhere"):
        for name in ("user/carl", "user/nobody", "role/nobody", "root"):
            arn = f"arn:aws:iam::{account}:{name}"
            stage.policy(json.dumps({"Version": "2012-10-17", "Statement": [statement | {"Principal": {"AWS": arn}}]}))
            answer = seen.who_can("s3:GetObject", f"s3://{stage.bucket}/a/1")
            assert answer.elsewhere == ()
            told.add(str(answer.unlisted).replace(arn, "ARN").replace(account, "ACCOUNT"))
    assert len(told) == 2, "one for users and roles, one for accounts"


def test_cursors_of_weighed_answers_are_their_own(core_world: World) -> None:
    stage = Stage(core_world, "cursors", random.Random(1))
    relations, bucket, here = stage.relations, f"s3://{stage.bucket}", stage.ask(Facts())
    for n, name in enumerate(("alice", "bob", "ann")):
        relations.grant("user:alice", "reader", f"{bucket}/{n}/", tenant=stage.own)
        relations.grant(f"user:{name}", "reader", f"{bucket}/all/", tenant=stage.own)

    def where(cursor: str | None) -> str | None:
        return relations.what_can("user:alice", "s3:GetObject", stage.bucket, here, Part(cursor, 1)).cursor

    def who(cursor: str | None) -> str | None:
        return relations.who_can("s3:GetObject", f"{bucket}/all/x", here, Part(cursor, 1)).cursor

    def plain(cursor: str | None) -> str | None:
        return relations.who_can("read", f"{bucket}/all/x", here, Part(cursor, 1)).cursor

    forged = [packed(b"S" + one) for one in (b"x", b"r" + bytes(9), b"r\0")]
    cursors = {one: one(None) for one in (where, who, plain)}
    assert None not in cursors.values() and who(cursors[who]) != cursors[who]
    for one in cursors:
        for other in [cursor for kind, cursor in cursors.items() if kind is not one] + forged:
            with pytest.raises(WordError, match="is no cursor of this question"):
                one(other)
