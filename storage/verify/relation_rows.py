"""Rows of relations (`r`, `l`, `m | authz`) as FORMAT.md of crate `meta` says: bytes to values.

Belongs here: decoding. Does not belong here: what these rows must say about each other and about the rest
(`relations.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from storage.verify.row_keys import split_esc
from storage.verify.rows import BadRow
from storage.verify.schema_rows import SCHEMA, read_schema, read_schema_key

TENANT, GROUP, ROLE, SHARE, IN_BUCKET = range(5)
"""Classes of targets."""
USER, SERVICE, GROUP_MEMBER, ROLE_ASSIGNEE, SHARE_BEARER = 4, 5, 6, 7, 8
"""Kinds of grantees that have a number."""
BUILT_IN: Final = 19
"""Numbers of relations that every tenant has."""
RELATIONS: Final = 30
"""Numbers of relations that are given: the built-in ones, then those of a tenant's schema."""
ENTRY: Final = b"l\0"
"""How keys of log entries begin."""
IDEMPOTENCY: Final = b"l\x01"
"""How keys of idempotency rows begin."""

_KIND_TENANT_MEMBER: Final = 3
_DAY_MINUTES: Final = 24 * 60


def _need(condition: object, what: str) -> None:
    if not condition:
        raise BadRow(what)


class _Bytes:
    """Bytes front to back."""

    def __init__(self, data: bytes) -> None:
        self.left = data

    def take(self, size: int) -> bytes:
        _need(size <= len(self.left), "ends early")
        taken, self.left = self.left[:size], self.left[size:]
        return taken

    def big(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def little(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def version(self) -> None:
        version = self.little(1)
        _need(version == 1, f"version {version} is not known")

    def end(self) -> None:
        _need(not self.left, "goes on after its end")


@dataclass(frozen=True, slots=True)
class Grantee:
    """Who: kind, tenant, number."""

    kind: int
    tenant: int
    number: int


@dataclass(frozen=True, slots=True)
class TupleKey:
    """A tuple's target, relation and grantee. `number` is of a group, role, share or bucket."""

    tenant: int
    place: int
    number: int
    path: bytes
    is_object: bool
    relation: int
    grantee: Grantee

    @property
    def type_bit(self) -> int:
        """The target's type as schemas name it."""
        if self.place != IN_BUCKET:
            return {TENANT: 1, GROUP: 16, ROLE: 32, SHARE: 64}[self.place]
        if self.is_object:
            return 8
        return 4 if self.path else 2


def read_tuple_key(row: bytes) -> TupleKey:
    """The key of an `r` row. BadRow, like all here."""
    data = _Bytes(row)
    _need(data.take(1) == b"r", "is not a tuple's row")
    tenant, place = data.big(4), data.big(1)
    _need(place <= IN_BUCKET, f"target class {place} is not known")
    number = 0 if place == TENANT else data.big(4)
    path, is_object = b"", 0
    if place == IN_BUCKET:
        path, data.left = split_esc(data.left)
        is_object = data.big(1)
        _need(is_object <= 1, "a place that is neither prefix nor object")
        _need(path or not is_object, "an object without a key")
        _need(is_object or not path or path.endswith(b"/"), "a prefix that does not end in '/'")
    relation, grantee = data.big(1), read_grantee(data.big(8))
    data.end()
    _need(relation < RELATIONS, f"relation {relation} is not known")
    return TupleKey(tenant, place, number, path, bool(is_object), relation, grantee)


def read_grantee(bits: int) -> Grantee:
    """A packed grantee."""
    kind, tenant, number = bits >> 60, bits >> 32 & 0xFFF_FFFF, bits & 0xFFFF_FFFF
    _need(kind <= SHARE_BEARER, f"grantee kind {kind} is not known")
    _need(kind >= _KIND_TENANT_MEMBER or (tenant, number) == (0, 0), f"a grantee of kind {kind} has a number")
    _need(kind != _KIND_TENANT_MEMBER or number == 0, "the members of a tenant have a number")
    return Grantee(kind, tenant, number)


def check_tuple_value(value: bytes) -> None:
    """The value of an `r` row."""
    data = _Bytes(value)
    data.version()
    flags = data.little(1)
    _need(flags <= 3, f"flags {flags:#x} are not known")
    if flags & 1:
        _need(data.little(8), "expires at 0")
    if flags & 2:
        _check_condition(data)
    data.end()


def _check_condition(data: _Bytes) -> None:
    parts = data.little(1)
    _need(0 < parts <= 15, f"parts {parts:#x} of a condition are not known")
    if parts & 1:
        count = data.little(1)
        _need(count, "a condition with no network where it says some")
        for _ in range(count):
            family, bits = data.little(1), data.little(1)
            _need(family in (4, 6), f"address family {family} is not known")
            width = 32 if family == 4 else 128
            _need(bits <= width, f"a network of {bits} bits")
            data.take(width // 8)
    if parts & 2:
        weekdays, first, end = data.little(1), data.little(2), data.little(2)
        _need(0 < weekdays < 128 and first < _DAY_MINUTES and end <= _DAY_MINUTES, "a time window that cannot be")
    if parts & 8:
        data.take(4)


@dataclass(frozen=True, slots=True)
class State:
    """`m | authz`: newest revision, and the oldest whose log entry is kept."""

    revision: int
    oldest: int


def read_state(value: bytes) -> State:
    """The state row."""
    data = _Bytes(value)
    data.version()
    state = State(data.little(8), data.little(8))
    data.take(16 + 32)
    data.end()
    _need(1 <= state.oldest <= state.revision + 1, f"the log begins at {state.oldest} and ends at {state.revision}")
    return state


def read_entry_key(row: bytes) -> int:
    """The revision of a log entry."""
    _need(len(row) == 10, "is not a log entry's key")
    return int.from_bytes(row[2:], "big")


def read_entry(value: bytes) -> Iterator[tuple[bytes, bytes]]:
    """A log entry's changes: key and value of an `r` row or an `S` row; an empty value: it was removed."""
    data = _Bytes(value)
    data.version()
    data.take(8)
    tenant, count = data.little(4), data.little(4)
    for _ in range(count):
        key, row = data.take(data.little(2)), data.take(data.little(2))
        if key.startswith(SCHEMA):
            _need(read_schema_key(key) == (tenant, 0), f"changes a schema that is not of tenant {tenant}")
            if row:
                read_schema(row)
        else:
            _need(read_tuple_key(key).tenant == tenant, f"changes a tuple that is not of tenant {tenant}")
            if row:
                check_tuple_value(row)
        yield key, row
    data.end()


def check_changes(section: bytes) -> None:
    """Changes as an audit entry has them: keys and values of `r` rows, to the end."""
    data = _Bytes(section)
    while data.left:
        key, row = data.take(data.little(2)), data.take(data.little(2))
        read_tuple_key(key)
        if row:
            check_tuple_value(row)


def read_idempotency(value: bytes) -> int:
    """The revision an idempotency row says its request led to."""
    data = _Bytes(value)
    data.version()
    revision = data.little(8)
    data.take(32)
    data.end()
    return revision
