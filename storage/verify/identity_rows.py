"""Rows of identities and managed policies (`i`, `P`, `a`) as FORMAT.md of crate `meta` says: bytes to values.

Belongs here: decoding. Does not belong here: what these rows must say about each other (`identities.py`).
"""

import itertools
import struct
from dataclasses import dataclass
from typing import Final

from storage.verify.row_keys import split_esc
from storage.verify.rows import BadRow, framed

_IDENTITY: Final = struct.Struct("<BBHIQ")
_MANAGED: Final = struct.Struct("<BBHIQQ")
USER, GROUP, ROLE = 4, 6, 7
"""Whose an identity is."""
POLICY, BOUNDARY = 0, 1
"""What a managed policy is to somebody."""


def _need(condition: object, what: str) -> None:
    if not condition:
        raise BadRow(what)


def _text(value: bytes) -> None:
    try:
        value.decode()
    except UnicodeDecodeError as error:
        raise BadRow("text is not UTF-8") from error


@dataclass(frozen=True, slots=True)
class Owner:
    """A user, group or role of a tenant."""

    tenant: int
    kind: int
    number: int

    def __str__(self) -> str:
        kind = {USER: "user", GROUP: "group", ROLE: "role"}[self.kind]
        return f"{kind} {self.number} of tenant {self.tenant}"


@dataclass(frozen=True, slots=True)
class Attachment:
    """An `a` row: this policy, as what, to whom."""

    policy: bytes
    as_what: int
    owner: Owner


def read_identity_key(row: bytes) -> Owner:
    """The key of an `i` row. BadRow, like all here."""
    _need(len(row) == 10, "is not an identity's key")
    return _owner(int.from_bytes(row[1:5], "big"), row[5:])


def read_attachment_key(row: bytes) -> Attachment:
    """The key of an `a` row."""
    _need(len(row) > 5, "is not an attachment's key")
    name, rest = split_esc(row[5:])
    _need(len(rest) == 6 and rest[0] in (POLICY, BOUNDARY), "is not an attachment's key")
    return Attachment(name, rest[0], _owner(int.from_bytes(row[1:5], "big"), rest[1:]))


def _owner(tenant: int, rest: bytes) -> Owner:
    _need(rest[0] in (USER, GROUP, ROLE), f"kind {rest[0]} of a principal is not known")
    return Owner(tenant, rest[0], int.from_bytes(rest[1:], "big"))


@dataclass(frozen=True, slots=True)
class IdentityRow:
    """An `i` row: names of managed policies, and of the one that bounds them."""

    attached: list[bytes]
    boundary: bytes | None


def read_identity(data: bytes) -> IdentityRow:
    """Reads an identity."""
    (flags, reserved, more, _), found = framed(data, _IDENTITY)
    _need(flags == 0, f"flags {flags:#x} are not known")
    _need(reserved == 0 and more == 0, "reserved bytes are not 0")
    inline, rest = [], found.get(2, b"")
    while rest:
        name, rest = _behind(rest, 1)
        _, rest = _behind(rest, 4)
        _, rest = _behind(rest, 4)
        inline.append(name)
    _ascending(inline)
    rest = found.get(4, b"")
    while rest:
        key, rest = _behind(rest, 2)
        value, rest = _behind(rest, 2)
        _text(key)
        _text(value)
    attached, rest = [], found.get(1, b"")
    while rest:
        name, rest = _behind(rest, 1)
        attached.append(name)
    _ascending(attached)
    _text(found.get(3, b""))
    return IdentityRow(attached, found.get(3))


def check_managed_policy(data: bytes) -> None:
    """The value of a `P` row."""
    (flags, reserved, number, created, changed), found = framed(data, _MANAGED)
    _need(flags == 0, f"flags {flags:#x} are not known")
    _need(reserved == 0, "reserved bytes are not 0")
    _need(number > 0 and created <= changed, "was changed before it was made")
    _text(found.get(1, b""))
    _need(found.get(2) and found.get(3), "has no document or no compiled form")


def _behind(data: bytes, size: int) -> tuple[bytes, bytes]:
    """Bytes behind their length of so many bytes, and what follows."""
    end = size + int.from_bytes(data[:size], "little")
    _need(len(data) >= max(size, end), "ends inside an item of a section")
    return data[size:end], data[end:]


def _ascending(names: list[bytes]) -> None:
    for name in names:
        _text(name)
    _need(all(one < other for one, other in itertools.pairwise(names)), "names of policies are out of order")
