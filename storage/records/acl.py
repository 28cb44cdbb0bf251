"""Access control lists as bucket records (section 67) and object records (section 20) hold them.

Belongs here: the bytes of a list of grants. Does not belong here: who may do what by it (Rust, crate `authz`), how a
list looks on the wire (`gateway/wire/acl.py`).
"""

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

from storage.records.fields import VERSION, Fields

_HEAD: Final = struct.Struct("<BH")
_GRANT: Final = struct.Struct("<BIB")


class Kind(IntEnum):
    """Whom a grant is for: a user, or a group that Amazon defined."""

    USER = 0
    ALL_USERS = 1
    AUTHENTICATED_USERS = 2
    LOG_DELIVERY = 3


class Permission(IntFlag):
    """What a grant allows."""

    READ = 1
    WRITE = 2
    READ_ACP = 4
    WRITE_ACP = 8
    FULL_CONTROL = 15


@dataclass(frozen=True, slots=True)
class Grant:
    """A line of a list. `user` is 0 for groups, and for a user who does not sign."""

    kind: Kind
    user: int
    permissions: Permission


def full_control(user: int) -> Grant:
    """Everything, for a user."""
    return Grant(Kind.USER, user, Permission.FULL_CONTROL)


def decode_acl(data: bytes) -> tuple[Grant, ...]:
    """Reads a list. RecordError."""
    fields = Fields("acl", data, _HEAD.size)
    count = fields.number(1, 2)
    if len(data) != _HEAD.size + count * _GRANT.size:
        raise fields.wrong(1, "not as long as its count says")
    found = []
    for place, (kind, user, permissions) in enumerate(_GRANT.iter_unpack(data[_HEAD.size :])):
        offset = _HEAD.size + place * _GRANT.size
        if kind not in list(Kind) or (kind != Kind.USER and user):
            raise fields.wrong(offset, "unknown grantee")
        if not 0 < permissions <= Permission.FULL_CONTROL:
            raise fields.wrong(offset, "unknown permission")
        found.append(Grant(Kind(kind), user, Permission(permissions)))
    return tuple(found)


def encode_acl(grants: tuple[Grant, ...]) -> bytes:
    """Writes a list. struct.error for one that does not fit."""
    head = _HEAD.pack(VERSION, len(grants))
    return head + b"".join(_GRANT.pack(each.kind, each.user, each.permissions) for each in grants)
