"""The rows of sharing: the share (`s`), the way from its secret to it (`h`), its downloads (`d`), a mount (`M`).

The same as `rust/crates/meta/src/records/share.rs`. What authenticates is in no repr.
"""

import struct
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Final

from storage.records.fields import VERSION, Fields, flag_bits
from storage.records.items import Items
from storage.records.sections import Others, encoded, others, read_sections, text, write_sections

_FIXED: Final = struct.Struct("<BBBBIIIIIQQQQ32s")
_FLAG_REVOKED: Final = 1
_FLAG_OBJECT: Final = 2
_FLAG_BEARER: Final = 4
_BUCKET: Final = 1
_PATH: Final = 2
_TENANTS: Final = 3
_GROUPS: Final = 4
_PASSWORD: Final = 5
_AUDIENCE: Final = 6
SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
_POINTER: Final = struct.Struct("<BBHII")
_DOWNLOADS: Final = struct.Struct("<BBHIQQ")
_MOUNT: Final = struct.Struct("<BBHIIIQ")


class Cap(IntFlag):
    """What a share offers at most."""

    READER = 1
    LISTER = 2
    WRITER = 4
    DELETER = 8


NO_RIGHT: Final = Cap(0)
"""A share that offers nothing."""


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """How a password is kept: PBKDF2-HMAC-SHA256."""

    iterations: int
    salt: bytes = field(repr=False)
    hash: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Its section."""
        if len(self.salt) != SALT_BYTES or len(self.hash) != _HASH_BYTES:
            raise ValueError("a password has a salt of 16 bytes and a hash of 32 bytes")
        return self.iterations.to_bytes(4, "little") + self.salt + self.hash


@dataclass(frozen=True, slots=True)
class ShareRecord:
    """A place of its owner's, offered to others: `object` of one key, else of a prefix (empty: the bucket).

    `bearer`: whoever has the token may use it. 0 for `expires_us` and `downloads` is never and without limit.
    `generation` grows with every change of the record. `audience` is whom the creator named, in the creator's words.
    """

    tenant: int
    share: int
    bucket: int
    creator: int
    created_us: int
    secret_sha256: bytes = field(repr=False)
    bucket_name: str = ""
    path: bytes = b""
    cap: Cap = NO_RIGHT
    revoked: bool = False
    object: bool = False
    bearer: bool = False
    expires_us: int = 0
    generation: int = 0
    downloads: int = 0
    tenants: tuple[int, ...] = ()
    groups: tuple[tuple[int, int], ...] = ()
    password: PasswordHash | None = None
    audience: tuple[str, ...] = ()
    others: Others = ()

    @classmethod
    def decode(cls, data: bytes) -> "ShareRecord":
        """Reads a share. RecordError."""
        fields = Fields("share", data, _FIXED.size)
        flags = fields.flags(1, _FLAG_REVOKED | _FLAG_OBJECT | _FLAG_BEARER)
        if data[2] & ~sum(Cap):
            raise fields.wrong(2, "unknown right")
        fields.zero(3, 1)
        fields.zero(20, 4)
        _, _, cap, _, tenant, share, bucket, creator, _, *numbers, secret = _FIXED.unpack_from(data)
        created_us, expires_us, generation, downloads = numbers
        sections = read_sections(fields, _FIXED.size)
        password = sections.get(_PASSWORD)
        return cls(
            tenant=tenant,
            share=share,
            bucket=bucket,
            creator=creator,
            created_us=created_us,
            secret_sha256=secret,
            bucket_name=text("share", sections.get(_BUCKET)) or "",
            path=sections.get(_PATH, b""),
            cap=Cap(cap),
            revoked=bool(flags & _FLAG_REVOKED),
            object=bool(flags & _FLAG_OBJECT),
            bearer=bool(flags & _FLAG_BEARER),
            expires_us=expires_us,
            generation=generation,
            downloads=downloads,
            tenants=tuple(_numbers(sections.get(_TENANTS, b""))),
            groups=tuple(_pairs(_numbers(sections.get(_GROUPS, b""), whole=8))),
            password=None if password is None else _password(fields, password),
            audience=tuple((text("share", sections.get(_AUDIENCE)) or "").splitlines()),
            others=others(sections, (_BUCKET, _PATH, _TENANTS, _GROUPS, _PASSWORD, _AUDIENCE)),
        )

    def encode(self) -> bytes:
        """The row's value."""
        if len(self.secret_sha256) != _HASH_BYTES:
            raise ValueError("a secret's hash has 32 bytes")
        flags = flag_bits((self.revoked, _FLAG_REVOKED), (self.object, _FLAG_OBJECT), (self.bearer, _FLAG_BEARER))
        place = (self.tenant, self.share, self.bucket, self.creator, 0)
        numbers = (self.created_us, self.expires_us, self.generation, self.downloads)
        fixed = _FIXED.pack(VERSION, flags, self.cap, 0, *place, *numbers, self.secret_sha256)
        known = [
            (_BUCKET, encoded(self.bucket_name)),
            (_PATH, self.path),
            (_TENANTS, _packed(self.tenants)),
            (_GROUPS, _packed([number for group in self.groups for number in group])),
            (_PASSWORD, None if self.password is None else self.password.encode()),
            (_AUDIENCE, "\n".join(self.audience).encode() or None),
        ]
        return fixed + write_sections(known, self.others)


def _numbers(data: bytes, whole: int = 4) -> list[int]:
    items = Items("share", data)
    found = []
    while items.more():
        item = items.take(whole)
        found += [int.from_bytes(item[at : at + 4], "little") for at in range(0, whole, 4)]
    return found


def _pairs(numbers: list[int]) -> list[tuple[int, int]]:
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _packed(numbers: tuple[int, ...] | list[int]) -> bytes | None:
    return b"".join(number.to_bytes(4, "little") for number in numbers) or None


def _password(fields: Fields, data: bytes) -> PasswordHash:
    if len(data) != 4 + SALT_BYTES + _HASH_BYTES:
        raise fields.wrong(_FIXED.size, "ends inside an item of a section")
    return PasswordHash(int.from_bytes(data[:4], "little"), data[4 : 4 + SALT_BYTES], data[4 + SALT_BYTES :])


@dataclass(frozen=True, slots=True)
class SharePointer:
    """Which share a secret belongs to."""

    tenant: int
    share: int

    @classmethod
    def decode(cls, data: bytes) -> "SharePointer":
        """Reads it. RecordError."""
        return cls(*_plain("share pointer", data, _POINTER, 2))

    def encode(self) -> bytes:
        """The row's value."""
        return _POINTER.pack(VERSION, 0, 0, self.tenant, self.share)


@dataclass(frozen=True, slots=True)
class DownloadsRecord:
    """How often a share was downloaded: downloads that began, and when the last one did."""

    count: int = 0
    last_us: int = 0

    @classmethod
    def decode(cls, data: bytes) -> "DownloadsRecord":
        """Reads it. RecordError."""
        _, count, last_us = _plain("downloads", data, _DOWNLOADS, 6)
        return cls(count, last_us)

    def encode(self) -> bytes:
        """The row's value."""
        return _DOWNLOADS.pack(VERSION, 0, 0, 0, self.count, self.last_us)


@dataclass(frozen=True, slots=True)
class MountRecord:
    """A share of another tenant, seen under a prefix of one's own bucket; `tenant` is the share's."""

    tenant: int
    share: int
    creator: int
    created_us: int

    @classmethod
    def decode(cls, data: bytes) -> "MountRecord":
        """Reads it. RecordError."""
        return cls(*_plain("mount", data, _MOUNT, 2))

    def encode(self) -> bytes:
        """The row's value."""
        return _MOUNT.pack(VERSION, 0, 0, self.tenant, self.share, self.creator, self.created_us)


def _plain(record: str, data: bytes, shape: struct.Struct, zero: int) -> tuple[int, ...]:
    """The numbers behind the head of a record of fixed length whose flags are all still to come."""
    fields = Fields(record, data, shape.size)
    fields.exactly(shape.size)
    fields.flags(1, 0)
    fields.zero(2, zero)
    return shape.unpack(data)[3:]
