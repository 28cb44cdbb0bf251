"""Bad input over the wire: a clear S3 error each, nothing stored, and the server goes on.

Every test ends by asking the same server for something ordinary (fixture `alive`).
"""

from __future__ import annotations

import base64
import hashlib
import random
import socket
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from raw import Answer, exchange, signed
from running import ROOT_KEY, ROOT_SECRET, Server

SEED = 20261121


@pytest.fixture
def alive(server: Server, s3: Any, bucket: str) -> Iterator[None]:
    """After the test: the bucket holds nothing the test did not list, and an ordinary request works."""
    yield
    s3.put_object(Bucket=bucket, Key="alive", Body=b"yes")
    assert s3.get_object(Bucket=bucket, Key="alive")["Body"].read() == b"yes"
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["alive"], "something was stored"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def send(
    server: Server, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, **kw: Any
) -> Answer:
    data = signed(server.url, method, path, body, headers, key=ROOT_KEY, secret=ROOT_SECRET, **kw)
    answer = exchange(server.url, data, half_close=kw.get("length") is not None)
    assert answer is not None, "closed without an answer"
    return answer


def test_random_bytes_are_refused_and_harm_nothing(server: Server, alive: None) -> None:
    chance = random.Random(SEED)
    for _ in range(60):
        answer = exchange(server.url, chance.randbytes(chance.choice([1, 40, 4000])) + b"\r\n\r\n", half_close=True)
        assert answer is None or answer.status == 400
    for _ in range(60):
        line = b"GET /" + chance.randbytes(30).replace(b"\r", b"").replace(b"\n", b"") + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        answer = exchange(server.url, line, half_close=True)
        assert answer is None or 400 <= answer.status < 500


def test_each_header_too_long_is_refused(server: Server, bucket: str, alive: None) -> None:
    for name in (
        "X-Amz-Meta-A",
        "Authorization",
        "X-Amz-Date",
        "Content-Type",
        "Range",
        "If-Match",
        "X-Unknown",
        "Cookie",
    ):
        request = f"PUT /{bucket}/k HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n{name}: {'a' * 70_000}\r\n\r\n"
        answer = exchange(server.url, request.encode())
        assert answer is not None and 400 <= answer.status < 500, name
    many = "".join(f"X-H{n}: v\r\n" for n in range(300))
    answer = exchange(server.url, f"GET /{bucket} HTTP/1.1\r\nHost: x\r\n{many}\r\n".encode())
    assert answer is not None and 400 <= answer.status < 500
    answer = exchange(server.url, f"GET /{bucket}/{'k' * 200_000} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert answer is not None and 400 <= answer.status < 500


def test_metadata_above_two_kilobytes_is_refused_and_two_fit(server: Server, s3: Any, bucket: str, alive: None) -> None:
    assert send(server, "PUT", f"/{bucket}/k", b"x", {"x-amz-meta-a": "v" * 2047}).status == 200
    s3.delete_object(Bucket=bucket, Key="k")
    assert send(server, "PUT", f"/{bucket}/k", b"x", {"x-amz-meta-a": "v" * 2048}).code == "MetadataTooLarge"


def test_keys_of_1024_bytes_fit_and_of_1025_do_not(server: Server, s3: Any, bucket: str, alive: None) -> None:
    assert send(server, "PUT", f"/{bucket}/{'k' * 1024}", b"x").status == 200
    s3.delete_object(Bucket=bucket, Key="k" * 1024)
    assert send(server, "PUT", f"/{bucket}/{'k' * 1025}", b"x").code == "KeyTooLongError"
    assert send(server, "PUT", f"/{bucket}/" + "%C3%BC" * 513, b"x").code == "KeyTooLongError"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MissingRequestBodyError MalformedXML"),
        (b"<Delete><Object><Key>k</Key>", "MalformedXML"),
        (b"not xml", "MalformedXML"),
        (b"<Delete></Delete>", "MalformedXML"),
        (b"<Other><Object><Key>k</Key></Object></Other>", "MalformedXML"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><Delete><Object><Key>&a;</Key></Object></Delete>', "MalformedXML"),
        (b"<Delete>" + b"<Object>" * 50_000, "MalformedXML"),
        (b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>", "MalformedXML"),
        (b"<Delete><Object><Key>\xff\xfe</Key></Object></Delete>", "MalformedXML"),
        (
            b"<Delete><Object><Key>" + b"k" * (3 << 20) + b"</Key></Object></Delete>",
            "MaxMessageLengthExceeded MalformedXML",
        ),
    ],
)
def test_malformed_documents(server: Server, bucket: str, alive: None, body: bytes, code: str) -> None:
    digest = base64.b64encode(hashlib.md5(body).digest()).decode()
    answer = send(server, "POST", f"/{bucket}?delete=", body, {"Content-MD5": digest})
    assert (answer.status, answer.code in code.split()) == (400, True), answer


def test_lengths_that_lie_store_nothing(server: Server, bucket: str, alive: None) -> None:
    for body, length in ((b"short", 500), (b"x" * 70_000, 2 << 20), (b"", 1)):
        data = signed(server.url, "PUT", f"/{bucket}/k", body, key=ROOT_KEY, secret=ROOT_SECRET, length=length)
        answer = exchange(server.url, data, half_close=True)
        assert answer is None or answer.code in ("IncompleteBody", "RequestTimeout", "XAmzContentSHA256Mismatch"), (
            answer
        )


@pytest.mark.parametrize(
    "length", ["-1", "18446744073709551616", "99999999999999999999999", "1,2", "0x10", "", " ", "+5"]
)
def test_lengths_that_are_no_numbers(server: Server, bucket: str, alive: None, length: str) -> None:
    request = f"PUT /{bucket}/k HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\nhello"
    answer = exchange(server.url, request.encode())
    assert answer is None or answer.status in (400, 403, 411), answer


def test_a_body_above_five_gib_is_refused_before_it_is_sent(server: Server, bucket: str, alive: None) -> None:
    answer = send(server, "PUT", f"/{bucket}/k", b"", payload_hash="UNSIGNED-PAYLOAD", length=(5 << 30) + 1)
    assert answer.code == "EntityTooLarge"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-MD5": base64.b64encode(b"0" * 16).decode()}, "BadDigest"),
        ({"Content-MD5": "not base64!"}, "InvalidDigest"),
        ({"Content-MD5": base64.b64encode(b"short").decode()}, "InvalidDigest"),
        ({"x-amz-checksum-crc32": base64.b64encode(b"0000").decode()}, "BadDigest XAmzContentChecksumMismatch"),
        ({"x-amz-checksum-sha256": base64.b64encode(b"0" * 32).decode()}, "BadDigest XAmzContentChecksumMismatch"),
        ({"x-amz-checksum-crc32": "%%%"}, "BadDigest"),
        ({"x-amz-checksum-crc32": base64.b64encode(b"too long").decode()}, "BadDigest"),
        ({"x-amz-tagging": "a=b&a=c"}, "InvalidTag InvalidArgument"),
        ({"x-amz-tagging": "&".join(f"k{n}=v" for n in range(11))}, "BadRequest InvalidTag"),
        ({"x-amz-storage-class": "NONSENSE"}, "InvalidStorageClass"),
        ({"If-Match": '"abc"'}, "NoSuchKey"),
        ({"x-amz-server-side-encryption": "AES256"}, "NotImplemented"),
        ({"x-amz-object-lock-mode": "GOVERNANCE"}, "NotImplemented InvalidRequest"),
        ({"x-amz-acl": "public-read"}, "NotImplemented AccessControlListNotSupported"),
        ({"x-amz-write-offset-bytes": "5"}, "NotImplemented"),
    ],
)
def test_headers_that_are_wrong_or_not_supported(
    server: Server, bucket: str, alive: None, headers: dict[str, str], code: str
) -> None:
    answer = send(server, "PUT", f"/{bucket}/k", b"hello", headers)
    assert answer.code in code.split(), answer


def test_content_that_does_not_match_its_signed_hash(server: Server, bucket: str, alive: None) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    assert send(server, "PUT", f"/{bucket}/k", b"hello", payload_hash=other).code == "XAmzContentSHA256Mismatch"
    assert send(server, "PUT", f"/{bucket}/k", b"hello", payload_hash="nonsense").status == 400


def chunked(parts: list[bytes], decoded: int, *, trailer: bytes = b"") -> tuple[bytes, dict[str, str]]:
    headers = {"Content-Encoding": "aws-chunked", "x-amz-decoded-content-length": str(decoded)}
    if trailer:
        headers["x-amz-trailer"] = "x-amz-checksum-crc32"
    return b"".join(parts) + trailer, headers


@pytest.mark.parametrize(
    "frames",
    [
        [b"5\r\nhel", b""],
        [b"FFFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"],
        [b"-5\r\nhello\r\n0\r\n\r\n"],
        [b"6\r\nhello\r\n0\r\n\r\n"],
        [b"4\r\nhello\r\n0\r\n\r\n"],
        [b"5\r\nhelloXX0\r\n\r\n"],
        [b"5" + b"0" * 2000 + b"\r\nhello\r\n0\r\n\r\n"],
        [b"zz\r\nhello\r\n0\r\n\r\n"],
        [b"a\r\nhellohello\r\n0\r\n\r\n"],
        [b"3\r\nhel\r\n0\r\n\r\n"],
        [b"5\r\nhello\r\n"],
    ],
)
def test_chunks_that_lie(server: Server, bucket: str, alive: None, frames: list[bytes]) -> None:
    body, headers = chunked(frames, 5, trailer=b"")
    headers["x-amz-trailer"] = "x-amz-checksum-crc32"
    answer = send(server, "PUT", f"/{bucket}/k", body, headers, payload_hash="STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    assert 400 <= answer.status < 500 and answer.code, answer


def test_a_trailing_checksum_is_verified_and_the_right_one_accepted(
    server: Server, s3: Any, bucket: str, alive: None
) -> None:
    for data, status in ((b"hello", 200), (b"other", 400)):
        crc = base64.b64encode(zlib.crc32(data).to_bytes(4)).decode()
        trailer = f"x-amz-checksum-crc32:{crc}\r\n\r\n".encode()
        body, headers = chunked([b"5\r\nhello\r\n0\r\n"], 5, trailer=trailer)
        answer = send(server, "PUT", f"/{bucket}/k", body, headers, payload_hash="STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        assert answer.status == status, answer
        s3.delete_object(Bucket=bucket, Key="k")


@pytest.mark.parametrize("number", ["0", "10001", "-1", "99999999999999999999", "abc", ""])
def test_part_numbers_out_of_range(server: Server, s3: Any, bucket: str, number: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    answer = send(server, "PUT", f"/{bucket}/k?partNumber={number}&uploadId={upload}", b"x")
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)
    assert answer.code == "InvalidArgument", answer


def test_ten_thousand_and_one_parts_are_refused(server: Server, s3: Any, bucket: str, alive: None) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    part = b"<Part><PartNumber>%d</PartNumber><ETag>&quot;" + b"0" * 32 + b"&quot;</ETag></Part>"
    body = b"<CompleteMultipartUpload>" + b"".join(part % n for n in range(1, 10_002)) + b"</CompleteMultipartUpload>"
    assert send(server, "POST", f"/{bucket}/k?uploadId={upload}", body).code in ("MalformedXML", "InvalidArgument")
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)


@pytest.mark.parametrize(
    "query",
    ["max-keys=-1", "max-keys=99999999999999999999", "max-keys=abc", "list-type=3", "encoding-type=base64",
     "list-type=2&continuation-token=nonsense", "list-type=2&continuation-token=%00"],
)  # fmt: skip
def test_listing_parameters_out_of_range(server: Server, bucket: str, alive: None, query: str) -> None:
    answer = send(server, "GET", f"/{bucket}?{query}")
    assert (answer.status, answer.code) == (400, "InvalidArgument"), answer
    assert send(server, "GET", f"/{bucket}?prefix=%ff").code == "InvalidURI"


def test_unknown_sub_resources_never_reach_the_object(server: Server, s3: Any, bucket: str, alive: None) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"precious")
    for word in ("torrent", "nonsense", "acl&tagging", "policyx", "Tagging", "uploads&uploadId=1"):
        answer = send(server, "PUT", f"/{bucket}/k?{word}", b"<x/>")
        assert answer.status in (400, 405, 501), (word, answer)
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"precious", word
    s3.delete_object(Bucket=bucket, Key="k")


def test_wrong_signatures_each_with_its_code(server: Server, bucket: str, alive: None) -> None:
    good = signed(server.url, "PUT", f"/{bucket}/k", b"x", key=ROOT_KEY, secret=ROOT_SECRET).decode("latin-1")

    def code(old: str, new: str) -> str:
        assert old in good
        answer = exchange(server.url, good.replace(old, new).encode("latin-1"))
        assert answer is not None
        return answer.code

    signature = good.split("Signature=")[1][:64]
    assert code(signature, "0" * 64) == "SignatureDoesNotMatch"
    assert code(ROOT_KEY, "NOSUCHKEY00000000000") == "InvalidAccessKeyId"
    assert code(f"/{bucket}/k ", f"/{bucket}/j ") == "SignatureDoesNotMatch"
    assert code("AWS4-HMAC-SHA256 ", "AWS9 ") in (
        "InvalidArgument",
        "UnsupportedSignature",
        "AuthorizationHeaderMalformed",
    )
    assert code("/s3/aws4_request", "/ec2/aws4_request") == "AuthorizationHeaderMalformed"
    assert code("Signature=", "Sig=") in ("AuthorizationHeaderMalformed", "InvalidArgument")
    date = good.split("X-Amz-Date: ")[1][:16]
    assert code(f"X-Amz-Date: {date}", "X-Amz-Date: 20200101T000000Z") in (
        "RequestTimeTooSkewed",
        "AccessDenied",
        "AuthorizationHeaderMalformed",
    )
    assert code(f"X-Amz-Date: {date}", "X-Amz-Date: yesterday") in (
        "AccessDenied",
        "AuthorizationHeaderMalformed",
        "InvalidRequest",
    )
    unsigned = exchange(server.url, f"PUT /{bucket}/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx".encode())
    assert unsigned is not None and (unsigned.status, unsigned.code) == (403, "AccessDenied")


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(server: Server, bucket: str, alive: None) -> None:
    at = server.url.removeprefix("http://").split(":")
    for sent in (0, 1, 70_000, 3 << 20):
        request = signed(
            server.url, "PUT", f"/{bucket}/k", b"x" * sent, key=ROOT_KEY, secret=ROOT_SECRET, length=8 << 20,
            payload_hash="UNSIGNED-PAYLOAD",
        )  # fmt: skip
        with socket.create_connection((at[0], int(at[1]))) as sock:
            sock.sendall(request)


def test_errors_carry_their_request_id_in_header_and_body(server: Server, bucket: str, alive: None) -> None:
    answer = send(server, "GET", f"/{bucket}/missing")
    assert answer.code == "NoSuchKey"
    assert answer.headers["x-amz-request-id"].encode() in answer.body
    assert answer.headers["x-amz-id-2"]
    assert send(server, "HEAD", f"/{bucket}/missing").body == b""
