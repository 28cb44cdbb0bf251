"""Content-MD5 and x-amz-checksum-* over the body of a control document.

Belongs here: which of them a request carries, and whether they hold. Does not belong here: bodies of objects (crate
`wire`), x-amz-content-sha256 (step 4 checks it before a handler runs).

A document is small, so the two CRCs that the standard library lacks are table-driven here.
"""

import base64
import binascii
import hashlib
import hmac
import zlib
from collections.abc import Callable, Mapping
from typing import Final

from gateway.errors import Code, S3Error

_PREFIX: Final = "x-amz-checksum-"
_NOT_VALUES: Final = frozenset({"algorithm", "mode", "type"})
"""Headers with the prefix that carry no digest."""


def _crc_table(polynomial: int) -> tuple[int, ...]:
    """The byte-wise table of a reflected CRC."""
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC32C: Final = _crc_table(0x82F63B78)
_CRC64NVME: Final = _crc_table(0x9A6C9329AC4BC9B5)


def _crc(table: tuple[int, ...], width_bytes: int, data: bytes) -> bytes:
    ones = (1 << (8 * width_bytes)) - 1
    value = ones
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return (value ^ ones).to_bytes(width_bytes, "big")


_ALGORITHMS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": lambda data: _crc(_CRC32C, 4, data),
    "crc64nvme": lambda data: _crc(_CRC64NVME, 8, data),
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).digest(),
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "sha512": lambda data: hashlib.sha512(data).digest(),
}


def _decoded(value: str, length: int, header: str) -> bytes:
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) == length:
        return digest
    if header == "content-md5":
        raise S3Error(Code.INVALID_DIGEST)
    raise S3Error(Code.INVALID_REQUEST, f"Value for {header} header is invalid.")


def verify(headers: Mapping[str, str], body: bytes, *, required: bool) -> None:
    """Checks every digest the request carries; header names are lower-case.

    BadDigest when one does not hold, InvalidDigest or InvalidRequest when one is not a digest, InvalidRequest when
    one is required and none is there. Algorithms we cannot verify are refused: an unchecked checksum is worse.
    """
    digests = 0
    if (md5 := headers.get("content-md5")) is not None:
        digests += 1
        _compare(_decoded(md5, 16, "content-md5"), _ALGORITHMS["md5"](body), "content-md5")
    for header, value in headers.items():
        name = header.removeprefix(_PREFIX)
        if name == header or name in _NOT_VALUES:
            continue
        algorithm = _ALGORITHMS.get(name)
        if algorithm is None:
            raise S3Error(Code.INVALID_REQUEST, f"The checksum algorithm of {header} is not supported here.")
        digests += 1
        computed = algorithm(body)
        _compare(_decoded(value, len(computed), header), computed, header)
    if required and digests == 0:
        raise S3Error(Code.INVALID_REQUEST, "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")


def _compare(sent: bytes, computed: bytes, header: str) -> None:
    if hmac.compare_digest(sent, computed):
        return
    if header == "content-md5":
        raise S3Error(Code.BAD_DIGEST, "The Content-MD5 you specified did not match what we received.")
    kind = header.removeprefix(_PREFIX).upper()
    raise S3Error(Code.BAD_DIGEST, f"The {kind} you specified did not match the calculated checksum.")
