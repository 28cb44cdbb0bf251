"""Changing what a call names: read, decide, commit with a guard, and again when somebody was faster.

Belongs here: the loop and the rows that belong together (a bucket's record and its fence). Does not belong here: what
changes (the families say it as a function from record to record).
"""

from collections.abc import Callable
from threading import Lock
from typing import Final, TypeVar

from gateway.errors import Code, S3Error
from gateway.limits import COMMIT_ATTEMPTS
from gateway.model import Call
from gateway.ops.context import bucket_of, find_object
from storage.api import Conflict, Op, delete, equals, put
from storage.records import keys
from storage.records.bucket import BucketRecord
from storage.records.object import ObjectRecord
from storage.records.pointer import decode_document, encode_document

T = TypeVar("T")

_TURNS: Final = tuple(Lock() for _ in range(64))
"""Handlers that change one thing take turns: tools put all of a bucket's configurations at once, and of as many as
there are threads one would lose every time. As many turns as make it rare that two things share one."""


def repeated(attempt: Callable[[], T], on: tuple[str, bytes]) -> T:
    """Runs until its guards hold. OperationAborted when they never do: AWS's word for "try again".

    `on` is the bucket and the key, or neither, of what changes: one handler at a time is at it, so that guards meet
    only the data plane and other processes.
    """
    with _TURNS[hash(on) % len(_TURNS)]:
        for _ in range(COMMIT_ATTEMPTS):
            try:
                return attempt()
            except Conflict:
                continue
    raise S3Error(Code.OPERATION_ABORTED)


def change_bucket(
    call: Call, change: Callable[[BucketRecord], BucketRecord], *documents: tuple[str, bytes | None]
) -> None:
    """Changes the bucket's configuration: its record, and the fence that commits on its objects are guarded by.

    `documents` are stored with it under their names or, with None, removed.
    """
    number = bucket_of(call).id

    def attempt() -> None:
        row, before = _bucket_row(call, number)
        old = BucketRecord.decode(before)
        new = change(old).replace(generation=old.generation + 1)
        puts = [put(row, new.encode())]
        if (new.versioning, new.object_lock) != (old.versioning, old.object_lock):
            puts.append(put(keys.fence(number), new.fence(new.generation).encode()))
        puts += [_document_op(number, *document) for document in documents]
        call.store.commit([equals(row, before)], puts)

    repeated(attempt, (call.bucket, b""))


def change_object(call: Call, change: Callable[[ObjectRecord], ObjectRecord]) -> ObjectRecord:
    """Changes the version the request names, wherever its row is by then. The record as it was stored."""

    def attempt() -> ObjectRecord:
        found = find_object(call)
        after = change(found.record)
        call.store.commit([equals(found.row, found.value)], [put(found.row, after.encode())])
        return after

    return repeated(attempt, (call.bucket, call.key))


def read_document(call: Call, name: str) -> bytes | None:
    """A configuration document of the bucket, as it was stored."""
    value = call.store.get(keys.document(bucket_of(call).id, name))
    return None if value is None else decode_document(value)


def change_document(call: Call, name: str, content: bytes | None) -> None:
    """Stores or, with None, removes a configuration document, while the bucket is there."""
    number = bucket_of(call).id

    def attempt() -> None:
        row, before = _bucket_row(call, number)
        call.store.commit([equals(row, before)], [_document_op(number, name, content)])

    repeated(attempt, (call.bucket, b""))


def _document_op(number: int, name: str, content: bytes | None) -> Op:
    row = keys.document(number, name)
    return delete(row) if content is None else put(row, encode_document(content))


def _bucket_row(call: Call, number: int) -> tuple[bytes, bytes]:
    """The bucket's row as it is now; NoSuchBucket when the bucket of the request is gone or is another one by now."""
    row = keys.bucket(call.bucket.encode())
    value = call.store.get(row)
    if value is None or BucketRecord.decode(value).id != number:
        raise S3Error(Code.NO_SUCH_BUCKET, fields=(("BucketName", call.bucket),))
    return row, value
