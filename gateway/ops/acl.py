"""Access control lists of buckets and objects.

Belongs here: Get and Put of BucketAcl and ObjectAcl. Does not belong here: what a list says and who is in it
(`grants.py`), what it allows (Rust, crate `authz`), lists that come with the creation of a bucket (`buckets.py`) or an
object (Rust).

Where the bucket's owner owns every object (BucketOwnerEnforced, the default), lists are disabled: what is read is the
owner's FULL_CONTROL, and nothing else can be written.
"""

from gateway.model import Answer, Call, xml_answer
from gateway.ops.change import change_bucket, change_object
from gateway.ops.context import bucket_of, find_object
from gateway.ops.grants import Wanted, check_blocked, check_unlisted, compiled, list_document, resolved, wanted_by
from gateway.wire.acl import BUCKET_CANNED, OBJECT_CANNED
from storage.records.bucket import BucketRecord, Ownership
from storage.records.object import ObjectRecord


def get_bucket_acl(call: Call) -> Answer:
    """The bucket's list."""
    bucket = bucket_of(call)
    return xml_answer(list_document(call, bucket.owner, bucket.acl if _lists(bucket) else None))


def put_bucket_acl(call: Call) -> Answer:
    """Replaces the bucket's list.

    AccessControlListNotSupported where lists are disabled, AccessDenied for a public one where those are blocked;
    errors of lists.
    """
    wanted = wanted_by(call, BUCKET_CANNED)
    if not _lists(bucket_of(call)):
        check_unlisted(call, wanted, bucket_of(call))
        return Answer()

    def with_list(bucket: BucketRecord) -> BucketRecord:
        if not _lists(bucket):
            check_unlisted(call, wanted, bucket)
            return bucket
        return bucket.replace(acl=_compiled(call, wanted, bucket, bucket.owner))

    change_bucket(call, with_list)
    return Answer()


def get_object_acl(call: Call) -> Answer:
    """The version's list. NoSuchKey, NoSuchVersion, MethodNotAllowed as for GetObject."""
    bucket, found = bucket_of(call), find_object(call).record
    if not _lists(bucket):
        return xml_answer(list_document(call, bucket.owner, None))
    return xml_answer(list_document(call, found.owner, found.acl))


def put_object_acl(call: Call) -> Answer:
    """Replaces the version's list. Its owner, Last-Modified and ETag stay. Errors as for a bucket's list."""
    wanted, bucket = wanted_by(call, OBJECT_CANNED), bucket_of(call)
    if not _lists(bucket):
        find_object(call)
        check_unlisted(call, wanted, bucket)
        return Answer()

    def with_list(before: ObjectRecord) -> ObjectRecord:
        return before.replace(acl=_compiled(call, wanted, bucket, before.owner))

    change_object(call, with_list)
    return Answer()


def _lists(bucket: BucketRecord) -> bool:
    """Lists count in this bucket."""
    return bucket.ownership is not Ownership.BUCKET_OWNER_ENFORCED


def _compiled(call: Call, wanted: Wanted, bucket: BucketRecord, owner: int) -> bytes | None:
    grants = resolved(call, wanted, owner, bucket.owner)
    check_blocked(bucket, grants)
    return compiled(grants, owner)
