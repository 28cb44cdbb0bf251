"""Digests of control documents: which are checked, which are refused."""

import base64
import hashlib

import pytest
from world import refused

from gateway.errors import Code
from gateway.wire.checksums import verify

CHECK = b"123456789"
PUBLISHED = {
    # The check values of the CRC catalogue and of FIPS 180 / RFC 1321 for "123456789".
    "x-amz-checksum-crc32": "cbf43926",
    "x-amz-checksum-crc32c": "e3069283",
    "x-amz-checksum-crc64nvme": "ae8b14860a799888",
    "x-amz-checksum-sha1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "x-amz-checksum-sha256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
    "x-amz-checksum-sha512": hashlib.sha512(CHECK).hexdigest(),
    "content-md5": "25f9e794323b453885f5181f1b624d0b",
}


def b64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()


@pytest.mark.parametrize(("header", "digest"), PUBLISHED.items())
def test_published_values_hold_and_other_bytes_do_not(header: str, digest: str) -> None:
    verify({header: b64(digest)}, CHECK, required=True)
    refused(Code.BAD_DIGEST, lambda: verify({header: b64(digest)}, CHECK + b"0", required=True))


def test_all_that_are_sent_are_checked() -> None:
    good = {header: b64(digest) for header, digest in PUBLISHED.items()}
    verify(good, CHECK, required=True)
    for header, digest in PUBLISHED.items():
        wrong = good | {header: b64("00" * (len(digest) // 2))}
        refused(Code.BAD_DIGEST, lambda wrong=wrong: verify(wrong, CHECK, required=True))


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"content-md5": ""}, Code.INVALID_DIGEST),
        ({"content-md5": "YWJj"}, Code.INVALID_DIGEST),
        ({"content-md5": "not base64 at all!!!!!!"}, Code.INVALID_DIGEST),
        ({"x-amz-checksum-crc32": "YWJj"}, Code.INVALID_REQUEST),
        ({"x-amz-checksum-sha256": "é"}, Code.INVALID_REQUEST),
        ({"x-amz-checksum-xxhash64": "AAAAAAAAAAA="}, Code.INVALID_REQUEST),
        ({"x-amz-checksum-none": "AAAA"}, Code.INVALID_REQUEST),
    ],
)
def test_what_is_no_digest_is_refused(headers: dict[str, str], code: Code) -> None:
    refused(code, lambda: verify(headers, CHECK, required=False))


def test_one_is_required_only_where_the_model_says_so() -> None:
    verify({}, CHECK, required=False)
    refused(Code.INVALID_REQUEST, lambda: verify({}, CHECK, required=True))
    refused(Code.INVALID_REQUEST, lambda: verify({"x-amz-checksum-algorithm": "CRC32"}, CHECK, required=True))
