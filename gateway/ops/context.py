"""What several families need of a call: its bucket, the object it names, the owner of either.

Belongs here: reading records the request is about, with AWS's errors for what is not there. Does not belong here:
changing anything.
"""

from dataclasses import dataclass
from typing import Final

from gateway.errors import Code, S3Error
from gateway.model import Call
from gateway.wire.acl import ANONYMOUS_ID
from storage.records import keys
from storage.records.bucket import BucketRecord
from storage.records.object import ObjectRecord
from storage.records.pointer import decode_ordinal
from storage.records.user import UserRecord

NULL_VERSION: Final = "null"
_VERSION_DIGITS: Final = 16
_LOWER_HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Owner:
    """Owner elements: 64 hex digits, and a name for people."""

    canonical_id: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Found:
    """An object's version: its row, as key, bytes and record."""

    row: bytes
    value: bytes
    record: ObjectRecord


def bucket_of(call: Call) -> BucketRecord:
    """The record of the request's bucket; NoSuchBucket without one."""
    if call.bucket_record is None:
        raise S3Error(Code.NO_SUCH_BUCKET, fields=(("BucketName", call.bucket),))
    return BucketRecord.decode(call.bucket_record)


def owner_of(call: Call, user: int) -> Owner:
    """The owner element of a user; user 0 is whoever does not sign. A user that was removed keeps its record."""
    if user == 0:
        return Owner(ANONYMOUS_ID, "")
    row = call.store.get(keys.user(user))
    if row is None:
        return Owner("", "")
    record = UserRecord.decode(row)
    return Owner(record.canonical_id.hex(), record.display_name or record.name)


def find_object(call: Call) -> Found:
    """The version the request names: `versionId`, else the current one.

    NoSuchKey without a current version, NoSuchVersion for a version that is not there, InvalidArgument for an id we
    never issued, MethodNotAllowed for a delete marker named by its id, as AWS answers. ServiceUnavailable, which
    clients try again, when another version has taken the place of the one that the right was decided about.
    """
    bucket = bucket_of(call)
    version = call.query.get("versionId")
    if version is None:
        found = _read(call, keys.object(bucket.id, call.key))
        if found is None:
            raise S3Error(Code.NO_SUCH_KEY, fields=(("Key", call.key.decode("utf-8", "replace")),))
        _check_unchanged(call, found)
        return found
    found = _null_version(call, bucket.id) if version == NULL_VERSION else _version(call, bucket.id, version)
    if found is None:
        fields = (("Key", call.key.decode("utf-8", "replace")), ("VersionId", version))
        raise S3Error(Code.NO_SUCH_VERSION, fields=fields)
    _check_unchanged(call, found)
    if found.record.delete_marker:
        raise S3Error(Code.METHOD_NOT_ALLOWED, fields=(("Method", call.op), ("ResourceType", "DeleteMarker")))
    return found


def version_of(record: ObjectRecord) -> str:
    """The version id as clients see it."""
    return NULL_VERSION if record.null_version else f"{record.ordinal:0{_VERSION_DIGITS}x}"


def _check_unchanged(call: Call, found: Found) -> None:
    if call.decided is not None and call.decided != found.record.ordinal:
        raise S3Error(Code.SERVICE_UNAVAILABLE)


def _read(call: Call, row: bytes) -> Found | None:
    value = call.store.get(row)
    return None if value is None else Found(row, value, ObjectRecord.decode(value))


def _null_version(call: Call, bucket: int) -> Found | None:
    current = _read(call, keys.object(bucket, call.key))
    if current is not None and current.record.null_version:
        return current
    pointer = call.store.get(keys.null_version(bucket, call.key))
    return None if pointer is None else _read(call, keys.version(bucket, call.key, decode_ordinal(pointer)))


def _version(call: Call, bucket: int, version: str) -> Found | None:
    if len(version) != _VERSION_DIGITS or not _LOWER_HEX.issuperset(version):
        fields = (("ArgumentName", "versionId"), ("ArgumentValue", version))
        raise S3Error(Code.INVALID_ARGUMENT, "Invalid version id specified", fields)
    ordinal = int(version, 16)
    for row in (keys.object(bucket, call.key), keys.version(bucket, call.key, ordinal)):
        found = _read(call, row)
        if found is not None and found.record.ordinal == ordinal and not found.record.null_version:
            return found
    return None
