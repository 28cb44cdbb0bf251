"""The object record (`o` and `v` rows): encode and decode."""

import struct
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final, TypedDict, Unpack

from storage.records import content_type as types
from storage.records.fields import VERSION, Fields, RecordError, flag_bits
from storage.records.items import Items, put_long, put_short
from storage.records.manifest import ENTRY_BYTES, NO_CHUNKS, Manifest, decode_entries, encode_entries
from storage.records.sections import Others, Sections, others, read_sections, write_sections

_HEADER: Final = struct.Struct("<BBBBIQQ16sII")
SIZE_FIELD: Final = 8
"""Offset of the size: the field of the bucket's tallies."""

_NULL_VERSION, _DELETE_MARKER, _MULTIPART_ETAG, FLAG_INDIRECT = 1, 2, 4, 8
_FLAGS: Final = 15

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
"""A class's number is its place. A number is never given to another class."""

CHECKSUM_ALGORITHMS: Final = {
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


class Tag(IntEnum):
    """Section tags of object records."""

    CONTENT_TYPE = 1
    CACHE_CONTROL = 2
    CONTENT_DISPOSITION = 3
    CONTENT_ENCODING = 4
    CONTENT_LANGUAGE = 5
    EXPIRES = 6
    WEBSITE_REDIRECT = 7
    USER_METADATA = 16
    TAGS = 17
    CHECKSUMS = 18
    PARTS = 19
    ACL = 20


class ChecksumKind(IntEnum):
    """Over the object's bytes, or over the parts' checksums."""

    FULL_OBJECT = 0
    COMPOSITE = 1


@dataclass(frozen=True, slots=True)
class Checksum:
    """A checksum of an object: numbers of algorithm and kind, raw digest."""

    algorithm: int
    kind: int
    value: bytes


@dataclass(frozen=True, slots=True)
class PartEntry:
    """A part of a completed multipart object; its checksum is of the object's algorithm, empty when there is none."""

    number: int
    size: int
    checksum: bytes


class ObjectChange(TypedDict, total=False):
    """What `ObjectRecord.replace` takes."""

    null_version: bool
    storage_class: int
    content_type: bytes
    owner: int
    user_metadata: tuple[tuple[bytes, bytes], ...]
    tags: tuple[tuple[str, str], ...]
    acl: bytes | None
    others: Others


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """A version of an object, or a delete marker. `ordinal` is version id and Last-Modified, in microseconds.

    Header values are the bytes the client sent; user metadata names are lower-case without `x-amz-meta-`. `acl` is a
    list of grants (`records/acl.py`); None is the owner alone.
    """

    size: int = 0
    ordinal: int = 0
    owner: int = 0
    etag: bytes = bytes(16)
    parts: int = 0
    manifest: Manifest = NO_CHUNKS
    null_version: bool = False
    delete_marker: bool = False
    multipart_etag: bool = False
    storage_class: int = 0
    content_type: bytes = types.NAMES[0]
    cache_control: bytes | None = None
    content_disposition: bytes | None = None
    content_encoding: bytes | None = None
    content_language: bytes | None = None
    expires: bytes | None = None
    website_redirect: bytes | None = None
    user_metadata: tuple[tuple[bytes, bytes], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    checksums: tuple[Checksum, ...] = ()
    part_table: tuple[PartEntry, ...] = ()
    acl: bytes | None = None
    others: Others = ()

    @classmethod
    def decode(cls, data: bytes) -> "ObjectRecord":
        """Reads an object record. RecordError."""
        fields = Fields("object", data, _HEADER.size)
        flags = fields.flags(1, _FLAGS)
        _, _, storage_class, type_number, owner, size, ordinal, etag, parts, count = _HEADER.unpack_from(data)
        if storage_class >= len(STORAGE_CLASSES):
            raise fields.wrong(2, "unknown storage class")
        if type_number != types.LITERAL and type_number >= len(types.NAMES):
            raise fields.wrong(3, "unknown content type")
        end = _HEADER.size + count * ENTRY_BYTES
        if end > len(data):
            raise fields.wrong(44, "ends inside the manifest")
        sections = read_sections(fields, end)
        return cls(
            size=size,
            ordinal=ordinal,
            owner=owner,
            etag=etag,
            parts=parts,
            manifest=Manifest(decode_entries(data[_HEADER.size : end]), bool(flags & FLAG_INDIRECT)),
            null_version=bool(flags & _NULL_VERSION),
            delete_marker=bool(flags & _DELETE_MARKER),
            multipart_etag=bool(flags & _MULTIPART_ETAG),
            storage_class=storage_class,
            content_type=_content_type(type_number, sections),
            cache_control=sections.get(Tag.CACHE_CONTROL),
            content_disposition=sections.get(Tag.CONTENT_DISPOSITION),
            content_encoding=sections.get(Tag.CONTENT_ENCODING),
            content_language=sections.get(Tag.CONTENT_LANGUAGE),
            expires=sections.get(Tag.EXPIRES),
            website_redirect=sections.get(Tag.WEBSITE_REDIRECT),
            user_metadata=_pairs(sections.get(Tag.USER_METADATA)),
            tags=_texts(_pairs(sections.get(Tag.TAGS))),
            checksums=_checksums(sections.get(Tag.CHECKSUMS)),
            part_table=_parts(sections.get(Tag.PARTS)),
            acl=sections.get(Tag.ACL),
            others=others(sections, Tag),
        )

    def encode(self) -> bytes:
        """The row's value. Raises ValueError or struct.error for a field that does not fit."""
        type_number = types.NUMBERS.get(self.content_type, types.LITERAL)
        header = _HEADER.pack(
            VERSION,
            flag_bits(
                (self.null_version, _NULL_VERSION),
                (self.delete_marker, _DELETE_MARKER),
                (self.multipart_etag, _MULTIPART_ETAG),
                (self.manifest.indirect, FLAG_INDIRECT),
            ),
            self.storage_class,
            type_number,
            self.owner,
            self.size,
            self.ordinal,
            self.etag,
            self.parts,
            len(self.manifest.chunks),
        )
        known = [
            (Tag.CONTENT_TYPE, self.content_type if type_number == types.LITERAL else None),
            (Tag.CACHE_CONTROL, self.cache_control),
            (Tag.CONTENT_DISPOSITION, self.content_disposition),
            (Tag.CONTENT_ENCODING, self.content_encoding),
            (Tag.CONTENT_LANGUAGE, self.content_language),
            (Tag.EXPIRES, self.expires),
            (Tag.WEBSITE_REDIRECT, self.website_redirect),
            *self._lists(),
            (Tag.ACL, self.acl),
        ]
        return header + encode_entries(self.manifest.chunks) + write_sections(known, self.others)

    def _lists(self) -> list[tuple[int, bytes | None]]:
        tags = ((key.encode(), value.encode()) for key, value in self.tags)
        checksums = (bytes([each.algorithm, each.kind]) + put_short(each.value) for each in self.checksums)
        parts = (
            each.number.to_bytes(2, "little") + each.size.to_bytes(8, "little") + put_short(each.checksum)
            for each in self.part_table
        )
        return [
            (Tag.USER_METADATA, b"".join(put_long(a) + put_long(b) for a, b in self.user_metadata) or None),
            (Tag.TAGS, b"".join(put_long(a) + put_long(b) for a, b in tags) or None),
            (Tag.CHECKSUMS, b"".join(checksums) or None),
            (Tag.PARTS, b"".join(parts) or None),
        ]

    def replace(self, **changes: Unpack[ObjectChange]) -> "ObjectRecord":
        """The record with other fields."""
        return replace(self, **changes)


def _content_type(number: int, sections: Sections) -> bytes:
    if number != types.LITERAL:
        return types.NAMES[number]
    literal = sections.get(Tag.CONTENT_TYPE)
    if literal is None:
        raise RecordError("object", 3, "no literal content type")
    return literal


def _pairs(section: bytes | None) -> tuple[tuple[bytes, bytes], ...]:
    items = Items("object", section or b"")
    found = []
    while items.more():
        found.append((items.long(), items.long()))
    return tuple(found)


def _texts(pairs: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[str, str], ...]:
    try:
        return tuple((key.decode(), value.decode()) for key, value in pairs)
    except UnicodeDecodeError as error:
        raise RecordError("object", 0, "text is not UTF-8") from error


def _checksums(section: bytes | None) -> tuple[Checksum, ...]:
    items = Items("object", section or b"")
    found = []
    while items.more():
        found.append(Checksum(items.number(1), items.number(1), items.short()))
    return tuple(found)


def _parts(section: bytes | None) -> tuple[PartEntry, ...]:
    items = Items("object", section or b"")
    found: list[PartEntry] = []
    while items.more():
        part = PartEntry(items.number(2), items.number(8), items.short())
        if found and found[-1].number >= part.number:
            raise RecordError("object", 0, "parts are not in ascending order")
        found.append(part)
    return tuple(found)
