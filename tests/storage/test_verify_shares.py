"""`storage.verify` over the rows of sharing: each rule broken once."""

import dataclasses

import pytest
from checking import checked

from storage.records import keys
from storage.records.share import Cap, DownloadsRecord, MountRecord, SharePointer, ShareRecord

SECRET = bytes(range(32))
SHARE = ShareRecord(1, 2, 1, 1, 5, SECRET, "photos", b"2024/", Cap.READER)
SOUND = {
    keys.next_share(1): (2).to_bytes(8, "little"),
    keys.share(1, 2): SHARE.encode(),
    keys.share_secret(SECRET): SharePointer(1, 2).encode(),
    keys.downloads(1, 2): DownloadsRecord(1, 5).encode(),
}


def changed(**fields):
    return dataclasses.replace(SHARE, **fields).encode()


def test_shares_that_agree_are_sound(tmp_path):
    report = checked(tmp_path, SOUND)
    assert (report.problems, report.counts["shares"]) == ([], 1)


BROKEN = {
    "holds share 3 of tenant 1": {keys.share(1, 2): changed(share=3)},
    "was made by user 9, who is missing": {keys.share(1, 2): changed(creator=9)},
    "is of no place that can be shared": {keys.share(1, 2): changed(path=b"no-slash")},
    "flags 0x10 are not known": {keys.share(1, 2): SHARE.encode()[:2] + b"\x10" + SHARE.encode()[3:]},
    "cannot be found by its secret": {keys.share_secret(SECRET): None},
    "which has another secret": {keys.share_secret(bytes(32)): SharePointer(1, 2).encode()},
    "counts downloads of a share that is missing": {keys.downloads(1, 3): DownloadsRecord().encode()},
    "reserved bytes are not 0": {keys.downloads(1, 2): b"\x01\x00\x00\x01" + bytes(20)},
    "is longer than 12 bytes": {keys.share_secret(SECRET): SharePointer(1, 2).encode() + b"\0"},
    "is 1, below a number that was given": {keys.next_share(1): (1).to_bytes(8, "little")},
    "are not counted": {keys.next_share(1): None},
    "mounts a share where no bucket is": {keys.mount(77, b"partner/"): MountRecord(1, 2, 1, 5).encode()},
}


@pytest.mark.parametrize("words", BROKEN)
def test_each_rule_broken_is_a_problem(tmp_path, words):
    report = checked(tmp_path, SOUND | BROKEN[words])
    assert words in "\n".join(map(str, report.problems))


def test_a_revoked_share_needs_no_way_to_it(tmp_path):
    rows = SOUND | {keys.share(1, 2): changed(revoked=True), keys.share_secret(SECRET): None}
    assert checked(tmp_path, rows).problems == []


def test_a_share_may_outlive_its_tenant(tmp_path):
    rows = {
        keys.next_share(9): (2).to_bytes(8, "little"),
        keys.share(9, 2): changed(tenant=9),
        keys.share_secret(SECRET): SharePointer(9, 2).encode(),
    }
    report = checked(tmp_path, rows)
    assert (report.problems, [str(one) for one in report.notes]) == ([], ["share 2 of tenant 9: outlived its tenant"])
