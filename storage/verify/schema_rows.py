"""Rows of schemas (`S`) as FORMAT.md of crate `meta` says: bytes to values.

Belongs here: decoding, and what a compiled schema may say. Does not belong here: what it means for tuples
(`relations.py`).
"""

import re
import struct
from dataclasses import dataclass
from typing import Final

from storage.verify.rows import BadRow

SCHEMA: Final = b"S"
COMPILED, SOURCE = 0, 1
_ALLOW, _DENY, _FLAG = range(3)
_OWN: Final = range(19, 30)
_ASKED: Final = 10
_PERMISSIONS: Final = 64
_CLAUSES: Final = 16
_PLACES: Final = 15
_TENANT_ADMIN: Final = 1 << 30
_NAME: Final = re.compile(rb"[a-z][a-z0-9_]{0,47}")


def _need(condition: object, what: str) -> None:
    if not condition:
        raise BadRow(what)


@dataclass(frozen=True, slots=True)
class SchemaRow:
    """What verify needs of a schema: which relation stands on which types for which kinds of grantees."""

    revision: int
    relations: dict[int, tuple[int, int]]


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, shape: str) -> tuple[int, ...]:
        size = struct.calcsize(shape)
        _need(self.at + size <= len(self.data), "ends early")
        values = struct.unpack_from(shape, self.data, self.at)
        self.at += size
        return values

    def name(self) -> bytes:
        (size,) = self.take("<B")
        name = self.data[self.at : self.at + size]
        self.at += size
        _need(len(name) == size and _NAME.fullmatch(name), "a name that is none")
        return name


def read_schema_key(row: bytes) -> tuple[int, int]:
    """Tenant and part of an `S` row. BadRow, like all here."""
    _need(len(row) == 6 and row[5] <= SOURCE, "is not a schema's row")
    return int.from_bytes(row[1:5], "big"), row[5]


def read_schema(value: bytes) -> SchemaRow:
    """The compiled part."""
    data = _Bytes(value)
    version, revision, retired = data.take("<BQB")
    _need(version == 1, f"version {version} is not known")
    for _ in range(retired):
        number, at = data.take("<BQ")
        _need(number in _OWN and at <= revision, "a removed relation that cannot have been")
    version, count = data.take("<BB")
    _need(version == 1, f"version {version} of a compiled schema is not known")
    relations: dict[int, tuple[int, int]] = {}
    masks = {_ALLOW: _TENANT_ADMIN, _DENY: 0, _FLAG: 0}
    last = -1
    for _ in range(count):
        number, kind, targets, subjects = data.take("<BBBH")
        data.name()
        _need(last < number <= _OWN[-1], f"relation {number} is out of order or not known")
        _need(kind <= _FLAG, f"class {kind} of a relation is not known")
        relations[number] = (targets, subjects)
        if targets & _PLACES:
            masks[kind] |= 1 << number
        last = number
    _permissions(data, masks[_ALLOW], masks[_DENY])
    _need(data.at == len(value), "goes on after its end")
    return SchemaRow(revision, relations)


def _permissions(data: _Bytes, allows: int, denies: int) -> None:
    (count,) = data.take("<B")
    _need(_ASKED <= count <= _PERMISSIONS, f"{count} permissions")
    for _ in range(count):
        name = data.name()
        (clauses,) = data.take("<B")
        _need(clauses <= _CLAUSES, f"{clauses} clauses")
        for _ in range(clauses):
            some, every, absent = data.take("<III")
            right = some and not (some | every) & ~allows and not absent & ~denies
            _need(right, f"a clause of permission {name.decode()} is not what it can be")


def read_source(value: bytes) -> None:
    """The text."""
    _need(value[:1] == b"\x01", f"version {value[:1].hex() or 'none'} is not known")
    try:
        value[1:].decode()
    except UnicodeDecodeError as error:
        raise BadRow("is not UTF-8") from error
