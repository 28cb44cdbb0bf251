"""`rescue`: what comes out is what was put, under names that can be read back, also when the store is damaged."""

import base64
import json
import os
import subprocess
from datetime import datetime
from pathlib import Path

import lmdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storage.records import keys
from storage.records.bucket import BucketRecord
from storage.verify import CannotOpen, rescue
from storage.verify.names import NAME_BYTES, key_of, path_of

PANTHERA = Path(__file__).parents[2] / ".venv" / "bin" / "panthera"
TENANTS = {"plain": "default", "versions": "default", "acme-1": "acme"}


def said(report):
    return "\n".join(str(finding) for finding in report.problems)


def lines(to, bucket):
    text = (to / TENANTS[bucket] / f"{bucket}%objects.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def line(to, bucket, key):
    (found,) = [each for each in lines(to, bucket) if each["key"] == key and each["is_latest"]]
    return found


def files(to):
    return {path for path in to.rglob("*") if path.is_file() and not path.name.endswith("%objects.jsonl")}


# Names.

KEYS = st.binary(min_size=1, max_size=1024) | st.text(min_size=1, max_size=300).map(str.encode)
SHORT = st.text("a/.%@\\\0é", min_size=1, max_size=6).map(str.encode)


@given(KEYS | SHORT, st.booleans())
@example(b"..", False)
@example(b"a//b/", True)
@example(b"x" * 253, False)
@example(b"x" * 254, False)
@example("é".encode() * 400, False)
@example(b"%" * 1024, True)
def test_a_path_says_its_key_and_can_be_made(key, clash):
    path = path_of(key, clash=clash)
    names = path.split(b"/")
    assert key_of(path) == key
    assert all(0 < len(name) <= NAME_BYTES and b"\0" not in name and name not in (b".", b"..") for name in names)


@given(st.sets(SHORT | KEYS, max_size=12))
def test_paths_of_different_keys_do_not_meet(some):
    paths = {path_of(key, clash=any(other.startswith(key + b"/") for other in some)) for key in some}
    assert len(paths) == len(some)
    directories = {path.rsplit(b"/", depth)[0] for path in paths for depth in range(1, path.count(b"/") + 1)}
    assert not paths & directories


def test_plain_names_stay_as_they_are():
    for key in ("a", "dir/file.txt", "ünï/cødé 🐆", "x" * 253, ".hidden", "a b"):
        assert path_of(key.encode()) == key.encode()


# Whole stores.


def test_everything_that_was_put_comes_out(filled, tmp_path):
    to = tmp_path / "out"
    report = rescue(filled.data, to)
    assert (said(report), report.notes) == ("", [])
    assert report.counts["objects saved"] == len(filled.current) == len(files(to))
    for (bucket, key), put in filled.current.items():
        found = line(to, bucket, key)
        path = to / found["path"]
        assert path.read_bytes() == put.body, key
        assert key_of(os.fsencode(path.relative_to(to / TENANTS[bucket] / bucket))) == key.encode()
        assert (f'"{found["etag"]}"', found["size"], found["saved"]) == (put.etag, len(put.body), True)
        moment = datetime.fromisoformat(found["last_modified"]).timestamp()
        assert abs(path.stat().st_mtime - moment) < 1e-3
        assert found["version_id"] == (put.version or (None if bucket != "versions" else "null"))
    assert len(lines(to, "plain")) == sum(bucket == "plain" for bucket, _ in filled.current)


def test_a_line_says_what_s3_knew(filled, tmp_path):
    rescue(filled.data, tmp_path / "out")
    found = line(tmp_path / "out", "plain", "described")
    assert found["content_type"] == "text/plain"
    assert (found["cache_control"], found["content_language"]) == ("no-store", "de")
    assert (found["metadata"], found["tags"]) == ({"colour": "green"}, {"a": "1", "b": "2"})
    assert (found["storage_class"], found["delete_marker"]) == ("STANDARD", False)
    assert found["owner"]["name"] == "root" and len(found["owner"]["canonical_id"]) == 64
    (checksum,) = line(tmp_path / "out", "plain", "parts/composite")["checksums"]
    assert (checksum["algorithm"], checksum["type"], len(base64.b64decode(checksum["value"]))) == (
        "SHA256",
        "COMPOSITE",
        32,
    )
    assert [part["number"] for part in line(tmp_path / "out", "plain", "parts/composite")["parts"]] == [2, 3, 4]


def test_other_versions_come_out_when_asked_for(filled, tmp_path):
    to = tmp_path / "out"
    report = rescue(filled.data, to, versions=True)
    assert said(report) == ""
    by_version = {(each["key"], each["version_id"]): each for each in lines(to, "versions")}
    # Each null version replaced the one before.
    last = {
        (key, put.version or "null"): put
        for (b, key), puts in filled.versions.items()
        if b == "versions"
        for put in puts
    }
    assert by_version.keys() == last.keys()
    for place, put in last.items():
        assert by_version[place]["delete_marker"] == put.marker
        if not put.marker:
            assert (to / by_version[place]["path"]).read_bytes() == put.body
    for key in {key for key, _ in last}:
        (latest,) = [each for each in by_version.values() if each["key"] == key and each["is_latest"]]
        newest = filled.versions["versions", key][-1]
        assert (latest["version_id"], latest["delete_marker"]) == (newest.version or "null", newest.marker)


def test_it_writes_only_into_a_directory_of_its_own(filled, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(CannotOpen, match="is not empty"):
        rescue(filled.data, tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(CannotOpen, match="cannot write"):
        rescue(filled.data, tmp_path / "file")


# Damaged stores.


def damage(data, body):
    """Flips a byte of the needle that holds the body."""
    for path in (data / "volumes").glob("*.vol"):
        content = path.read_bytes()
        at = content.find(body)
        if at >= 0:
            with path.open("r+b") as file:
                file.seek(at + len(body) // 2)
                file.write(bytes([content[at + len(body) // 2] ^ 1]))
            return
    raise AssertionError("the body is in no volume")


def test_it_goes_on_past_damage_and_lists_what_is_lost(filled, copied, tmp_path):
    damage(copied, filled.current["plain", "blocks"].body)
    done = subprocess.run(
        [PANTHERA, "rescue", "--data", copied, "--to", tmp_path / "out"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "problem: plain/'blocks': not saved: chunk" in done.stdout and "does not hash to its name" in done.stdout
    # The same content in one tenant is one needle; another tenant has its own.
    lost = {("plain", "blocks"), ("plain", "copy/plain")}
    for bucket, key in filled.current:
        found = line(tmp_path / "out", bucket, key)
        assert found["saved"] == ((bucket, key) not in lost), key
        assert ("path" in found) == found["saved"] and ("why" in found) != found["saved"]
    assert len(files(tmp_path / "out")) == len(filled.current) - len(lost)


def test_it_needs_no_headers_of_volumes_and_batches(filled, copied, tmp_path):
    for path in (copied / "volumes").glob("*.vol"):
        content = path.read_bytes()
        with path.open("r+b") as file:
            file.write(bytes(64))
            at = content.find(b"PNBT", 8192)
            file.seek(at)
            file.write(bytes(64))
    for path in (copied / "volumes").glob("*.log"):
        path.unlink()
    report = rescue(copied, tmp_path / "out")
    assert said(report) == ""
    assert report.counts["objects saved"] == len(filled.current)
    assert any("header is damaged" in str(note) for note in report.notes)


def test_content_that_only_contradicts_its_row_is_saved_and_told(filled, change_rows, tmp_path):
    def edit(txn):
        bucket = BucketRecord.decode(txn.get(keys.bucket(b"plain"))).id
        value = bytearray(txn.get(keys.object(bucket, b"blocks")))
        value[24] ^= 1
        txn.put(keys.object(bucket, b"blocks"), bytes(value))

    report = rescue(change_rows(edit), tmp_path / "out")
    assert "saved, but the ETag does not match" in said(report)
    found = line(tmp_path / "out", "plain", "blocks")
    assert found["saved"] and (tmp_path / "out" / found["path"]).read_bytes() == filled.current["plain", "blocks"].body


def test_objects_of_a_lost_bucket_come_out(filled, change_rows, tmp_path):
    def edit(txn):
        for bucket in (b"plain", b"versions"):
            txn.delete(keys.bucket(bucket))

    report = rescue(change_rows(edit), tmp_path / "out")
    homes = sorted(path.name for path in (tmp_path / "out" / "%tenant").iterdir() if path.is_dir())
    assert len(homes) == 2 and homes[0].startswith("%bucket-")
    assert report.counts["objects saved"] == len(filled.current)


def test_objects_of_a_lost_tenant_are_checked_by_their_checksums(filled, change_rows, tmp_path):
    data = change_rows(lambda txn: txn.delete(keys.tenant(1)))
    damage(data, filled.current["plain", "blocks"].body)
    report = rescue(data, tmp_path / "out")
    assert "does not match its checksums" in said(report)
    home = tmp_path / "out" / "%tenant-1"
    assert (home / "plain" / "plain").read_bytes() == filled.current["plain", "plain"].body


def test_rows_that_are_no_records_are_told(filled, change_rows, tmp_path):
    def edit(txn: lmdb.Transaction) -> None:
        bucket = BucketRecord.decode(txn.get(keys.bucket(b"plain"))).id
        txn.put(keys.object(bucket, b"blocks"), b"\x07")

    report = rescue(change_rows(edit), tmp_path / "out")
    assert "plain/'blocks': not saved" in said(report)
    assert report.counts["objects saved"] == len(filled.current) - 1
