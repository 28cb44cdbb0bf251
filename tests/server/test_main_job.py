"""The main job end to end with stock boto3, over HTTP and over TLS, where it signs and frames bodies differently.

One function for each thing a client does with objects; limits and bad input are `test_bad_input.py`.
"""

from __future__ import annotations

import hashlib
import io
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError
from raw import exchange, signed
from running import ROOT_KEY, ROOT_SECRET, Server

MIB = 1 << 20
SEED = 20261121


@dataclass
class Place:
    """A fresh bucket, the client that made it, and how to make clients like it."""

    s3: Any
    bucket: str
    make: Callable[..., Any]
    cafile: str | None

    def put(self, key: str, body: bytes = b"x", **more: Any) -> dict[str, Any]:
        return dict(self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **more))

    def get(self, key: str, **more: Any) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.bucket, Key=key, **more)["Body"].read())

    def keys(self) -> list[str]:
        return [entry["Key"] for entry in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]

    def version(self, status: str = "Enabled") -> None:
        self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": status})

    def fetch(self, url: str, data: bytes | None = None, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        import ssl

        context = ssl.create_default_context(cafile=self.cafile) if self.cafile else None
        request = urllib.request.Request(url, data, {k.replace("_", "-"): v for k, v in headers.items()}, method=method)
        try:
            with urllib.request.urlopen(request, context=context) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def body_of(size: int) -> bytes:
    return Random(SEED + size).randbytes(size)


def code_of(act: Callable[..., object], **words: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        act(**words)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


@pytest.fixture(params=["http", "tls"])
def place(request: pytest.FixtureRequest, server: Server, make_client: Callable[..., Any]) -> Iterator[Place]:
    cafile, url = None, server.url
    if request.param == "tls":
        started, cert = request.getfixturevalue("tls_server")
        cafile, url = str(cert), started.url.replace("127.0.0.1", "localhost")

    def make(**config: Any) -> Any:
        return make_client(url, verify=Path(cafile) if cafile else None, **config)

    s3, name = make(), f"m-{uuid.uuid4().hex[:16]}"
    s3.create_bucket(Bucket=name)
    yield Place(s3, name, make, cafile)
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        for entry in page.get("Versions", []) + page.get("DeleteMarkers", []):
            s3.delete_object(Bucket=name, Key=entry["Key"], VersionId=entry["VersionId"])
    s3.delete_bucket(Bucket=name)


@pytest.mark.parametrize("size", [0, 1, 4096, MIB, MIB + 1, 9 * MIB + 17])
def test_what_is_put_is_got_byte_for_byte(place: Place, size: int) -> None:
    body = body_of(size)
    answer = place.put("k", body)
    assert answer["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = place.s3.get_object(Bucket=place.bucket, Key="k")
    assert got["Body"].read() == body
    assert (got["ContentLength"], got["ETag"]) == (size, answer["ETag"])
    head = place.s3.head_object(Bucket=place.bucket, Key="k", ChecksumMode="ENABLED")
    assert head["ContentLength"] == size
    assert head["ChecksumCRC32"] == answer["ChecksumCRC32"]


def test_a_stream_without_a_known_checksum_is_stored(place: Place) -> None:
    body = body_of(300_000)
    place.s3.upload_fileobj(io.BytesIO(body), place.bucket, "stream")
    assert place.get("stream") == body


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_are_verified_stored_and_returned(place: Place, algorithm: str) -> None:
    answer = place.put("k", b"body", ChecksumAlgorithm=algorithm)
    name = f"Checksum{algorithm}"
    head = place.s3.head_object(Bucket=place.bucket, Key="k", ChecksumMode="ENABLED")
    assert head[name] == answer[name]
    wrong = {name: answer[name], "Body": b"other"}
    assert code_of(place.s3.put_object, Bucket=place.bucket, Key="bad", **wrong) == (400, "BadDigest")
    assert place.keys() == ["k"]


def test_headers_and_metadata_come_back(place: Place) -> None:
    sent = {
        "ContentType": "text/plain; charset=utf-8",
        "CacheControl": "max-age=60",
        "ContentDisposition": 'attachment; filename="a.txt"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "Metadata": {"colour": "green", "empty": ""},
    }
    place.put("k", **sent)
    head = place.s3.head_object(Bucket=place.bucket, Key="k")
    assert {name: head[name] for name in sent} == sent
    got = place.s3.get_object(Bucket=place.bucket, Key="k", ResponseContentType="x/y", ResponseCacheControl="no-store")
    assert (got["ContentType"], got["CacheControl"]) == ("x/y", "no-store")
    assert place.s3.head_object(Bucket=place.bucket, Key="k")["LastModified"].tzinfo is not None


def test_ranges(place: Place) -> None:
    body = body_of(3 * MIB + 5)
    place.put("k", body)
    for asked, start, end in (
        ("0-0", 0, 1),
        ("5-9", 5, 10),
        (f"{MIB - 1}-{MIB + 1}", MIB - 1, MIB + 2),
        ("-7", -7, None),
    ):
        got = place.s3.get_object(Bucket=place.bucket, Key="k", Range=f"bytes={asked}")
        assert got["Body"].read() == body[start:end]
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    out = code_of(place.s3.get_object, Bucket=place.bucket, Key="k", Range=f"bytes={len(body)}-")
    assert out == (416, "InvalidRange")


@pytest.mark.parametrize(
    "key", ["a//b", "../x", "dir/", " space ", "a+b%2Fc", "ünï/😀", "k?x=1&y#z", "\x01", "'\"<>&", "k" * 1024]
)
def test_keys_keep_every_byte(place: Place, key: str) -> None:
    place.put(key, key.encode())
    assert place.get(key) == key.encode()
    assert place.keys() == [key]
    place.s3.delete_object(Bucket=place.bucket, Key=key)
    assert place.keys() == []


def test_missing_things_have_amazons_codes(place: Place) -> None:
    s3, bucket = place.s3, place.bucket
    assert code_of(s3.get_object, Bucket=bucket, Key="none") == (404, "NoSuchKey")
    assert code_of(s3.head_object, Bucket=bucket, Key="none") == (404, "404")
    assert code_of(s3.get_object, Bucket="no-such-bucket-here", Key="none") == (404, "NoSuchBucket")
    assert code_of(s3.head_bucket, Bucket="no-such-bucket-here") == (404, "404")
    assert code_of(s3.list_parts, Bucket=bucket, Key="k", UploadId="none") == (404, "NoSuchUpload")
    s3.delete_object(Bucket=bucket, Key="none")


def test_conditions_on_reads_and_writes(place: Place) -> None:
    s3, at = place.s3, {"Bucket": place.bucket, "Key": "k"}
    etag = place.put("k", b"one", IfNoneMatch="*")["ETag"]
    assert code_of(s3.put_object, **at, Body=b"two", IfNoneMatch="*") == (412, "PreconditionFailed")
    assert code_of(s3.put_object, **at, Body=b"two", IfMatch='"nope"') == (412, "PreconditionFailed")
    assert code_of(s3.get_object, **at, IfNoneMatch=etag) == (304, "304")
    assert code_of(s3.get_object, **at, IfMatch='"nope"') == (412, "PreconditionFailed")
    modified = s3.head_object(**at)["LastModified"]
    assert code_of(s3.get_object, **at, IfModifiedSince=modified) == (304, "304")
    assert s3.get_object(**at, IfUnmodifiedSince=modified)["Body"].read() == b"one"
    place.put("k", b"two", IfMatch=etag)
    assert place.get("k") == b"two"


def test_of_many_who_create_at_once_exactly_one_succeeds(place: Place) -> None:
    def create(number: int) -> bool:
        try:
            place.make().put_object(Bucket=place.bucket, Key="lock", Body=b"%d" % number, IfNoneMatch="*")
        except ClientError as error:
            assert error.response["Error"]["Code"] in {"PreconditionFailed", "ConditionalRequestConflict"}
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(8)))
    assert sum(won) == 1
    assert place.get("lock") == b"%d" % won.index(True)


def test_multipart_upload_by_hand(place: Place) -> None:
    s3, at = place.s3, {"Bucket": place.bucket, "Key": "big"}
    pieces = [body_of(5 * MIB), body_of(5 * MIB + 1), body_of(77)]
    upload = s3.create_multipart_upload(**at, Metadata={"a": "b"})["UploadId"]
    parts = []
    for number, piece in enumerate(pieces, 1):
        done = s3.upload_part(**at, UploadId=upload, PartNumber=number, Body=piece)
        parts.append({"PartNumber": number, "ETag": done["ETag"], "ChecksumCRC32": done["ChecksumCRC32"]})
    listed = s3.list_parts(**at, UploadId=upload)["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in listed] == [(n, len(p)) for n, p in enumerate(pieces, 1)]
    assert [entry["UploadId"] for entry in s3.list_multipart_uploads(Bucket=place.bucket)["Uploads"]] == [upload]
    assert place.keys() == []
    done = s3.complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts})
    md5s = b"".join(hashlib.md5(piece).digest() for piece in pieces)
    assert done["ETag"] == f'"{hashlib.md5(md5s).hexdigest()}-3"'
    assert place.get("big") == b"".join(pieces)
    assert place.get("big", PartNumber=2) == pieces[1]
    assert s3.head_object(**at)["Metadata"] == {"a": "b"}
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=place.bucket)


def test_multipart_by_upload_file_and_an_aborted_one(place: Place, tmp_path: Path) -> None:
    body = body_of(20 * MIB + 3)
    (tmp_path / "in").write_bytes(body)
    place.s3.upload_file(str(tmp_path / "in"), place.bucket, "file")
    place.s3.download_file(place.bucket, "file", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == body
    at = {"Bucket": place.bucket, "Key": "aborted"}
    upload = place.s3.create_multipart_upload(**at)["UploadId"]
    place.s3.upload_part(**at, UploadId=upload, PartNumber=1, Body=b"x")
    place.s3.abort_multipart_upload(**at, UploadId=upload)
    assert code_of(place.s3.list_parts, **at, UploadId=upload) == (404, "NoSuchUpload")
    assert place.keys() == ["file"]


def test_copies(place: Place) -> None:
    body = body_of(6 * MIB)
    place.put("from", body, ContentType="a/b", Metadata={"x": "1"}, Tagging="t=1")
    source = {"Bucket": place.bucket, "Key": "from"}
    place.s3.copy_object(Bucket=place.bucket, Key="to", CopySource=source)
    assert place.get("to") == body
    head = place.s3.head_object(Bucket=place.bucket, Key="to")
    assert (head["ContentType"], head["Metadata"]) == ("a/b", {"x": "1"})
    assert place.s3.get_object_tagging(Bucket=place.bucket, Key="to")["TagSet"] == [{"Key": "t", "Value": "1"}]
    new = {"MetadataDirective": "REPLACE", "ContentType": "c/d", "Metadata": {"y": "2"}}
    place.s3.copy_object(Bucket=place.bucket, Key="from", CopySource=source, **new)
    assert place.s3.head_object(**source)["Metadata"] == {"y": "2"}
    assert code_of(place.s3.copy_object, **source, CopySource=source) == (400, "InvalidRequest")
    upload = place.s3.create_multipart_upload(Bucket=place.bucket, Key="parts")["UploadId"]
    at = {"Bucket": place.bucket, "Key": "parts", "UploadId": upload}
    part = place.s3.upload_part_copy(**at, PartNumber=1, CopySource=source, CopySourceRange="bytes=10-109")
    done = {"Parts": [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]}
    place.s3.complete_multipart_upload(**at, MultipartUpload=done)
    assert place.get("parts") == body[10:110]


def test_versions_markers_and_suspension(place: Place) -> None:
    s3, at = place.s3, {"Bucket": place.bucket, "Key": "k"}
    place.put("k", b"null")
    place.version()
    first, second = (place.put("k", body)["VersionId"] for body in (b"one", b"two"))
    assert [place.get("k", VersionId=version) for version in ("null", first, second)] == [b"null", b"one", b"two"]
    marker = s3.delete_object(**at)
    assert marker["DeleteMarker"]
    assert code_of(s3.get_object, **at) == (404, "NoSuchKey")
    assert code_of(s3.get_object, **at, VersionId=marker["VersionId"]) == (405, "MethodNotAllowed")
    listed = s3.list_object_versions(Bucket=place.bucket)
    assert [entry["VersionId"] for entry in listed["Versions"]] == [second, first, "null"]
    assert [entry["IsLatest"] for entry in listed["DeleteMarkers"]] == [True]
    s3.delete_object(**at, VersionId=marker["VersionId"])
    assert place.get("k") == b"two"
    place.version("Suspended")
    assert place.put("k", b"new null").get("VersionId", "null") == "null"
    assert place.get("k", VersionId="null") == b"new null"
    assert len(s3.list_object_versions(Bucket=place.bucket)["Versions"]) == 3


def test_deleting_many_at_once(place: Place) -> None:
    for number in range(5):
        place.put(f"k{number}")
    objects = [{"Key": f"k{number}"} for number in range(4)] + [{"Key": "none"}]
    done = place.s3.delete_objects(Bucket=place.bucket, Delete={"Objects": objects})
    assert {entry["Key"] for entry in done["Deleted"]} == {entry["Key"] for entry in objects}
    assert place.keys() == ["k4"]
    quiet = place.s3.delete_objects(Bucket=place.bucket, Delete={"Objects": [{"Key": "k4"}], "Quiet": True})
    assert "Deleted" not in quiet
    assert place.keys() == []


def test_listings_in_all_their_forms(place: Place) -> None:
    keys = sorted(["a", "b/1", "b/2", "b/3/x", "c d", "é", "z/"], key=str.encode)
    for key in keys:
        place.put(key, key.encode())
    s3, bucket = place.s3, place.bucket
    assert place.keys() == keys
    assert [entry["Key"] for entry in s3.list_objects(Bucket=bucket)["Contents"]] == keys
    for name in ("list_objects", "list_objects_v2", "list_object_versions"):
        seen: list[str] = []
        prefixes: list[str] = []
        for page in s3.get_paginator(name).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2}):
            seen += [entry["Key"] for entry in page.get("Contents", page.get("Versions", []))]
            prefixes += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        assert (seen, prefixes) == (["a", "c d", "é"], ["b/", "z/"])
    inside = s3.list_objects_v2(Bucket=bucket, Prefix="b/", Delimiter="/")
    assert [entry["Key"] for entry in inside["Contents"]] == ["b/1", "b/2"]
    assert [entry["Prefix"] for entry in inside["CommonPrefixes"]] == ["b/3/"]
    after = s3.list_objects_v2(Bucket=bucket, StartAfter="b/2", MaxKeys=2, FetchOwner=True)
    assert [entry["Key"] for entry in after["Contents"]] == ["b/3/x", "c d"]
    assert after["IsTruncated"]
    assert after["Contents"][0]["Owner"]["ID"]
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0


def test_an_empty_file_that_waits_for_100_continue_costs_the_connection(server: Server, bucket: str) -> None:
    """It gets none, and aws-cli with botocore before 1.44 hangs on the next answer of such a connection."""
    for key, status in ((f"/{bucket}/empty", 200), ("/no-such-bucket/empty", 404)):
        expect = {"Expect": "100-continue"}
        answer = exchange(server.url, signed(server.url, "PUT", key, b"", expect, key=ROOT_KEY, secret=ROOT_SECRET))
        assert answer is not None
        assert (answer.status, answer.headers.get("connection")) == (status, "close")


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls_of_both_signature_versions(place: Place, version: str) -> None:
    signer = place.make(signature_version=version)
    at = {"Bucket": place.bucket, "Key": "shared/ü file"}
    put = signer.generate_presigned_url("put_object", Params=at, ExpiresIn=60)
    assert place.fetch(put, b"through a url", "PUT", Content_Type="")[0] == 200
    get = signer.generate_presigned_url("get_object", Params=at, ExpiresIn=60)
    assert place.fetch(get) == (200, b"through a url")
    assert place.fetch(get.replace("shared", "secret"))[0] == 403
    assert place.fetch(get, method="DELETE")[0] == 403
    # Of a bucket botocore signs `/bucket/` by version 2, and sends `/bucket`.
    listed = signer.generate_presigned_url("list_objects_v2", Params={"Bucket": place.bucket}, ExpiresIn=60)
    assert place.fetch(listed)[0] == 200
    assert place.fetch(listed.replace(place.bucket, "other-bucket"))[0] == 403
    named = signer.generate_presigned_url("get_object", Params={**at, "ResponseContentType": "x/y"}, ExpiresIn=60)
    assert place.fetch(named)[0] == 200
    short = signer.generate_presigned_url("get_object", Params=at, ExpiresIn=1)
    time.sleep(2.1)
    status, body = place.fetch(short)
    assert status == 403
    assert b"<Code>AccessDenied</Code>" in body


def form(fields: dict[str, str], content: bytes) -> tuple[bytes, str]:
    lines = []
    for name, value in fields.items():
        lines += [b"--edge", f'Content-Disposition: form-data; name="{name}"'.encode(), b"", value.encode()]
    lines += [
        b"--edge",
        b'Content-Disposition: form-data; name="file"; filename="f.txt"',
        b"",
        content,
        b"--edge--",
        b"",
    ]
    return b"\r\n".join(lines), "multipart/form-data; boundary=edge"


def test_a_browser_form_with_a_policy(place: Place) -> None:
    signer = place.make(signature_version="s3v4")
    conditions = [["content-length-range", 1, 100], {"success_action_status": "201"}]
    fields = {"success_action_status": "201"}
    post = signer.generate_presigned_post(place.bucket, "forms/${filename}", fields, conditions, ExpiresIn=60)
    data, kind = form(post["fields"], b"from a form")
    status, body = place.fetch(post["url"], data, "POST", Content_Type=kind)
    assert status == 201
    assert b"<Key>forms/f.txt</Key>" in body
    assert place.get("forms/f.txt") == b"from a form"
    data, kind = form(post["fields"], b"x" * 101)
    assert b"EntityTooLarge" in place.fetch(post["url"], data, "POST", Content_Type=kind)[1]
    data, kind = form({**post["fields"], "key": "elsewhere"}, b"x")
    assert place.fetch(post["url"], data, "POST", Content_Type=kind)[0] == 403
    assert place.keys() == ["forms/f.txt"]


def test_tags_with_an_object_and_after_it(place: Place) -> None:
    at = {"Bucket": place.bucket, "Key": "k"}
    place.put("k", Tagging="a=1&b=2%203")
    assert place.s3.get_object_tagging(**at)["TagSet"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2 3"}]
    assert place.s3.head_object(**at)["TagCount"] == 2
    etag = place.s3.head_object(**at)["ETag"]
    place.s3.put_object_tagging(**at, Tagging={"TagSet": [{"Key": "c", "Value": "4"}]})
    assert place.s3.get_object_tagging(**at)["TagSet"] == [{"Key": "c", "Value": "4"}]
    assert place.s3.head_object(**at)["ETag"] == etag
    place.s3.delete_object_tagging(**at)
    assert place.s3.get_object_tagging(**at)["TagSet"] == []
    assert place.get("k") == b"x"


def test_attributes_of_an_object(place: Place) -> None:
    place.put("k", b"12345", ChecksumAlgorithm="SHA256")
    wanted = ["ETag", "Checksum", "ObjectSize", "StorageClass"]
    found = place.s3.get_object_attributes(Bucket=place.bucket, Key="k", ObjectAttributes=wanted)
    assert found["ObjectSize"] == 5
    assert found["ETag"] == hashlib.md5(b"12345").hexdigest()
    assert found["StorageClass"] == "STANDARD"
    assert "ChecksumSHA256" in found["Checksum"]


def test_what_is_not_configured_and_what_is_not_implemented(place: Place) -> None:
    s3, bucket = place.s3, {"Bucket": place.bucket}
    assert code_of(s3.get_bucket_cors, **bucket) == (404, "NoSuchCORSConfiguration")
    assert s3.get_bucket_request_payment(**bucket)["Payer"] == "BucketOwner"
    assert s3.get_bucket_acl(**bucket)["Grants"][0]["Permission"] == "FULL_CONTROL"
    rules = {"Rules": [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]}
    status, code = code_of(s3.put_bucket_lifecycle_configuration, **bucket, LifecycleConfiguration=rules)
    assert (status, code) == (501, "NotImplemented")
    assert code_of(s3.get_bucket_policy, **bucket) == (404, "NoSuchBucketPolicy")
    place.put("k")
    url = place.make(signature_version="s3v4").generate_presigned_url("put_object", Params={**bucket, "Key": "k"})
    torn = url.replace("?", "?torrent&")
    assert place.fetch(torn, b"never", "PUT")[0] >= 400
    assert place.get("k") == b"x"
