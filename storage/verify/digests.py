"""Checksums and digests by their number in object records, and CRC32C for volumes.

Belongs here: the algorithms. Does not belong here: what is compared with what.
"""

import hashlib
import zlib
from collections.abc import Callable
from typing import Final, Protocol

from awscrt import checksums as crt

Bytes = bytes | memoryview

MD5: Final = 7
NAMES: Final = {
    1: "CRC32",
    2: "CRC32C",
    3: "CRC64NVME",
    4: "SHA1",
    5: "SHA256",
    6: "SHA512",
    7: "MD5",
    8: "XXHASH64",
    9: "XXHASH3",
    10: "XXHASH128",
}
"""Amazon's names by number."""


def crc32c(data: Bytes) -> int:
    """CRC-32C of the bytes."""
    return int(crt.crc32c(data))


class Digest(Protocol):
    """A digest that is fed piece by piece."""

    def update(self, data: Bytes, /) -> None:
        """More bytes."""

    def digest(self) -> bytes:
        """The raw digest of all bytes so far."""


class _Crc:
    """A CRC whose function takes the value before; its digest is big-endian, as on the wire."""

    __slots__ = ("_function", "_size", "_value")

    def __init__(self, function: Callable[[Bytes, int], int], size: int) -> None:
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: Bytes, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


class _Xx:
    """An XXHash of awscrt."""

    __slots__ = ("_hash",)

    def __init__(self, started: crt.XXHash) -> None:
        self._hash = started

    def update(self, data: Bytes, /) -> None:
        self._hash.update(data)

    def digest(self) -> bytes:
        return bytes(self._hash.finalize())


_STARTS: Final[dict[int, Callable[[], Digest]]] = {
    1: lambda: _Crc(zlib.crc32, 4),
    2: lambda: _Crc(crt.crc32c, 4),
    3: lambda: _Crc(crt.crc64nvme, 8),
    4: lambda: hashlib.sha1(usedforsecurity=False),
    5: hashlib.sha256,
    6: hashlib.sha512,
    7: lambda: hashlib.md5(usedforsecurity=False),
    8: lambda: _Xx(crt.XXHash.new_xxhash64()),
    9: lambda: _Xx(crt.XXHash.new_xxhash3_64()),
    10: lambda: _Xx(crt.XXHash.new_xxhash3_128()),
}


def start(algorithm: int) -> Digest:
    """A new digest. KeyError for a number that `NAMES` does not have."""
    return _STARTS[algorithm]()


def digest(algorithm: int, data: bytes) -> bytes:
    """The digest of one piece."""
    started = start(algorithm)
    started.update(data)
    return started.digest()
