"""Every change of rights, stopped at every commit it makes: before it, and after it when nobody was told.

A commit is one transaction of LMDB (`rust/crates/meta/tests/power.rs` cuts those in the middle), so these are all the
places at which a change can be half done. After each stop the directory as it is on the disk is opened anew and must be
sound, say one thing in all its rows, and allow nothing that was not allowed before or would have been after. The
process that goes on instead must decide as one that starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rights import BUCKET, CHANGES, Change, Copies, Disk, furnish, lost

from authz.directory import UnknownNameError
from authz.policy import NOBODY, compile_bucket_policy, parse_bucket_policy
from gateway.errors import AccountError, S3Error
from gateway.ops import policy
from storage.records import keys
from storage.records.bucket import BucketRecord
from storage.records.pointer import decode_document
from storage.records.share import SharePointer, ShareRecord

MOST_COMMITS = 20
SILENT = {"remove_managed_policy"}
"""Takes nothing from anybody: one that somebody has is not removed."""


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory from which every test takes a copy."""
    home = tmp_path_factory.mktemp("rights")
    disk = Disk(home / "first", 0)
    furnish(disk.world)
    return lost(disk.path, home / "furnished")


class Stops:
    """One change on copies of one directory, stopped where it is told."""

    def __init__(self, change: Change, furnished: Path, home: Path) -> None:
        self.change, self._furnished, self._copies = change, furnished, Copies(home)
        self.copy = self._copies.of
        self.before = self.copy(furnished)
        self.after = self.copy(furnished)
        self.after.do(change)
        self.commits = self.after.faults.count
        self.allowed = self.before.allowed(), self.after.allowed()

    def stopped(self) -> Iterator[tuple[str, int, Disk]]:
        """Every place to stop at. Who asked for the change was told each time that it failed."""
        for where, done, disk, told in self._copies.stopped(self._furnished, self.change, self.commits):
            assert told, where
            yield where, done, disk


def agrees(disk: Disk) -> None:
    """Rows that say the same twice say the same."""
    value = disk.core.get(keys.bucket(BUCKET.encode()))
    assert value is not None
    record = BucketRecord.decode(value)
    document, kept = (disk.core.get(keys.document(record.id, name)) for name in ("policy", "policyPrincipals"))
    assert (record.policy is None) == (document is None) == (kept is None)
    if document is not None and kept is not None:
        found = policy._decoded(decode_document(kept))
        parsed = parse_bucket_policy(decode_document(document), BUCKET)
        assert record.policy == compile_bucket_policy(parsed, lambda principal: found.get(principal.text, NOBODY))
    shares = [ShareRecord.decode(value) for _, value in disk.core.scan(*keys.kind_range(keys.SHARE), 100)]
    secrets = (SharePointer.decode(value) for _, value in disk.core.scan(*keys.kind_range(keys.SHARE_SECRET), 100))
    # A share that was revoked is still found by its secret: what it refuses is written down.
    assert {(one.tenant, one.share) for one in secrets} == {(one.tenant, one.share) for one in shares}
    inbox = disk.core.get(keys.bucket(b"inbox"))
    assert inbox is not None
    there = BucketRecord.decode(inbox)
    assert there.mounts == len(disk.core.scan(*keys.mount_range(there.id), 100))


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_change_that_is_stopped_is_whole_or_absent_and_opens_nothing(
    change: Change, furnished: Path, tmp_path: Path
) -> None:
    stops = Stops(change, furnished, tmp_path)
    assert 1 <= stops.commits <= MOST_COMMITS
    begin, end = stops.allowed
    if change.takes:
        assert end < begin or change.name in SILENT
    for where, done, disk in stops.stopped():
        again = stops.copy(disk.path)
        agrees(again)
        mid = again.allowed()
        assert mid <= begin | end, where
        assert not change.takes or mid <= begin, where
        assert disk.allowed() == mid, f"{where}: the process that goes on decides otherwise than one that starts"
        rows, audit = again.rows()
        first, log = stops.before.rows()
        # Each commit says in the audit log what it did; none says what did not happen.
        assert len(audit) - len(log) >= done, where
        assert (rows == first) == (len(audit) == len(log)) == (done == 0), where
        for repeated in (disk, again):
            repeat(repeated, change, where)
        assert again.allowed() == disk.allowed(), f"{where}: repeated"
        assert again.allowed() >= end if change.another else again.allowed() == end, f"{where}: repeated"
        agrees(again)


def repeat(disk: Disk, change: Change, where: str) -> None:
    """Nobody was told that it happened, so it is asked for again."""
    try:
        disk.do(change)
    except (AccountError, S3Error, UnknownNameError) as error:
        assert change.once, f"{where}: {error}"


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_an_acknowledged_change_is_there_after_the_power_went(change: Change, furnished: Path, tmp_path: Path) -> None:
    stops = Stops(change, furnished, tmp_path)
    again = stops.copy(stops.after.path)
    agrees(again)
    assert again.rows() == stops.after.rows()
    assert again.allowed() == stops.allowed[1]
