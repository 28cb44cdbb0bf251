"""The bucket row."""

import struct
from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag
from typing import Final, TypedDict, Unpack

from storage.records.fence import FenceRecord, Versioning, versioning_of
from storage.records.fields import VERSION, Fields, RecordError
from storage.records.sections import Others, Sections, encoded, others, read_sections, text, write_sections

_FIXED: Final = struct.Struct("<BBHIIIQQ")
_FLAG_OBJECT_LOCK: Final = 1
_REGION, _POLICY, _PUBLIC_ACCESS_BLOCK, _OWNERSHIP, _ACL, _LISTING, _MOUNTS = 1, 64, 65, 66, 67, 68, 69
_KNOWN: Final = (_REGION, _POLICY, _PUBLIC_ACCESS_BLOCK, _OWNERSHIP, _ACL, _LISTING, _MOUNTS)


class Ownership(IntEnum):
    """Who owns the objects of a bucket (AWS: S3 Object Ownership), and with it whether access control lists count."""

    BUCKET_OWNER_ENFORCED = 0
    BUCKET_OWNER_PREFERRED = 1
    OBJECT_WRITER = 2


class PublicAccessBlock(IntFlag):
    """The settings of Block Public Access that are on."""

    BLOCK_PUBLIC_ACLS = 1
    IGNORE_PUBLIC_ACLS = 2
    BLOCK_PUBLIC_POLICY = 4
    RESTRICT_PUBLIC_BUCKETS = 8


class ListingMode(IntEnum):
    """What a listing of the bucket shows to who may not list all of it."""

    FILTERED = 0
    """The names it may discover."""
    STRICT = 1
    """Nothing, as Amazon's buckets do."""


class BucketChange(TypedDict, total=False):
    """What `BucketRecord.replace` takes: fields that change while a bucket lives."""

    versioning: Versioning
    object_lock: bool
    owner: int
    generation: int
    region: str | None
    ownership: Ownership
    acl: bytes | None
    policy: bytes | None
    public_access_block: PublicAccessBlock | None
    listing: ListingMode
    mounts: int
    others: Others


@dataclass(frozen=True, slots=True)
class BucketRecord:
    """A bucket and its compiled configuration. `generation` grows with every change of configuration.

    `acl` is a list of grants (`records/acl.py`); None is the owner alone.
    `policy` is the compiled bucket policy; `public_access_block` is None without a configuration. `mounts` counts the
    shares of other tenants that are seen in it.
    """

    id: int
    tenant: int
    owner: int
    created_us: int
    versioning: Versioning = Versioning.NEVER
    object_lock: bool = False
    generation: int = 0
    region: str | None = None
    ownership: Ownership = Ownership.BUCKET_OWNER_ENFORCED
    acl: bytes | None = None
    policy: bytes | None = None
    public_access_block: PublicAccessBlock | None = None
    listing: ListingMode = ListingMode.FILTERED
    others: Others = ()
    mounts: int = 0

    @classmethod
    def decode(cls, data: bytes) -> "BucketRecord":
        """Reads a bucket. RecordError."""
        fields = Fields("bucket", data, _FIXED.size)
        versioning = versioning_of(fields, 1)
        lock = fields.flags(2, _FLAG_OBJECT_LOCK, 2)
        _, _, _, number, tenant, owner, created_us, generation = _FIXED.unpack_from(data)
        sections = read_sections(fields, _FIXED.size)
        return cls(
            id=number,
            tenant=tenant,
            owner=owner,
            created_us=created_us,
            versioning=versioning,
            object_lock=bool(lock),
            generation=generation,
            region=text("bucket", sections.get(_REGION)),
            ownership=_ownership(fields, sections.get(_OWNERSHIP)),
            acl=sections.get(_ACL),
            policy=sections.get(_POLICY),
            public_access_block=_block(fields, sections.get(_PUBLIC_ACCESS_BLOCK)),
            listing=_listing(sections),
            others=others(sections, _KNOWN),
            mounts=_mounts(sections),
        )

    def encode(self) -> bytes:
        """The row's value."""
        fixed = _FIXED.pack(
            VERSION,
            self.versioning,
            _FLAG_OBJECT_LOCK if self.object_lock else 0,
            self.id,
            self.tenant,
            self.owner,
            self.created_us,
            self.generation,
        )
        known = [
            (_REGION, encoded(self.region)),
            (_OWNERSHIP, bytes([self.ownership]) if self.ownership else None),
            (_ACL, self.acl),
            (_POLICY, self.policy),
            (_PUBLIC_ACCESS_BLOCK, None if self.public_access_block is None else bytes([self.public_access_block])),
            (_LISTING, bytes([self.listing]) if self.listing is not ListingMode.FILTERED else None),
            (_MOUNTS, self.mounts.to_bytes(4, "little") if self.mounts else None),
        ]
        return fixed + write_sections(known, self.others)

    def replace(self, **changes: Unpack[BucketChange]) -> "BucketRecord":
        """The record with other fields."""
        return replace(self, **changes)

    def fence(self, generation: int) -> FenceRecord:
        """What the bucket's fence row says at this generation of it."""
        return FenceRecord(self.versioning, self.object_lock, generation)


def _ownership(fields: Fields, section: bytes | None) -> Ownership:
    """The default is not written, so nothing else may stand for it."""
    if section is None:
        return Ownership.BUCKET_OWNER_ENFORCED
    if len(section) != 1 or section[0] not in (Ownership.BUCKET_OWNER_PREFERRED, Ownership.OBJECT_WRITER):
        raise fields.wrong(len(fields.data), "unknown ownership")
    return Ownership(section[0])


def _block(fields: Fields, value: bytes | None) -> PublicAccessBlock | None:
    if value is None:
        return None
    if len(value) != 1 or value[0] > sum(PublicAccessBlock):
        raise fields.wrong(_FIXED.size, "a public access block is one byte of four settings")
    return PublicAccessBlock(value[0])


def _listing(sections: Sections) -> ListingMode:
    """The default is not written, so nothing else may stand for it."""
    value = sections.get(_LISTING)
    if value is None:
        return ListingMode.FILTERED
    if value != bytes([ListingMode.STRICT]):
        raise RecordError("bucket", _FIXED.size, "unknown listing mode")
    return ListingMode.STRICT


def _mounts(sections: Sections) -> int:
    """None is not written, so nothing else may stand for it."""
    value = sections.get(_MOUNTS)
    if value is not None and (len(value) != 4 or not any(value)):
        raise RecordError("bucket", _FIXED.size, "is no number of mounts")
    return int.from_bytes(value or b"", "little")
