"""A data directory with every kind of object, written by a real server and closed; what was put is remembered."""

from __future__ import annotations

import dataclasses
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import lmdb
import pytest
from botocore.config import Config

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "s3-compat-tests"))
from running import PANTHERA, ROOT_KEY, ROOT_SECRET, Server, running

from storage.records import keys
from storage.records.manifest import Manifest, encode_entries
from storage.records.object import ObjectRecord

MIB = 1 << 20
KEYS = [
    "plain",
    "dir",
    "dir/",
    "dir//",
    "dir/file",
    "dir/../up",
    "..",
    ".",
    "/lead",
    "a%41",
    "back\\slash",
    "tab\tnew\nline",
]
KEYS += ["ünï/cødé/🐆", "long/" + "x" * 700, "y" * 1000, "é" * 500, "%", "%@", "dir%@", "x%2F"]
ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]


@dataclasses.dataclass
class Put:
    """What a client put, and what it was told."""

    body: bytes
    etag: str = ""
    version: str | None = None
    marker: bool = False


@dataclasses.dataclass
class Filled:
    """A closed directory; `current` by bucket and key, `versions` oldest first."""

    data: Path
    current: dict[tuple[str, str], Put]
    versions: dict[tuple[str, str], list[Put]]

    def copy(self, to: Path) -> Path:
        """A copy whose reserved space is a hole."""
        subprocess.run(["cp", "-r", "--sparse=always", self.data, to], check=True)
        return to


def bytes_of(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def client(server: Server, key: str = ROOT_KEY, secret: str = ROOT_SECRET) -> Any:
    config = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"})
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=config,
    )


class Filler:
    """Puts and remembers."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3
        self.current: dict[tuple[str, str], Put] = {}
        self.versions: dict[tuple[str, str], list[Put]] = {}

    def _keep(self, bucket: str, key: str, put: Put) -> None:
        self.current.pop((bucket, key), None)
        if not put.marker:
            self.current[bucket, key] = put
        self.versions.setdefault((bucket, key), []).append(put)

    def put(self, bucket: str, key: str, body: bytes, **more: Any) -> None:
        answer = self.s3.put_object(Bucket=bucket, Key=key, Body=body, **more)
        self._keep(bucket, key, Put(body, answer["ETag"], answer.get("VersionId")))

    def delete(self, bucket: str, key: str) -> None:
        answer = self.s3.delete_object(Bucket=bucket, Key=key)
        self._keep(bucket, key, Put(b"", version=answer.get("VersionId"), marker=True))

    def multipart(self, bucket: str, key: str, bodies: list[bytes], *, complete: bool = True, **more: Any) -> None:
        upload = self.s3.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]
        place = {"Bucket": bucket, "Key": key, "UploadId": upload}
        algorithm = {name: more[name] for name in ("ChecksumAlgorithm",) if name in more}
        parts = []
        for number, body in enumerate(bodies, 2):
            answer = self.s3.upload_part(**place, PartNumber=number, Body=body, **algorithm)
            sums = {name: value for name, value in answer.items() if name in {f"Checksum{a}" for a in ALGORITHMS}}
            parts.append({"PartNumber": number, "ETag": answer["ETag"], **sums})
        if complete:
            answer = self.s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
            self._keep(bucket, key, Put(b"".join(bodies), answer["ETag"], answer.get("VersionId")))

    def copy(self, bucket: str, key: str, source: str) -> None:
        answer = self.s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": source})
        body = self.current[bucket, source].body
        self._keep(bucket, key, Put(body, answer["CopyObjectResult"]["ETag"]))


def fill_plain(filler: Filler) -> None:
    filler.s3.create_bucket(Bucket="plain")
    for number, key in enumerate(KEYS):
        filler.put("plain", key, bytes_of(number, 100 + number))
    filler.put("plain", "empty", b"")
    filler.put("plain", "blocks", bytes_of(1, 200_000))
    filler.put("plain", "big", bytes_of(2, 9 * MIB), ContentType="application/x-panthera-test")
    more = {"CacheControl": "no-store", "ContentLanguage": "de", "Metadata": {"colour": "green"}}
    filler.put("plain", "described", b"described", ContentType="text/plain", Tagging="a=1&b=2", **more)
    for name in ALGORITHMS:
        filler.put("plain", f"sum/{name}", bytes_of(3, 70_000), ChecksumAlgorithm=name)
    parts = [bytes_of(4, 5 * MIB), bytes_of(5, 6 * MIB), b"end"]
    filler.multipart("plain", "parts/default", parts)
    filler.multipart("plain", "parts/composite", parts, ChecksumAlgorithm="SHA256", ChecksumType="COMPOSITE")
    filler.multipart("plain", "parts/full", parts, ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT")
    filler.multipart("plain", "parts/open", parts[:2], complete=False, ChecksumAlgorithm="CRC32C")
    filler.copy("plain", "copy/parts", "parts/composite")
    filler.copy("plain", "copy/plain", "blocks")
    for upload in ("first", "second"):
        filler.put("plain", "overwritten", upload.encode())
    filler.delete("plain", "sum/SHA1")


def fill_versions(filler: Filler) -> None:
    filler.s3.create_bucket(Bucket="versions")
    filler.put("versions", "old", b"before versioning")
    for status in ("Enabled", "Suspended", "Enabled"):
        filler.s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": status})
        if status == "Suspended":
            filler.put("versions", "null", b"null")
            filler.delete("versions", "gone")
            continue
        for key in ("old", "null", "gone", "twice"):
            filler.put("versions", key, f"{status} {key}".encode() * 10)
        filler.delete("versions", "twice")


def fill_tenant(server: Server) -> Filler:
    """A second tenant with the same content as the first has: other chunks."""

    def panthera(*words: str) -> str:
        done = subprocess.run([PANTHERA, *words], env=server.env, check=True, capture_output=True, text=True)
        return done.stdout

    panthera("tenant", "add", "acme")
    for name in ("wile", "removed"):
        panthera("user", "add", "acme", name, "--admin")
    shown = panthera("key", "add", "acme", "wile").split()
    filler = Filler(client(server, shown[-2], shown[-1]))
    filler.s3.create_bucket(Bucket="acme-1")
    filler.put("acme-1", "blocks", bytes_of(1, 200_000))
    panthera("user", "rm", "acme", "removed")
    return filler


def make_indirect(data: Path) -> None:
    """Rewrites `indirect` of bucket `plain` to what a manifest of more than 10 000 chunks looks like.

    Its real entries are the content of two objects, cut inside an entry: what their chunks hold stays where it is.
    """
    with lmdb.open(str(data / "meta"), map_size=1 << 30) as env, env.begin(write=True) as txn:
        bucket = int.from_bytes(txn.get(keys.bucket(b"plain"))[4:8], "little")
        target = keys.object(bucket, b"indirect")
        lists = [ObjectRecord.decode(txn.get(keys.object(bucket, key))) for key in (b"list/1", b"list/2")]
        chunks = tuple(chunk for record in lists for chunk in record.manifest.chunks)
        record = ObjectRecord.decode(txn.get(target))
        txn.put(target, dataclasses.replace(record, manifest=Manifest(chunks, indirect=True)).encode())


def entries_of(data: Path, key: bytes) -> bytes:
    """The manifest entries of an object of bucket `plain`."""
    with lmdb.open(str(data / "meta"), readonly=True, lock=False) as env, env.begin() as txn:
        bucket = int.from_bytes(txn.get(keys.bucket(b"plain"))[4:8], "little")
        chunks = ObjectRecord.decode(txn.get(keys.object(bucket, key))).manifest.chunks
    assert len(chunks) > 2
    return encode_entries(chunks)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """Filled and closed; nobody writes to it."""
    data = tmp_path_factory.mktemp("filled") / "data"
    with running(data) as server:
        filler = Filler(client(server))
        fill_plain(filler)
        fill_versions(filler)
        other = fill_tenant(server)
        filler.put("plain", "indirect", filler.current["plain", "big"].body)
        assert server.stop() == 0
    entries = entries_of(data, b"indirect")
    with running(data) as server:
        filler.s3 = client(server)
        filler.put("plain", "list/1", entries[:50])
        filler.put("plain", "list/2", entries[50:])
        assert server.stop() == 0
    make_indirect(data)
    return Filled(data, filler.current | other.current, filler.versions | other.versions)


@pytest.fixture
def copied(filled: Filled, tmp_path: Path) -> Path:
    """A copy to damage."""
    return filled.copy(tmp_path / "data")


@pytest.fixture
def change_rows(copied: Path) -> Callable[[Callable[[lmdb.Transaction], None]], Path]:
    """Changes rows of a copy; answers the copy."""

    def change(edit: Callable[[lmdb.Transaction], None]) -> Path:
        with lmdb.open(str(copied / "meta"), map_size=1 << 30) as env, env.begin(write=True) as txn:
            edit(txn)
        return copied

    return change
