"""A data directory in service whose commits can be made to fail, and every change of rights there is.

Belongs here: the faults, a directory with people, documents and relations in it, the changes, what is allowed in it.
Does not belong here: what must be true after a fault (`test_rights.py`).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gateway"))
from world import World

from authz.model import At, Kind, Place, Subject
from gateway.accounts.identity import Who as Holder
from gateway.auditing import About, AuditedStore, noting
from gateway.sharing.shares import Offer, Who
from storage.api import RelationError, StoreError, add
from storage.native import Core
from storage.records import keys
from storage.records.share import MountRecord, ShareRecord
from storage.verify import verify

BUCKET, OPEN, KEY = "photos", "open", b"a/k"
ACTIONS = (
    ("s3:GetObject", KEY),
    ("s3:PutObject", b"a/new"),
    ("s3:DeleteObject", KEY),
    ("s3:ListBucket", None),
    ("s3:GetBucketPolicy", None),
    ("s3:GetObjectAcl", KEY),
    ("s3:PutObjectAcl", KEY),
)
ENTROPY_STRIDE = 1000
"""Numbers that one opening of a directory makes keys and ids from: the next one makes others."""
INTERVAL_US = 1_000_000

_opening = itertools.count(1)


@dataclass
class Faults:
    """Counts commits, and makes one fail: before it happens, or after, when nobody knows whether it did."""

    at: int = 0
    after: bool = False
    count: int = 0

    def around(self, commit: Callable[[], Any]) -> Any:
        self.count += 1
        hit = self.count == self.at
        if hit and not self.after:
            raise StoreError("injected before the commit")
        done = commit()
        if hit:
            raise StoreError("injected after the commit")
        return done


class FaultyStore:
    """A store whose commits may fail."""

    def __init__(self, core: Core, faults: Faults) -> None:
        self._core, self._faults = core, faults
        self.get, self.scan = core.get, core.scan

    def commit(self, guards: Sequence[Any], ops: Sequence[Any], audit: Sequence[tuple[int, bytes]] = ()) -> int:
        return self._faults.around(lambda: self._core.commit(guards, ops, audit))


class FaultyEngine:
    """An engine whose writes may fail. Everything else is the engine's own."""

    def __init__(self, engine: Any, faults: Faults) -> None:
        self._engine, self._faults = engine, faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def write(self, *given: Any, **more: Any) -> int:
        return self._faults.around(lambda: self._engine.write(*given, **more))

    def apply_schema(self, *given: Any, **more: Any) -> Any:
        return self._faults.around(lambda: self._engine.apply_schema(*given, **more))

    def remove_schema(self, *given: Any, **more: Any) -> Any:
        return self._faults.around(lambda: self._engine.remove_schema(*given, **more))


@dataclass(frozen=True)
class Doing:
    """Something that takes commits."""

    name: str
    run: Callable[[World], Any]


@dataclass
class Disk:
    """An open data directory. Opening one is what a start after a crash does."""

    path: Path
    opening: int
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        self.core = Core(str(self.path), sync=False)
        store = AuditedStore(FaultyStore(self.core, self.faults))
        engine = FaultyEngine(self.core.relations(), self.faults)
        self.world = World(store=store, engine=engine, entropy_from=1 + self.opening * ENTROPY_STRIDE)
        self.world.now_us += self.opening * INTERVAL_US

    def do(self, change: Doing, faults: Faults | None = None) -> None:
        """Runs a change as the admin API runs one: its commits say so in the audit log."""
        self.faults.at, self.faults.after, self.faults.count = 0, False, 0
        if faults is not None:
            self.faults.at, self.faults.after = faults.at, faults.after
        with noting(About(self.world.root.tenant, f"panthera:{change.name}")):
            change.run(self.world)

    def rows(self) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
        """All rows but the audit log's, and those, without the counters of its size."""
        found = dict(self.core.scan(b"", b"\xff" * 8, 100_000))
        audit = {key: value for key, value in found.items() if key[:1] == keys.AUDIT}
        ours = {key: value for key, value in found.items() if not key.startswith(keys.AUDIT_TALLY)}
        return {key: value for key, value in ours.items() if key not in audit}, audit

    def allowed(self) -> set[str]:
        """Everything that somebody may do here: the decision of the data plane, keys that sign, shares that give."""
        found = {
            f"{name} {action} {bucket}"
            for name, subject, admin in self.people()
            for action, key in ACTIONS
            for bucket in (BUCKET, OPEN)
            if self.decides((subject.bits, admin), action, bucket, key)
        }
        found |= {f"key {key}" for key, secret in SIGNING if self.world.accounts.credential(key, secret)}
        return found | self._shares()

    def decides(self, who: tuple[int, bool], action: str, bucket: str, key: bytes | None) -> bool:
        """What the data plane decides."""
        record = self.core.get(keys.bucket(bucket.encode()))
        assert record is not None
        try:
            when = (self.world.now_us, "127.0.0.1", False, None)
            return self.core.explain(who, action, (bucket, record), key, when)[0]
        except RelationError:
            return False  # as the data plane takes it

    def people(self) -> list[tuple[str, Subject, bool]]:
        """Everybody who can ask, by name, and whether they administer their tenant."""
        people = [("nobody", Subject(Kind.ANYONE), False)]
        for shown in self.world.accounts.users():
            tenant = next(one["id"] for one in self.world.accounts.tenants() if one["name"] == shown["tenant"])
            people.append((shown["name"], Subject(Kind.USER, tenant, shown["id"]), shown["admin"]))
        return people

    def _shares(self) -> set[str]:
        """Shares that give reading, by their order, and mounts of them that stand."""
        giving = []
        tenant = self.world.root.tenant
        now = (self.world.now_us, None, None, None)
        for _, value in self.core.scan(*keys.share_range(tenant), 1000):
            share = ShareRecord.decode(value)
            place = Place(At.PREFIX, share.bucket, share.path).value
            who = (Subject(Kind.SHARE, tenant, share.share).bits, False)
            reads = self.world.engine.answer(who, 0, tenant, place, now)[0]
            if reads and not share.revoked:
                giving.append(share.share)
        mounts = (MountRecord.decode(value) for _, value in self.core.scan(*keys.kind_range(keys.MOUNT), 1000))
        standing = [mount for mount in mounts if mount.share in giving]
        return {f"share {n}" for n in range(len(giving))} | {f"mount {n}" for n in range(len(standing))}


def lost(path: Path, to: Path) -> Path:
    """A copy of a directory as it is on the disk, whoever has it open: what is left when the power goes now."""
    shutil.copytree(path, to, ignore=shutil.ignore_patterns("lock.mdb"))
    return to


class Copies:
    """Starts on what is on the disk of a directory; the offline checker reads it first."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def of(self, path: Path) -> Disk:
        number = next(_opening)
        to = lost(path, self._home / str(number))
        assert verify(to).problems == []
        return Disk(to, number)

    def stopped(self, furnished: Path, doing: Doing, commits: int) -> Iterator[tuple[str, int, Disk, bool]]:
        """Every place to stop at: its name, how many commits happened, the process that saw the failure, and whether it
        was told to who asked.
        """
        for at in range(1, commits + 1):
            for after in (False, True):
                disk, told = self.of(furnished), False
                try:
                    disk.do(doing, Faults(at, after))
                except StoreError as error:
                    assert "injected" in str(error)
                    told = True
                assert disk.faults.count == at
                yield f"{'after' if after else 'before'} commit {at} of {commits}", at - 1 + after, disk, told


@dataclass(frozen=True)
class Change(Doing):
    """A change of rights. `takes`: nothing may be allowed during it that was not before."""

    takes: bool = False
    once: bool = False
    """Repeated, it says that it was done."""
    another: bool = False
    """Repeated, it makes another one."""


SIGNING = (("ALICEKEY000000000000", "alice-secret-for-tests-only"), ("CAROLKEY000000000000", "carol-secret-for-tests"))


CAROL = {"AWS": "arn:aws:iam::default:user/carol"}


def policy(effect: str, principal: Any = "*", action: str = "s3:GetObject") -> bytes:
    statement = {"Effect": effect, "Action": action, "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    if principal is not None:
        statement["Principal"] = principal
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}).encode()


def _ownership(word: str) -> bytes:
    rule = f"<Rule><ObjectOwnership>{word}</ObjectOwnership></Rule>"
    return f"<OwnershipControls>{rule}</OwnershipControls>".encode()


def _block(*words: str) -> bytes:
    inside = "".join(f"<{word}>true</{word}>" for word in words)
    return f"<PublicAccessBlockConfiguration>{inside}</PublicAccessBlockConfiguration>".encode()


def _s3(op: str, key: bytes = b"", **more: Any) -> Callable[[World], Any]:
    return lambda world: world.call(op, BUCKET, key, **more)


def _root(world: World) -> Who:
    return Who(world.root.tenant, world.root.user, True)


def _ann(world: World) -> Who:
    ann = world.other()
    return Who(ann.tenant, ann.user, True)


ALICE, DEVS = Holder("user", "alice", "default"), Holder("group", "devs", "default")
READS = policy("Allow", None, "s3:GetObjectAcl").decode()
LISTS = policy("Allow", None, "s3:PutObjectAcl").decode()
DENIES = policy("Deny", None).decode()
READERS, WRITERS = "(owner + admin + reader) - (deny_read", "(owner + admin + writer) - (deny_read"


def furnish(world: World) -> None:
    """People, a bucket with an object, and one of each kind of right."""
    accounts = world.accounts
    for name, (key, secret) in zip(("alice", "carol"), SIGNING, strict=True):
        accounts.add_user("default", name)
        accounts.add_key("default", name, access_key=key, secret_key=secret)
    world.bucket(BUCKET)
    world.put_current(world.number(BUCKET), KEY, etag=hashlib.md5(b"").digest())
    world.store.commit([], [add(keys.tally(world.number(BUCKET), keys.TallyOf.OBJECTS), 1, 0)])
    world.call("PutBucketOwnershipControls", BUCKET, body=_ownership("ObjectWriter"))
    world.call("PutBucketPolicy", BUCKET, body=policy("Allow", CAROL, "s3:PutObject"))
    world.bucket(OPEN)
    world.call("PutBucketOwnershipControls", OPEN, body=_ownership("ObjectWriter"))
    world.call("PutBucketAcl", OPEN, headers={"x-amz-acl": "public-read-write"})
    world.call("PutObjectAcl", BUCKET, KEY, headers={"x-amz-acl": "public-read"})
    for group in ("devs", "all"):
        world.groups.add(group)
    world.groups.add_member("devs", "user:alice")
    world.groups.add_member("all", "group:devs")
    world.relations.grant("group:all", "contributor", f"s3://{BUCKET}/a/")
    world.identities.add_policy("reads", READS)
    world.identities.add_policy("unused", READS)
    world.identities.attach(ALICE, "reads")
    world.identities.put_inline(DEVS, "own", LISTS)
    made = world.shares.create(_root(world), Offer(f"s3://{BUCKET}/a/"))
    world.other()
    world.call("CreateBucket", "inbox", caller=world.other())
    world.mounts.add(_ann(world), made["token"], "s3://inbox/theirs/")


def _schema(world: World) -> str:
    """Whoever may write may read, and readers may not any more."""
    source: str = world.relations.schemas.show().source
    changed = source.replace(READERS, WRITERS)
    assert changed != source or WRITERS in source
    return changed


def _new_mount(world: World) -> None:
    made = world.shares.create(_root(world), Offer(f"s3://{BUCKET}/a/"))
    world.mounts.add(_ann(world), made["token"], f"s3://inbox/more-{made['share']}/")


CHANGES = (
    Change("grant", lambda w: w.relations.grant("user:carol", "viewer", f"s3://{BUCKET}/a/")),
    Change("revoke", lambda w: w.relations.revoke("group:all", "contributor", f"s3://{BUCKET}/a/"), takes=True),
    Change("deny", lambda w: w.relations.grant("user:alice", "deny_all", f"s3://{BUCKET}"), takes=True),
    Change("apply_schema", lambda w: w.relations.schemas.apply(_schema(w))),
    Change("put_policy", _s3("PutBucketPolicy", body=policy("Allow"))),
    Change("put_policy_that_denies", _s3("PutBucketPolicy", body=policy("Deny")), takes=True),
    Change("delete_policy", _s3("DeleteBucketPolicy"), takes=True),
    Change("block_public_access", _s3("PutPublicAccessBlock", body=_block("IgnorePublicAcls")), takes=True),
    Change("unblock_public_access", _s3("DeletePublicAccessBlock")),
    Change("enforce_ownership", _s3("PutBucketOwnershipControls", body=_ownership("BucketOwnerEnforced")), takes=True),
    Change("delete_ownership", _s3("DeleteBucketOwnershipControls")),
    Change("open_bucket", _s3("PutBucketAcl", headers={"x-amz-acl": "public-read-write"})),
    Change("close_bucket", lambda w: w.call("PutBucketAcl", OPEN, headers={"x-amz-acl": "private"}), takes=True),
    Change("open_object", _s3("PutObjectAcl", KEY, headers={"x-amz-acl": "authenticated-read"})),
    Change("close_object", _s3("PutObjectAcl", KEY, headers={"x-amz-acl": "private"}), takes=True),
    Change("add_managed_policy", lambda w: w.identities.add_policy("new", READS), once=True),
    Change("change_managed_policy", lambda w: w.identities.change_policy("reads", DENIES), takes=True),
    Change("remove_managed_policy", lambda w: w.identities.remove_policy("unused"), takes=True, once=True),
    Change("attach", lambda w: w.identities.attach(Holder("user", "carol", "default"), "reads")),
    Change("detach", lambda w: w.identities.detach(ALICE, "reads"), takes=True, once=True),
    Change("put_inline", lambda w: w.identities.put_inline(ALICE, "own", READS)),
    Change("remove_inline", lambda w: w.identities.remove_inline(DEVS, "own"), takes=True, once=True),
    Change("set_boundary", lambda w: w.identities.set_boundary(ALICE, "unused"), takes=True),
    Change("set_tags", lambda w: w.identities.set_tags(ALICE, [("team", "red")])),
    Change("add_group", lambda w: w.groups.add("new"), once=True),
    Change("add_member", lambda w: w.groups.add_member("devs", "user:carol")),
    Change("remove_member", lambda w: w.groups.remove_member("all", "group:devs"), takes=True),
    Change("export_group", lambda w: w.groups.flag("devs", "exported", on=True)),
    Change("remove_group", lambda w: w.groups.remove("devs"), takes=True, once=True),
    Change("create_share", lambda w: w.shares.create(_root(w), Offer(f"s3://{BUCKET}/a/")), another=True),
    Change("revoke_share", lambda w: w.shares.revoke(_root(w), 1), takes=True),
    Change("mount", _new_mount, another=True),
    Change("unmount", lambda w: w.mounts.remove(_ann(w), "s3://inbox/theirs/"), takes=True, once=True),
    Change("add_user", lambda w: w.accounts.add_user("default", "dave"), once=True),
    Change("disable_key", lambda w: w.accounts.disable_key(SIGNING[0][0], disabled=True), takes=True),
    Change("remove_key", lambda w: w.accounts.remove_key(SIGNING[0][0]), takes=True, once=True),
    Change("remove_user", lambda w: w.accounts.remove_user("default", "alice"), takes=True, once=True),
    Change("create_bucket", lambda w: w.call("CreateBucket", "new", headers={"x-amz-acl": "private"})),
)  # fmt: skip
