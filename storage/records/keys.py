"""Builders and parsers of every row key of FORMAT.md, and the ranges that are walked.

Belongs here: bytes of keys. Numbers are big-endian, so that byte order is number order; a key that goes on behind an
object key escapes it. The same as `rust/crates/meta/src/keys.rs`.
"""

from enum import IntEnum
from typing import Final

from storage.api import KEY_LIMIT

STORE: Final = b"m"
TENANT: Final = b"T"
TENANT_NAME: Final = b"n"
USER: Final = b"U"
USER_NAME: Final = b"N"
CREDENTIAL: Final = b"k"
IDENTITY: Final = b"i"
MANAGED_POLICY: Final = b"P"
ATTACHMENT: Final = b"a"
CANONICAL_ID: Final = b"C"
EMAIL: Final = b"@"
BUCKET: Final = b"b"
TENANT_BUCKET: Final = b"B"
FENCE: Final = b"f"
DOCUMENT: Final = b"c"
TALLY: Final = b"t"
OBJECT: Final = b"o"
VERSION: Final = b"v"
NULL_VERSION: Final = b"z"
UPLOAD: Final = b"u"
UPLOAD_THROUGH: Final = b"w"
PART: Final = b"p"
AUDIT: Final = b"j"
GROUP: Final = b"g"
GROUP_NAME: Final = b"G"
ROLE: Final = b"e"
ROLE_NAME: Final = b"E"
SHARE: Final = b"s"
SHARE_SECRET: Final = b"h"
DOWNLOADS: Final = b"d"
MOUNT: Final = b"M"

FORMAT: Final = STORE + b"format"
AUDIT_TALLY: Final = STORE + b"audit/"
"""How the names begin of rows that count a tenant's audit log."""
NEXT_BUCKET: Final = STORE + b"next/bucket"
NEXT_TENANT: Final = STORE + b"next/tenant"
NEXT_USER: Final = STORE + b"next/user"
NEXT_GROUP: Final = STORE + b"next/group"
NEXT_ROLE: Final = STORE + b"next/role"

_U64_MAX: Final = (1 << 64) - 1
_OPEN: Final = b"\x00\xff"
_CLOSE: Final = b"\x00\x01"

Range = tuple[bytes, bytes]
"""Start and end of a half-open range."""


class PrincipalOf(IntEnum):
    """Whose an identity row is. The numbers are those of grantees in relations."""

    USER = 4
    GROUP = 6
    ROLE = 7


class AttachedAs(IntEnum):
    """What a managed policy is to the principal of an attachment row."""

    POLICY = 0
    BOUNDARY = 1


class TallyOf(IntEnum):
    """What a tally row of a bucket counts."""

    OBJECTS = 0
    VERSIONS = 1
    PARTS = 2


def store(name: str) -> bytes:
    """`m | name`."""
    return STORE + name.encode()


def tenant(number: int) -> bytes:
    """`T | tenant`."""
    return TENANT + _u32(number)


def tenant_name(name: bytes) -> bytes:
    """`n | name`."""
    return TENANT_NAME + name


def user(number: int) -> bytes:
    """`U | user`."""
    return USER + _u32(number)


def user_name(tenant_number: int, name: bytes) -> bytes:
    """`N | tenant | name`."""
    return USER_NAME + _u32(tenant_number) + name


def group(number: int) -> bytes:
    """`g | group`."""
    return GROUP + _u32(number)


def group_name(tenant_number: int, name: bytes) -> bytes:
    """`G | tenant | name`."""
    return GROUP_NAME + _u32(tenant_number) + name


def role(number: int) -> bytes:
    """`e | role`."""
    return ROLE + _u32(number)


def role_name(tenant_number: int, name: bytes) -> bytes:
    """`E | tenant | name`."""
    return ROLE_NAME + _u32(tenant_number) + name


def credential(access_key_id: bytes) -> bytes:
    """`k | access key id`."""
    return CREDENTIAL + access_key_id


def identity(tenant_number: int, of: PrincipalOf, number: int) -> bytes:
    """`i | tenant | whose | number`."""
    return IDENTITY + _u32(tenant_number) + bytes([of]) + _u32(number)


def managed_policy(tenant_number: int, name: bytes) -> bytes:
    """`P | tenant | name`."""
    return MANAGED_POLICY + _u32(tenant_number) + name


def attachment(tenant_number: int, name: bytes, as_what: AttachedAs, of: PrincipalOf, number: int) -> bytes:
    """`a | tenant | esc(policy name) | as what | whose | number`."""
    return ATTACHMENT + _u32(tenant_number) + escape(name) + bytes([as_what, of]) + _u32(number)


def canonical_id(raw: bytes) -> bytes:
    """`C | canonical id`."""
    return CANONICAL_ID + raw


def email(address: bytes, number: int) -> bytes:
    """`@ | esc(address in lower case) | user`."""
    return _emailed(address) + _u32(number)


def email_range(address: bytes) -> Range:
    """The users of an e-mail address."""
    return prefix_range(_emailed(address))


def bucket(name: bytes) -> bytes:
    """`b | name`."""
    return BUCKET + name


def tenant_bucket(tenant_number: int, name: bytes) -> bytes:
    """`B | tenant | name`."""
    return TENANT_BUCKET + _u32(tenant_number) + name


def fence(bucket_number: int) -> bytes:
    """`f | bucket`."""
    return FENCE + _u32(bucket_number)


def document(bucket_number: int, name: str) -> bytes:
    """`c | bucket | kind name`."""
    return DOCUMENT + _u32(bucket_number) + name.encode()


def tally(bucket_number: int, of: TallyOf) -> bytes:
    """`t | bucket | what`."""
    return TALLY + _u32(bucket_number) + bytes([of])


def object(bucket_number: int, key: bytes) -> bytes:  # noqa: A001  Amazon's word
    """`o | bucket | key`."""
    return OBJECT + _u32(bucket_number) + key


def version(bucket_number: int, key: bytes, ordinal: int) -> bytes:
    """`v | bucket | esc(key) | !ordinal`: newest first."""
    return VERSION + _u32(bucket_number) + escape(key) + _u64(_U64_MAX - ordinal)


def null_version(bucket_number: int, key: bytes) -> bytes:
    """`z | bucket | esc(key)`."""
    return NULL_VERSION + _u32(bucket_number) + escape(key)


def upload(bucket_number: int, key: bytes, ordinal: int) -> bytes:
    """`u | bucket | esc(key) | ordinal`: oldest first."""
    return UPLOAD + _u32(bucket_number) + escape(key) + _u64(ordinal)


def upload_through(bucket_number: int, share_number: int, tenant_number: int, key: bytes, ordinal: int) -> bytes:
    """`w | bucket | share | bearer's tenant | esc(key) | ordinal`: finds an upload that came through a mount."""
    numbers = _u32(bucket_number) + _u32(share_number) + _u32(tenant_number)
    return UPLOAD_THROUGH + numbers + escape(key) + _u64(ordinal)


def part(bucket_number: int, upload_ordinal: int, number: int) -> bytes:
    """`p | bucket | upload | part number`."""
    return PART + _u32(bucket_number) + _u64(upload_ordinal) + number.to_bytes(2, "big")


def next_share(tenant_number: int) -> bytes:
    """`m | next/share/TENANT`: each tenant counts its own, so that no number tells how many others have."""
    return STORE + b"next/share/%d" % tenant_number


def share(tenant_number: int, number: int) -> bytes:
    """`s | tenant | share`."""
    return SHARE + _u32(tenant_number) + _u32(number)


def share_range(tenant_number: int) -> Range:
    """The shares of a tenant."""
    return prefix_range(SHARE + _u32(tenant_number))


def share_secret(sha256: bytes) -> bytes:
    """`h | SHA-256 of the secret`."""
    return SHARE_SECRET + sha256


def downloads(tenant_number: int, share_number: int) -> bytes:
    """`d | tenant | share`."""
    return DOWNLOADS + _u32(tenant_number) + _u32(share_number)


def mount(bucket_number: int, prefix: bytes) -> bytes:
    """`M | bucket | prefix`."""
    return MOUNT + _u32(bucket_number) + prefix


def mount_range(bucket_number: int) -> Range:
    """The mounts of a bucket, in the order of their prefixes."""
    return bucket_rows(MOUNT, bucket_number)


def audit(tenant_number: int, moment_us: int, sequence: int) -> bytes:
    """`j | tenant | moment | sequence`: a tenant's audit log in the order of time."""
    return AUDIT + _u32(tenant_number) + _u64(moment_us) + _u64(sequence)


def kind_range(kind: bytes) -> Range:
    """Every row of a kind."""
    return prefix_range(kind)


def bucket_rows(kind: bytes, bucket_number: int) -> Range:
    """Every row of a kind that belongs to the bucket (kinds whose key begins with a bucket number)."""
    return prefix_range(kind + _u32(bucket_number))


def tenant_bucket_range(tenant_number: int) -> Range:
    """The buckets of a tenant."""
    return prefix_range(TENANT_BUCKET + _u32(tenant_number))


def user_name_range(tenant_number: int) -> Range:
    """The user names of a tenant."""
    return prefix_range(USER_NAME + _u32(tenant_number))


def identity_range(tenant_number: int) -> Range:
    """The identity rows of a tenant."""
    return prefix_range(IDENTITY + _u32(tenant_number))


def managed_policy_range(tenant_number: int) -> Range:
    """The managed policies of a tenant, by name."""
    return prefix_range(MANAGED_POLICY + _u32(tenant_number))


def attachment_range(tenant_number: int) -> Range:
    """The attachments of every policy of a tenant."""
    return prefix_range(ATTACHMENT + _u32(tenant_number))


def attachments_of(tenant_number: int, name: bytes) -> Range:
    """The attachments of one policy."""
    return prefix_range(ATTACHMENT + _u32(tenant_number) + escape(name))


def group_name_range(tenant_number: int) -> Range:
    """The group names of a tenant."""
    return prefix_range(GROUP_NAME + _u32(tenant_number))


def role_name_range(tenant_number: int) -> Range:
    """The role names of a tenant."""
    return prefix_range(ROLE_NAME + _u32(tenant_number))


def document_range(bucket_number: int) -> Range:
    """The configuration documents of a bucket."""
    return bucket_rows(DOCUMENT, bucket_number)


def object_range(bucket_number: int) -> Range:
    """The current objects of a bucket."""
    return bucket_rows(OBJECT, bucket_number)


def version_range(bucket_number: int) -> Range:
    """The `v` rows of a bucket."""
    return bucket_rows(VERSION, bucket_number)


def versions_of(bucket_number: int, key: bytes) -> Range:
    """The `v` rows of one key, newest first."""
    return prefix_range(VERSION + _u32(bucket_number) + escape(key))


def upload_range(bucket_number: int) -> Range:
    """The open uploads of a bucket."""
    return bucket_rows(UPLOAD, bucket_number)


def part_range(bucket_number: int, upload_ordinal: int) -> Range:
    """The parts of one upload, in part order."""
    return prefix_range(PART + _u32(bucket_number) + _u64(upload_ordinal))


def prefix_range(prefix: bytes) -> Range:
    """All keys that begin with the prefix."""
    return prefix, successor(prefix)


def successor(prefix: bytes) -> bytes:
    """The least bytes above every key with the prefix; for 0xFF alone, bytes longer than any key."""
    head = prefix.rstrip(b"\xff")
    if not head:
        return b"\xff" * (max(len(prefix), KEY_LIMIT) + 1)
    return head[:-1] + bytes([head[-1] + 1])


def escape(key: bytes) -> bytes:
    """`esc(key)`: every 0x00 as 0x00 0xFF, then 0x00 0x01."""
    return key.replace(b"\x00", _OPEN) + _CLOSE


def unescape(data: bytes) -> tuple[bytes, bytes]:
    """The key at the front and what follows it. ValueError when it is not an escaped key."""
    key, at = b"", 0
    while True:
        zero = data.find(b"\x00", at)
        mark = data[zero : zero + 2] if zero >= 0 else b""
        if mark not in (_OPEN, _CLOSE):
            raise ValueError("not an escaped key")
        key += data[at:zero]
        at = zero + 2
        if mark == _CLOSE:
            return key, data[at:]
        key += b"\x00"


def parse_object(row: bytes) -> tuple[int, bytes]:
    """Bucket and key of an `o` row. This and the next three raise ValueError for another row."""
    return _bucket_of(OBJECT, row)


def parse_version(row: bytes) -> tuple[int, bytes, int]:
    """Bucket, key and ordinal of a `v` row."""
    bucket_number, rest = _bucket_of(VERSION, row)
    key, ordinal = unescape(rest)
    return bucket_number, key, _U64_MAX - _number(ordinal, 8)


def parse_null_version(row: bytes) -> tuple[int, bytes]:
    """Bucket and key of a `z` row."""
    bucket_number, rest = _bucket_of(NULL_VERSION, row)
    key, rest = unescape(rest)
    _number(rest, 0)
    return bucket_number, key


def parse_upload(row: bytes) -> tuple[int, bytes, int]:
    """Bucket, key and ordinal of a `u` row."""
    bucket_number, rest = _bucket_of(UPLOAD, row)
    key, ordinal = unescape(rest)
    return bucket_number, key, _number(ordinal, 8)


def parse_part(row: bytes) -> tuple[int, int, int]:
    """Bucket, upload and part number of a `p` row."""
    bucket_number, rest = _bucket_of(PART, row)
    return bucket_number, _number(rest[:8], 8), _number(rest[8:], 2)


def parse_identity(row: bytes) -> tuple[int, PrincipalOf, int]:
    """Tenant, whose and number of an `i` row."""
    tenant_number, rest = _bucket_of(IDENTITY, row)
    return tenant_number, PrincipalOf(_number(rest[:1], 1)), _number(rest[1:], 4)


def parse_attachment(row: bytes) -> tuple[int, bytes, AttachedAs, PrincipalOf, int]:
    """Tenant, policy name, as what, whose and number of an `a` row."""
    tenant_number, rest = _bucket_of(ATTACHMENT, row)
    name, rest = unescape(rest)
    as_what, of = AttachedAs(_number(rest[:1], 1)), PrincipalOf(_number(rest[1:2], 1))
    return tenant_number, name, as_what, of, _number(rest[2:], 4)


def _emailed(address: bytes) -> bytes:
    """ASCII only is folded: what a letter's lower case is elsewhere is for no two languages the same."""
    return EMAIL + escape(address.lower())


def parse_audit(row: bytes) -> tuple[int, int, int]:
    """Tenant, moment and sequence of a `j` row."""
    if row[:1] != AUDIT:
        raise ValueError(f"not a row of kind {AUDIT.decode()}")
    return _number(row[1:5], 4), _number(row[5:13], 8), _number(row[13:], 8)


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def _u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _number(data: bytes, size: int) -> int:
    if len(data) != size:
        raise ValueError("a key with a number of another size")
    return int.from_bytes(data, "big")


def _bucket_of(kind: bytes, row: bytes) -> tuple[int, bytes]:
    if row[:1] != kind or len(row) < 5:
        raise ValueError(f"not a row of kind {kind.decode()}")
    return int.from_bytes(row[1:5], "big"), row[5:]
