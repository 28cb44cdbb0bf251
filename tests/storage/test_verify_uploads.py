"""`storage.verify` over the rows that find uploads behind mounts: each rule broken once."""

import pytest
from checking import problems

from storage.records import keys
from storage.records.bucket import BucketRecord
from storage.records.fence import FenceRecord
from storage.records.object import ObjectRecord
from storage.records.pointer import encode_id
from storage.records.upload import UploadRecord

BUCKET, KEY, ORDINAL = 1, b"pub/a\0b", 77
THROUGH = (5, 66, 257)
"""Share, bearer's tenant, bearer."""
ROW = keys.upload(BUCKET, KEY, ORDINAL)
FINDER = keys.upload_through(BUCKET, *THROUGH[:2], KEY, ORDINAL)
UPLOAD = UploadRecord(ObjectRecord(ordinal=ORDINAL, owner=1), through=THROUGH)
SOUND = {
    keys.NEXT_BUCKET: BUCKET.to_bytes(8, "little"),
    keys.bucket(b"photos"): BucketRecord(id=BUCKET, tenant=1, owner=1, created_us=5).encode(),
    keys.tenant_bucket(1, b"photos"): encode_id(BUCKET),
    keys.fence(BUCKET): FenceRecord().encode(),
    ROW: UPLOAD.encode(),
    FINDER: b"\x01",
    keys.upload(BUCKET, b"own", ORDINAL): UploadRecord(ObjectRecord(ordinal=ORDINAL, owner=1)).encode(),
}


def test_uploads_that_agree_are_sound(tmp_path):
    assert problems(tmp_path, SOUND) == ""


BROKEN = {
    "is missing: its upload is not listed": {FINDER: None},
    "finds no upload": {ROW: None},
    "finds no upload that came": {ROW: UploadRecord(ObjectRecord(ordinal=ORDINAL, owner=1)).encode()},
    "is not a mark of version 1": {FINDER: b"\x02"},
    "belongs to bucket 9, which is missing": {keys.upload_through(9, 5, 66, KEY, ORDINAL): b"\x01"},
}


@pytest.mark.parametrize("words", BROKEN)
def test_each_rule_broken_is_a_problem(tmp_path, words):
    assert words in problems(tmp_path, SOUND | BROKEN[words])


@pytest.mark.parametrize("way", [(6, 66), (5, 67)])
def test_a_row_under_another_way_is_two_problems(tmp_path, way):
    rows = SOUND | {FINDER: None, keys.upload_through(BUCKET, *way, KEY, ORDINAL): b"\x01"}
    found = problems(tmp_path, rows)
    assert "finds no upload" in found and "is missing" in found
