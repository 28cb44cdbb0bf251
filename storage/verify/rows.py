"""Rows of the metastore as `rust/crates/meta/FORMAT.md` says: bytes to values. A second implementation on purpose: it
shares no code with `storage.records`, so that a mistake there is seen here.

Belongs here: decoding keys and values. Does not belong here: what rows must say about each other. The one thing shared
is the table of content types: data of the format, with golden bytes of its own.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from storage.records.content_type import NAMES as CONTENT_TYPES

_OBJECT: Final = struct.Struct("<BBBBIQQ16sII")
_PART: Final = struct.Struct("<BBHIQQ16sBB")
_FENCE: Final = struct.Struct("<BBBQ")
_BUCKET: Final = struct.Struct("<BBHIIIQQ")
_TENANT: Final = struct.Struct("<BBHIQ32s")
_USER: Final = struct.Struct("<BBHIIIQ32s")
_GROUP: Final = struct.Struct("<BBHIIIQ")
_CREDENTIAL: Final = struct.Struct("<BBHIIIQQ32s")
_ENTRY: Final = struct.Struct("<32sI")
_LIST: Final = struct.Struct("<BH")
_GRANT: Final = struct.Struct("<BIB")
ENTRY_BYTES: Final = _ENTRY.size
STORAGE_CLASSES: Final = (
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
    "REDUCED_REDUNDANCY",
    "OUTPOSTS",
    "SNOW",
    "EXPRESS_ONEZONE",
)
_LITERAL: Final = 255

Entry = tuple[bytes, int]
"""Chunk id and length."""
Sections = dict[int, bytes]


class BadRow(ValueError):  # noqa: N818  a row, not an error of this program
    """Bytes that are not the row they should be."""


def _need(condition: object, what: str) -> None:
    if not condition:
        raise BadRow(what)


def _fixed(data: bytes, shape: struct.Struct) -> tuple[int, ...]:
    """The fixed part, behind the version byte."""
    _need(len(data) >= shape.size, f"is {len(data)} bytes long, less than its {shape.size} fixed ones")
    _need(data[0] == 1, f"version {data[0]} is not known")
    return shape.unpack_from(data)[1:]


def _flags(value: int, known: int) -> int:
    _need(not value & ~known, f"flags {value:#x} are not known")
    return value


def _sections(data: bytes, at: int) -> Sections:
    found: Sections = {}
    last = -1
    while at < len(data):
        _need(at + 5 <= len(data), "ends inside the head of a section")
        tag, size = struct.unpack_from("<BI", data, at)
        _need(tag > last, "sections are out of order")
        _need(at + 5 + size <= len(data), f"ends inside section {tag}")
        found[tag] = data[at + 5 : at + 5 + size]
        last, at = tag, at + 5 + size
    return found


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError as error:
        raise BadRow("text is not UTF-8") from error


class _Reader:
    """Items of a section, front to back."""

    def __init__(self, data: bytes) -> None:
        self.left = data

    def bytes(self, size: int) -> bytes:
        _need(size <= len(self.left), "ends inside an item of a section")
        taken, self.left = self.left[:size], self.left[size:]
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.bytes(size), "little")


def _pairs(section: bytes) -> Iterator[tuple[bytes, bytes]]:
    reader = _Reader(section)
    while reader.left:
        yield reader.bytes(reader.number(2)), reader.bytes(reader.number(2))


def entries(data: bytes) -> list[Entry]:
    """Manifest entries."""
    _need(len(data) % ENTRY_BYTES == 0, "a manifest ends inside an entry")
    return list(_ENTRY.iter_unpack(data))


@dataclass(frozen=True, slots=True)
class Manifest:
    """The chunks listed; `indirect`: they hold the entries of the real manifest."""

    chunks: list[Entry]
    indirect: bool


@dataclass(frozen=True, slots=True)
class Sum:
    """A checksum of the whole; `composite`: over the checksums of the parts."""

    algorithm: int
    composite: bool
    value: bytes


@dataclass(frozen=True, slots=True)
class PartOf:
    """A part of a finished multipart object."""

    number: int
    size: int
    checksum: bytes


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """An `o`, `v` or `u` row."""

    size: int
    ordinal: int
    owner: int
    etag: bytes
    part_count: int
    manifest: Manifest
    null: bool
    marker: bool
    multipart: bool
    storage_class: str
    content_type: bytes
    metadata: list[tuple[bytes, bytes]]
    tags: list[tuple[str, str]]
    sums: list[Sum]
    parts: list[PartOf]
    grantees: list[int]
    sections: Sections

    @property
    def shown_etag(self) -> str:
        """The ETag as clients see it."""
        return self.etag.hex() + (f"-{self.part_count}" if self.multipart else "")

    @property
    def version_id(self) -> str:
        """The version id as clients see it."""
        return "null" if self.null else f"{self.ordinal:016x}"


def read_object(data: bytes) -> ObjectRow:
    """Reads an object record. BadRow, like every function here."""
    flags, storage_class, kind, owner, size, ordinal, _, part_count, count = _fixed(data, _OBJECT)
    _flags(flags, 15)
    _need(storage_class < len(STORAGE_CLASSES), f"storage class {storage_class} is not known")
    _need(kind == _LITERAL or kind < len(CONTENT_TYPES), f"content type {kind} is not known")
    end = _OBJECT.size + count * ENTRY_BYTES
    _need(end <= len(data), "ends inside the manifest")
    sections = _sections(data, end)
    _need(kind != _LITERAL or 1 in sections, "has no literal content type")
    row = ObjectRow(
        size=size,
        ordinal=ordinal,
        owner=owner,
        etag=data[24:40],
        part_count=part_count,
        manifest=Manifest(entries(data[_OBJECT.size : end]), bool(flags & 8)),
        null=bool(flags & 1),
        marker=bool(flags & 2),
        multipart=bool(flags & 4),
        storage_class=STORAGE_CLASSES[storage_class],
        content_type=sections[1] if kind == _LITERAL else CONTENT_TYPES[kind],
        metadata=list(_pairs(sections.get(16, b""))),
        tags=[(_text(key) or "", _text(value) or "") for key, value in _pairs(sections.get(17, b""))],
        sums=list(_sums(sections.get(18, b""))),
        parts=list(_parts(sections.get(19, b""))),
        grantees=_grantees(sections.get(20)),
        sections=sections,
    )
    nothing = not (size or any(row.etag) or count)
    _need(not row.marker or nothing, "is a delete marker with content")
    return row


def _sums(section: bytes) -> Iterator[Sum]:
    reader = _Reader(section)
    while reader.left:
        algorithm, kind = reader.number(1), reader.number(1)
        _need(kind <= 1, f"checksum type {kind} is not known")
        yield Sum(algorithm, bool(kind), reader.bytes(reader.number(1)))


def _parts(section: bytes) -> Iterator[PartOf]:
    reader, last = _Reader(section), -1
    while reader.left:
        part = PartOf(reader.number(2), reader.number(8), reader.bytes(reader.number(1)))
        _need(part.number > last, "parts are out of order")
        last = part.number
        yield part


def _grantees(section: bytes | None) -> list[int]:
    """The users a list of grants names; 0 stands for groups too."""
    if section is None:
        return []
    (count,) = _fixed(section, _LIST)
    _need(len(section) == _LIST.size + count * _GRANT.size, "a list of grants is not as long as it says")
    found = []
    for kind, user, permissions in _GRANT.iter_unpack(section[_LIST.size :]):
        _need(kind <= 3 and (kind == 0 or user == 0), f"grantee {kind} is not known")
        _need(1 <= permissions <= 15, f"permissions {permissions} are not known")
        found.append(user)
    return found


def read_upload(data: bytes) -> ObjectRow:
    """Reads an upload record."""
    row = read_object(data)
    _need(len(row.sections.get(32, b"")) == 2, "has no checksum section of 2 bytes")
    _need(len(row.sections.get(33, bytes(4))) == 4, "has an initiator section that is not 4 bytes long")
    _need(len(row.sections.get(34, bytes(12))) == 12, "has a share section that is not 12 bytes long")
    _need(not row.manifest.chunks and not row.size and not any(row.etag), "is an upload with content")
    return row


def came_through(row: ObjectRow) -> tuple[int, int] | None:
    """The share, and its bearer's tenant, of an upload that came through a mount."""
    section = row.sections.get(34)
    return None if section is None else struct.unpack("<II", section[:8])


@dataclass(frozen=True, slots=True)
class PartRow:
    """A `p` row."""

    size: int
    ordinal: int
    md5: bytes
    algorithm: int
    checksum: bytes
    manifest: Manifest


def read_part(data: bytes) -> PartRow:
    """Reads a part record."""
    flags, reserved, count, size, ordinal, _, algorithm, length = _fixed(data, _PART)
    _flags(flags, 8)
    _need(reserved == 0, "reserved bytes are not 0")
    start = _PART.size + length
    _need(start + count * ENTRY_BYTES == len(data), "the manifest is not as long as it says")
    manifest = Manifest(entries(data[start:]), bool(flags & 8))
    return PartRow(size, ordinal, data[24:40], algorithm, data[_PART.size : start], manifest)


@dataclass(frozen=True, slots=True)
class FenceRow:
    """An `f` row."""

    versioning: int
    lock: bool


def read_fence(data: bytes) -> FenceRow:
    """Reads a fence."""
    versioning, flags, _ = _fixed(data, _FENCE)
    _need(len(data) == _FENCE.size, "is not 11 bytes long")
    _need(versioning <= 2, f"versioning {versioning} is not known")
    return FenceRow(versioning, bool(_flags(flags, 1)))


@dataclass(frozen=True, slots=True)
class BucketRow:
    """A `b` row."""

    id: int
    tenant: int
    owner: int
    created: int
    versioning: int
    lock: bool
    region: str | None
    grantees: list[int]


def read_bucket(data: bytes) -> BucketRow:
    """Reads a bucket."""
    versioning, flags, number, tenant, owner, created, _ = _fixed(data, _BUCKET)
    _need(versioning <= 2, f"versioning {versioning} is not known")
    sections = _sections(data, _BUCKET.size)
    region = _text(sections.get(1))
    _need(sections.get(64) != b"", "the compiled policy is empty")
    block = sections.get(65, b"\0")
    _need(len(block) == 1 and not block[0] & ~15, "the public access block is not one byte of four settings")
    _need(sections.get(66) in (None, b"\x01", b"\x02"), "object ownership is not known")
    _need(sections.get(68) in (None, b"\x01"), "listing mode is not known")
    mounts = sections.get(69, b"\x01\0\0\0")
    _need(len(mounts) == 4 and any(mounts), "the number of mounts is none")
    grantees = _grantees(sections.get(67))
    return BucketRow(number, tenant, owner, created, versioning, bool(_flags(flags, 1)), region, grantees)


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A `T` row."""

    id: int
    disabled: bool
    domain_key: bytes
    name: str


def read_tenant(data: bytes) -> TenantRow:
    """Reads a tenant."""
    flags, reserved, number, _, _ = _fixed(data, _TENANT)
    _need(reserved == 0, "reserved bytes are not 0")
    name = _text(_sections(data, _TENANT.size).get(1)) or ""
    return TenantRow(number, bool(_flags(flags, 1)), data[16:48], name)


@dataclass(frozen=True, slots=True)
class UserRow:
    """A `U` row."""

    id: int
    tenant: int
    flags: int
    canonical_id: bytes
    name: str
    display_name: str | None
    email: str | None

    @property
    def disabled(self) -> bool:
        """It may do nothing."""
        return bool(self.flags & 1)


def read_user(data: bytes) -> UserRow:
    """Reads a user."""
    flags, reserved, number, tenant, more, _, _ = _fixed(data, _USER)
    _need(reserved == 0 and more == 0, "reserved bytes are not 0")
    sections = _sections(data, _USER.size)
    shown, email = _text(sections.get(2)), _text(sections.get(3))
    return UserRow(number, tenant, _flags(flags, 7), data[24:56], _text(sections.get(1)) or "", shown, email)


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A `g` or an `e` row."""

    id: int
    tenant: int
    name: str


def read_group(data: bytes) -> GroupRow:
    """Reads a group or a role."""
    flags, reserved, number, tenant, more, _ = _fixed(data, _GROUP)
    _need((flags, reserved, more) == (0, 0, 0), "reserved bytes are not 0")
    sections = _sections(data, _GROUP.size)
    _text(sections.get(2))
    return GroupRow(number, tenant, _text(sections.get(1)) or "")


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """A `k` row, without its secrets."""

    tenant: int
    user: int
    flags: int
    canonical_id: bytes


def read_credential(data: bytes) -> CredentialRow:
    """Reads a credential."""
    flags, reserved, tenant, user, more, _, _, _ = _fixed(data, _CREDENTIAL)
    _need(reserved == 0 and more == 0, "reserved bytes are not 0")
    sections = _sections(data, _CREDENTIAL.size)
    _need(sections.get(1), "has no secret key")
    _text(sections.get(4))
    return CredentialRow(tenant, user, _flags(flags, 7), data[32:64])


def read_pointer(data: bytes, size: int) -> int:
    """The number in an `n`, `N`, `B`, `C`, `@` (size 4) or `z` row (size 8)."""
    _need(len(data) == 1 + size, f"is not {1 + size} bytes long")
    _need(data[0] == 1, f"version {data[0]} is not known")
    return int.from_bytes(data[1:], "little")


def read_document(data: bytes) -> bytes:
    """The document of a `c` row."""
    _need(data[:1] == b"\x01", "is not a document of version 1")
    return data[1:]


def read_counters(data: bytes, count: int) -> tuple[int, ...]:
    """A counter row with so many numbers."""
    _need(len(data) == 8 * count, f"is not {8 * count} bytes long")
    return struct.unpack(f"<{count}q", data)


def check_mark(data: bytes) -> None:
    """The value of an `a` or a `w` row: the key says everything."""
    _need(data == b"\x01", "is not a mark of version 1")


def framed(data: bytes, shape: struct.Struct) -> tuple[tuple[int, ...], Sections]:
    """The fixed part behind the version byte, and the sections, of a record that is read elsewhere."""
    return _fixed(data, shape), _sections(data, shape.size)


@dataclass(frozen=True, slots=True)
class ShareRow:
    """An `s` row."""

    tenant: int
    share: int
    creator: int
    secret: bytes
    revoked: bool


_SHARE: Final = struct.Struct("<BBBBIIIIIQQQQ32s")
_SHARE_REVOKED, _SHARE_OBJECT, _SHARE_FLAGS, _SHARE_RIGHTS, _PASSWORD_BYTES = 1, 2, 7, 15, 52


def read_share(data: bytes) -> ShareRow:
    """A share."""
    flags, cap, zero, tenant, share, _, creator, zero_too, *_ = _fixed(data, _SHARE)
    _flags(flags, _SHARE_FLAGS)
    _flags(cap, _SHARE_RIGHTS)
    _need(not zero and not zero_too, "reserved bytes are not 0")
    sections = _sections(data, _SHARE.size)
    _text(sections.get(1))
    _need(len(sections.get(3, b"")) % 4 == 0 and len(sections.get(4, b"")) % 8 == 0, "ends inside an item")
    _need(len(sections.get(5, bytes(_PASSWORD_BYTES))) == _PASSWORD_BYTES, "has a password of another length")
    path = sections.get(2, b"")
    _need(path if flags & _SHARE_OBJECT else not path or path.endswith(b"/"), "is of no place that can be shared")
    return ShareRow(tenant, share, creator, data[_SHARE.size - 32 : _SHARE.size], bool(flags & _SHARE_REVOKED))


def read_plain(data: bytes, shape: str) -> tuple[int, ...]:
    """A record of fixed length with flags that are all 0: the numbers behind them. `shape` as `struct` has it."""
    fields = struct.Struct("<B" + shape)
    flags, zero, *numbers = _fixed(data, fields)
    _need(len(data) == fields.size, f"is longer than {fields.size} bytes")
    _need(not flags and not zero, "reserved bytes are not 0")
    return tuple(numbers)


def read_text(value: bytes | None) -> str | None:
    """A section that is text."""
    return _text(value)
