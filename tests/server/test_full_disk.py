"""A disk without room: writes get StorageFull, everything else goes on, nothing is lost and no operator is needed.

Two kinds: the high-water mark, which needs nothing of the machine, and a small file system that really is full. For
that one a mount namespace of its own serves (no root needed); where the kernel gives none, the test says so and skips.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError
from running import PANTHERA, running, start

MIB = 1 << 20
SEED = 20261121
DISK_MIB = 200
REFUSED = (507, "StorageFull")
Make = Callable[..., Any]


def outcome(act: Callable[..., object], **words: Any) -> tuple[int, str]:
    """Status and error code; (200, "") for what worked."""
    try:
        act(**words)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return 200, ""


def problems(data: Path, within: list[str]) -> str:
    done = subprocess.run([*within, PANTHERA, "verify", "--data", data], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_below_the_high_water_mark_only_bytes_are_refused(tmp_path: Path, make_client: Make) -> None:
    at = {"Bucket": "bucket"}
    with running(tmp_path / "data") as server:
        s3 = make_client(server.url)
        s3.create_bucket(**at)
        for key in ("a", "b", "c"):
            s3.put_object(**at, Key=key, Body=key.encode() * 5000)
        upload = s3.create_multipart_upload(**at, Key="parts")["UploadId"]
        etag = s3.upload_part(**at, Key="parts", UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
    with running(tmp_path / "data", "--min-free-bytes", "4096TiB") as server:
        s3 = make_client(server.url)
        for size in (1, 5000, 3 * MIB):
            body = Random(SEED).randbytes(size)
            assert outcome(s3.put_object, **at, Key="new", Body=body) == REFUSED
            part = {"Key": "parts", "UploadId": upload, "PartNumber": 2, "Body": body}
            assert outcome(s3.upload_part, **at, **part) == REFUSED
        assert s3.get_object(**at, Key="a")["Body"].read() == b"a" * 5000
        assert s3.head_object(**at, Key="a")["ContentLength"] == 5000
        assert [entry["Key"] for entry in s3.list_objects_v2(**at)["Contents"]] == ["a", "b", "c"]
        # Rows alone are refused too: they would eat what deletes need.
        assert outcome(s3.put_object, **at, Key="new", Body=b"") == REFUSED
        assert outcome(s3.copy_object, **at, Key="copy", CopySource="bucket/a") == REFUSED
        assert outcome(s3.create_multipart_upload, **at, Key="more") == REFUSED
        s3.delete_object(**at, Key="a")
        s3.delete_objects(**at, Delete={"Objects": [{"Key": "b"}]})
        done = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        s3.complete_multipart_upload(**at, Key="parts", UploadId=upload, MultipartUpload=done)
        assert [entry["Key"] for entry in s3.list_objects_v2(**at)["Contents"]] == ["c", "parts"]
    with running(tmp_path / "data") as server:
        s3 = make_client(server.url)
        assert s3.get_object(**at, Key="c")["Body"].read() == b"c" * 5000
        assert outcome(s3.put_object, **at, Key="new", Body=b"x") == (200, "")
    assert problems(tmp_path / "data", []) == ""


@contextmanager
def small_disk(at: Path) -> Iterator[list[str]]:
    """A tmpfs at `at` in a mount namespace of its own; the words that run a command in it."""
    at.mkdir()
    script = f'mount -t tmpfs -o size={DISK_MIB}m panthera-test "$0" && echo mounted && exec sleep 600'
    words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(at)]
    try:
        holder = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except FileNotFoundError:
        pytest.skip("needs unshare (Debian: util-linux)")
    with holder:
        assert holder.stdout is not None and holder.stderr is not None
        if holder.stdout.readline() != "mounted\n":
            pytest.skip(f"no small file system without root here: {holder.stderr.read().strip()}")
        try:
            yield ["nsenter", "--target", str(holder.pid), "--user", "--mount", "--preserve-credentials"]
        finally:
            holder.terminate()


def fill(s3: Any) -> dict[str, str]:
    """Puts until nothing more goes in: MD5 by key of what was acknowledged."""
    stored: dict[str, str] = {}
    chance = Random(SEED)
    for size in (3 * MIB, 200_000, 4096, 1):
        for number in range(2000):
            body, key = chance.randbytes(size), f"{size}/{number}"
            answer = outcome(s3.put_object, Bucket="bucket", Key=key, Body=body)
            if answer != (200, ""):
                assert answer == REFUSED
                break
            stored[key] = hashlib.md5(body).hexdigest()
        else:
            pytest.fail("the disk never became full")
    return stored


def all_there(s3: Any, stored: dict[str, str]) -> None:
    for key, md5 in stored.items():
        assert hashlib.md5(s3.get_object(Bucket="bucket", Key=key)["Body"].read()).hexdigest() == md5, key
    listed = {entry["Key"] for entry in s3.list_objects_v2(Bucket="bucket")["Contents"]}
    assert set(stored) <= listed


def test_a_disk_full_to_the_last_byte(tmp_path: Path, make_client: Make) -> None:
    """LMDB calls the write that fills a disk an input/output error; taken for one, it once ended all writing."""
    disk = tmp_path / "disk"
    with small_disk(disk) as within:
        words = ("--min-free-bytes", "0")
        balloon = [*within, "dd", "if=/dev/zero", f"of={disk}/balloon", "bs=1M"]
        subprocess.run([*balloon, "count=70"], check=True, capture_output=True)
        server = start(disk / "data", *words, within=within)
        s3 = make_client(server.url)
        for bucket in ("bucket", "versions"):
            s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
        upload = s3.create_multipart_upload(Bucket="bucket", Key="parts")["UploadId"]
        stored = fill(s3)
        gone = [stored.popitem()[0] for _ in range(10)]
        for key in gone[:5]:
            s3.delete_object(Bucket="bucket", Key=key)
        answer = s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": key} for key in gone[5:]]})
        assert "Errors" not in answer
        subprocess.run([*balloon, "oflag=append", "conv=notrunc"], capture_output=True)
        source = f"bucket/{next(iter(stored))}"
        tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
        part = {"Key": "parts", "UploadId": upload, "PartNumber": 1}
        for number in range(300):  # rows take room, too: until they find none, and then some
            for act, more in (
                (s3.copy_object, {"Key": f"copy/{number}", "CopySource": source}),
                (s3.put_object, {"Key": f"empty/{number}", "Metadata": {"a": "b" * 1500}}),
            ):
                assert outcome(act, Bucket="bucket", **more) in {(200, ""), REFUSED}
        for act, more in (
            (s3.put_object, {"Key": "new", "Body": b"new"}),
            (s3.put_object_tagging, {"Key": source.removeprefix("bucket/"), "Tagging": tags}),
            (s3.upload_part, {**part, "Body": Random(1).randbytes(6 * MIB)}),
            (s3.upload_part_copy, {**part, "CopySource": source}),
        ):
            assert outcome(act, Bucket="bucket", **more) in {(200, ""), REFUSED}, act
        assert outcome(s3.create_bucket, Bucket="another") in {(200, ""), REFUSED}
        all_there(s3, stored)
        # Here the last page is gone, too: `min_free_bytes` above 0 is what keeps room for the rows of deletes.
        last = next(iter(stored))
        assert outcome(s3.delete_object, Bucket="versions", Key="none") in {(200, ""), REFUSED}
        assert hashlib.md5(s3.get_object(Bucket="bucket", Key=last)["Body"].read()).hexdigest() == stored[last]
        assert server.stop() == 0
        assert problems(disk / "data", within) == ""
        server = start(disk / "data", *words, within=within)
        all_there(make_client(server.url), stored)
        server.kill()
        server = start(disk / "data", *words, within=within)
        s3 = make_client(server.url)
        all_there(s3, stored)
        assert outcome(s3.get_object, Bucket="bucket", Key=gone[0]) == (404, "NoSuchKey")
        subprocess.run([*within, "rm", f"{disk}/balloon"], check=True)
        assert outcome(s3.put_object, Bucket="bucket", Key="new", Body=b"new") == (200, "")
        assert server.stop() == 0
        assert problems(disk / "data", within) == ""
