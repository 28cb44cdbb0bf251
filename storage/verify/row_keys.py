"""Keys of rows: `esc`, and the parts of each kind's key. As FORMAT.md of crate `meta` says; shares no code with
`storage.records`.
"""

from enum import IntEnum
from typing import Final

from storage.verify.rows import BadRow

_ORDINAL_MOST: Final = (1 << 64) - 1
KINDS: Final = b"mTnUNkC@iPabBfctovzuwprlSgGeEshdMj"


def u32(number: int) -> bytes:
    """A number as it stands in keys."""
    return number.to_bytes(4, "big")


def esc(key: bytes) -> bytes:
    """An object key that something follows."""
    return key.replace(b"\0", b"\0\xff") + b"\0\x01"


def split_esc(data: bytes) -> tuple[bytes, bytes]:
    """The object key at the front and what follows. BadRow."""
    at = 0
    while True:
        at = data.find(b"\0", at)
        mark = data[at + 1 : at + 2] if at >= 0 else b""
        if mark == b"\x01":
            return data[:at].replace(b"\0\xff", b"\0"), data[at + 2 :]
        if mark != b"\xff":
            raise BadRow("the key's escape is wrong")
        at += 2


def version_of(row: bytes) -> tuple[bytes, int]:
    """Object key and ordinal of a `v` row. BadRow, like the next ones."""
    key, rest = split_esc(row[5:])
    return key, _ORDINAL_MOST - _number(rest, 8)


def upload_of(row: bytes) -> tuple[bytes, int]:
    """Object key and ordinal of a `u` row."""
    key, rest = split_esc(row[5:])
    return key, _number(rest, 8)


def upload_through_key(bucket: int, share: int, tenant: int, key: bytes, ordinal: int) -> bytes:
    """The key of a `w` row."""
    return b"w" + u32(bucket) + u32(share) + u32(tenant) + esc(key) + ordinal.to_bytes(8, "big")


def null_of(row: bytes) -> bytes:
    """Object key of a `z` row."""
    key, rest = split_esc(row[5:])
    _number(rest, 0)
    return key


def part_of(row: bytes) -> tuple[int, int]:
    """Upload ordinal and part number of a `p` row."""
    return _number(row[5:13], 8), _number(row[13:], 2)


def email_of(row: bytes) -> tuple[bytes, int]:
    """Address and user number of an `@` row."""
    address, rest = split_esc(row[1:])
    return address, _number(rest, 4)


class Tally(IntEnum):
    """What a `t` row counts."""

    OBJECTS = 0
    VERSIONS = 1
    PARTS = 2


def tally_of(row: bytes) -> Tally:
    """What a `t` row counts."""
    try:
        return Tally(_number(row[5:], 1))
    except ValueError as error:
        raise BadRow("is a tally of something that is not known") from error


def version_key(bucket: int, key: bytes, ordinal: int) -> bytes:
    """The key of a `v` row."""
    return b"v" + u32(bucket) + esc(key) + (_ORDINAL_MOST - ordinal).to_bytes(8, "big")


def bucket_of(row: bytes) -> int:
    """The bucket number behind the kind byte."""
    return _number(row[1:5], 4)


def _number(data: bytes, size: int) -> int:
    if len(data) != size:
        raise BadRow("the key has a number of another length")
    return int.from_bytes(data, "big")
