"""Bytes that rotted on the disk, and uploads that a crash cut: errors or the right bytes, never wrong ones.

The disk is changed while the server is stopped, so that no cache of the process helps; `tests/storage` has the offline
checker's own cases.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from running import PANTHERA, running, start
from urllib3.exceptions import ProtocolError

MIB = 1 << 20
SEED = 20261121
Make = Callable[..., Any]


def offline(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PANTHERA, *words], capture_output=True, text=True)


def flip(data: Path, needle: bytes) -> None:
    """Changes one bit of the first byte of `needle`, wherever a volume holds it."""
    for volume in sorted((data / "volumes").glob("*.vol")):
        held = volume.read_bytes()
        at = held.find(needle)
        if at >= 0:
            with volume.open("r+b") as file:
                file.seek(at)
                file.write(bytes([held[at] ^ 1]))
            return
    pytest.fail("no volume holds the bytes")


def fails(s3: Any, key: str) -> None:
    """A GET that answers 500, or breaks off when the damage lies behind the first bytes; never the whole length."""
    with pytest.raises((ClientError, BotoCoreError, ProtocolError)) as caught:
        s3.get_object(Bucket="bucket", Key=key)["Body"].read()
    if isinstance(caught.value, ClientError):
        answer = caught.value.response
        assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (500, "InternalError")


def test_a_flipped_bit_is_an_error_for_its_object_and_nothing_to_the_others(tmp_path: Path, make_client: Make) -> None:
    data, at, chance = tmp_path / "data", {"Bucket": "bucket"}, Random(SEED)
    bad = {f"bad/{size}": chance.randbytes(size) for size in (40, 5000, 700_000, 6 * MIB)}
    good = {f"good/{size}": chance.randbytes(size) for size in (40, 5000, 700_000, 6 * MIB)}
    with running(data) as server:
        s3 = make_client(server.url)
        s3.create_bucket(**at)
        for key, body in (bad | good).items():
            s3.put_object(**at, Key=key, Body=body)
    for body in bad.values():
        flip(data, body[len(body) * 2 // 3 :][:32])
    found = offline("verify", "--data", data, "--json")
    assert (found.returncode, len(json.loads(found.stdout)["problems"]) >= len(bad)) == (1, True), found
    saved = offline("rescue", "--data", data, "--to", tmp_path / "out")
    assert saved.returncode == 1
    assert all(key in saved.stdout + saved.stderr for key in bad), saved
    assert all((tmp_path / "out/default/bucket" / key).read_bytes() == body for key, body in good.items())
    with running(data) as server:
        s3 = make_client(server.url)
        for key, body in bad.items():
            assert s3.head_object(**at, Key=key)["ContentLength"] == len(body)
            fails(s3, key)
        assert (
            s3.get_object(**at, Key=f"bad/{6 * MIB}", Range="bytes=0-99")["Body"].read() == bad[f"bad/{6 * MIB}"][:100]
        )
        for key, body in good.items():
            assert s3.get_object(**at, Key=key)["Body"].read() == body
        assert len(s3.list_objects_v2(**at)["Contents"]) == len(bad | good)
        for key, body in bad.items():  # not deduplicated against the damaged needle, which it replaces for all
            s3.put_object(**at, Key=f"again/{key}", Body=body)
            assert s3.get_object(**at, Key=key)["Body"].read() == body
    with running(data) as server:
        for key, body in bad.items():
            assert make_client(server.url).get_object(**at, Key=key)["Body"].read() == body


def test_an_upload_cut_by_a_kill_is_resumed_with_list_parts(tmp_path: Path, make_client: Make) -> None:
    pieces = [Random(SEED + number).randbytes(5 * MIB) for number in range(12)]
    at = {"Bucket": "bucket", "Key": "big"}
    server = start(tmp_path / "data")
    s3 = make_client(server.url)
    s3.create_bucket(Bucket="bucket")
    upload = s3.create_multipart_upload(**at)["UploadId"]
    acknowledged: dict[int, str] = {}
    enough = threading.Event()

    def send() -> None:
        for number, piece in enumerate(pieces, 1):
            try:
                answer = s3.upload_part(**at, UploadId=upload, PartNumber=number, Body=piece)
            except (BotoCoreError, ClientError):
                return
            acknowledged[number] = answer["ETag"]
            if number == 4:
                enough.set()

    sending = threading.Thread(target=send)
    sending.start()
    assert enough.wait(60)
    server.kill()
    sending.join(60)
    assert len(acknowledged) < len(pieces), "the kill came too late to cut anything"
    with running(tmp_path / "data") as again:
        s3 = make_client(again.url)
        listed = {part["PartNumber"]: part["ETag"] for part in s3.list_parts(**at, UploadId=upload)["Parts"]}
        assert acknowledged.items() <= listed.items()
        for number, piece in enumerate(pieces, 1):
            if number not in listed:
                answer = s3.upload_part(**at, UploadId=upload, PartNumber=number, Body=piece)
                listed[number] = answer["ETag"]
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in sorted(listed.items())]
        s3.complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts})
        assert s3.get_object(**at)["Body"].read() == b"".join(pieces)
    assert offline("verify", "--data", tmp_path / "data").returncode == 0
