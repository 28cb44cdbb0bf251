"""Removing a tenant and deleting a bucket, stopped at every commit: what is left is sound, gives nothing that was not
given before, and is removed by asking again. What is made anew under the same name inherits nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from rights import ACTIONS, BUCKET, OPEN, READS, Copies, Disk, Doing, furnish, lost, policy
from world import World

from authz.directory import UnknownNameError
from gateway.accounts.identity import Who as Holder
from gateway.errors import AccountError, Code, S3Error
from storage.api import put
from storage.records import keys
from storage.records.object import ObjectRecord
from storage.records.pointer import encode_mark
from storage.records.upload import UploadRecord
from storage.verify import verify

TENANT, DOOMED = "gone", "doomed"
ZOE = ("ZOEKEY00000000000000", "zoe-secret-for-tests-only-00000")
THROUGH = (1, 2, 2)
"""Share, bearer's tenant, bearer of an upload that is open when its bucket goes."""
OF_BUCKETS = (keys.OBJECT, keys.VERSION, keys.NULL_VERSION, keys.UPLOAD, keys.UPLOAD_THROUGH, keys.PART, keys.FENCE)
OF_BUCKETS += (keys.DOCUMENT, keys.TALLY, keys.MOUNT)
OF_RELATIONS = (b"r", b"l", b"S", b"mauthz")
"""Rows that may stay behind a stop: they name numbers that are never given again. `verify` tells them as notes."""


@dataclass(frozen=True)
class Removal(Doing):
    """`anew` makes what was removed under the same name, as full as it ever begins."""

    anew: Callable[[World], object]
    gone: Callable[[World], bool]
    most_left: int
    """Commits after which it can no longer be asked for: what they leave is housekeeping."""


def _fill_tenant(world: World) -> None:
    world.accounts.add_tenant(TENANT)
    for name in ("zoe", "pat"):
        world.accounts.add_user(TENANT, name, admin=name == "pat")
    world.accounts.add_key(TENANT, "zoe", access_key=ZOE[0], secret_key=ZOE[1])


def _fill_bucket(world: World) -> None:
    world.call("CreateBucket", DOOMED)


def furnish_more(world: World) -> None:
    """What is removed, with everything that can hang on it."""
    furnish(world)
    _fill_tenant(world)
    world.groups.add("crew", tenant=TENANT)
    world.groups.add_member("crew", "user:zoe", tenant=TENANT)
    world.roles.add("duty", tenant=TENANT)
    world.identities.add_policy("reads", READS, tenant=TENANT)
    world.identities.attach(Holder("user", "zoe", TENANT), "reads")
    world.identities.put_inline(Holder("group", "crew", TENANT), "own", READS)
    world.relations.schemas.apply(world.relations.schemas.show(TENANT).source, TENANT)
    world.relations.grant(f"user:{TENANT}/zoe", "viewer", f"s3://{BUCKET}/a/")
    _fill_bucket(world)
    body = b"<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>"
    world.call("PutBucketOwnershipControls", DOOMED, body=body)
    world.call("PutBucketAcl", DOOMED, headers={"x-amz-acl": "public-read-write"})
    world.call("PutBucketPolicy", DOOMED, body=policy("Allow").replace(BUCKET.encode(), DOOMED.encode()))
    for subject in ("user:carol", f"user:{TENANT}/zoe"):
        world.relations.grant(subject, "editor", f"s3://{DOOMED}/a/")
    number, ordinal = world.number(DOOMED), world.now_us
    upload = UploadRecord(ObjectRecord(ordinal=ordinal, owner=world.root.user), through=THROUGH)
    rows = {
        keys.upload(number, b"a/big", ordinal): upload.encode(),
        keys.upload_through(number, *THROUGH[:2], b"a/big", ordinal): encode_mark(),
    }
    world.store.commit([], [put(key, value) for key, value in rows.items()])


REMOVALS = (
    Removal(
        "remove_tenant",
        lambda w: w.forgetting.tenant(w.accounts.remove_tenant(TENANT)),
        _fill_tenant,
        lambda w: w.store.get(keys.tenant_name(TENANT.encode())) is None,
        most_left=2,
    ),
    Removal(
        "delete_bucket",
        lambda w: w.call("DeleteBucket", DOOMED),
        _fill_bucket,
        lambda w: w.store.get(keys.bucket(DOOMED.encode())) is None,
        most_left=1,
    ),
)


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory from which every test takes a copy."""
    home = tmp_path_factory.mktemp("removals")
    disk = Disk(home / "first", 0)
    furnish_more(disk.world)
    return lost(disk.path, home / "furnished")


def allowed(disk: Disk) -> set[str]:
    """Everything that somebody may do here: by everybody there is, on every bucket there is, and by Zoe's key."""
    buckets = [bucket for bucket in (BUCKET, OPEN, DOOMED) if disk.core.get(keys.bucket(bucket.encode()))]
    found = {
        f"{name} {action} {bucket}"
        for name, subject, admin in disk.people()
        for action, key in ACTIONS
        for bucket in buckets
        if disk.decides((subject.bits, admin), action, bucket, key)
    }
    return found | {"key"} if disk.world.accounts.credential(*ZOE) else found


def lasting(disk: Disk) -> dict[bytes, bytes]:
    """All rows but those of relations and of the audit log."""
    return {key: value for key, value in disk.rows()[0].items() if not key.startswith(OF_RELATIONS)}


def left_of(disk: Disk, number: int) -> list[bytes]:
    """Rows of a bucket's number."""
    return [key for kind in OF_BUCKETS for key, _ in disk.core.scan(*keys.bucket_rows(kind, number), 100)]


def repeat(disk: Disk, removal: Removal, where: str) -> None:
    """Nobody was told that it happened, so it is asked for again."""
    was_gone = removal.gone(disk.world)
    try:
        disk.do(removal)
    except (AccountError, S3Error, UnknownNameError) as error:
        assert was_gone, f"{where}: {error}"
    assert removal.gone(disk.world), where


@pytest.mark.parametrize("removal", REMOVALS, ids=lambda removal: removal.name)
def test_a_removal_that_is_stopped_leaves_nothing_that_counts(
    removal: Removal, furnished: Path, tmp_path: Path
) -> None:
    copies = Copies(tmp_path)
    before, after = copies.of(furnished), copies.of(furnished)
    after.do(removal)
    commits, begin, end = after.faults.count, allowed(before), allowed(after)
    assert commits >= 2 and end < begin
    doomed = before.world.number(DOOMED)
    anew = copies.of(after.path)
    removal.anew(anew.world)
    # What comes behind the commit that matters is housekeeping: of a bucket it fails with a line in the log.
    for where, done, disk, _ in copies.stopped(furnished, removal, commits):
        again = copies.of(disk.path)
        mid = allowed(again)
        assert end <= mid <= begin, where
        assert allowed(disk) == mid, f"{where}: the process that goes on decides otherwise than one that starts"
        assert (again.rows() == before.rows()) == (done == 0), where
        assert removal.gone(again.world) == (done >= commits - removal.most_left), where
        if removal.gone(again.world):
            assert mid == end and lasting(again) == lasting(after), f"{where}: neither whole nor absent"
        for repeated in (disk, again):
            repeat(repeated, removal, where)
            assert (allowed(repeated), lasting(repeated)) == (end, lasting(after)), where
        last = copies.of(again.path)
        assert not left_of(last, doomed) or removal.name != "delete_bucket", where
        removal.anew(last.world)
        assert allowed(last) == allowed(anew), f"{where}: what has the old name has something of the old one"
        assert verify(lost(last.path, tmp_path / f"anew {where}")).problems == []


@pytest.mark.parametrize("removal", REMOVALS, ids=lambda removal: removal.name)
def test_what_is_made_anew_under_a_name_begins_with_nothing(removal: Removal, furnished: Path, tmp_path: Path) -> None:
    disk = Copies(tmp_path).of(furnished)
    number = disk.world.number(DOOMED)
    disk.do(removal)
    removal.anew(disk.world)
    strangers = {one for one in allowed(disk) if one.startswith(("zoe", "pat", "nobody", "carol"))}
    if removal.name == "delete_bucket":
        assert not {one for one in strangers if one.endswith(DOOMED)}
        assert disk.world.number(DOOMED) != number and left_of(disk, number) == []
        with pytest.raises(S3Error) as error:
            disk.world.call("GetBucketPolicy", DOOMED)
        assert error.value.code is Code.NO_SUCH_BUCKET_POLICY
    else:
        public = {one.replace("nobody", name) for one in strangers for name in ("zoe", "pat")}
        assert {one for one in strangers if one.startswith(("zoe", "pat"))} <= public
        assert disk.world.groups.all(TENANT) == [] and disk.world.identities.policies(TENANT) == []
