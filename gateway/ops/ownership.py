"""Who owns the objects of a bucket: its ownership controls.

Belongs here: Get, Put and Delete of BucketOwnershipControls. Does not belong here: what ownership does to lists
(`acl.py` and Rust), the ownership a bucket is made with (`buckets.py`).

A bucket whose controls were deleted has none, as buckets from before Amazon had them: whoever writes an object owns it.
"""

from typing import Final

from gateway.errors import Code, S3Error
from gateway.model import Answer, Call, xml_answer
from gateway.ops.change import change_bucket, read_document
from gateway.ops.context import bucket_of
from gateway.ops.grants import OWNERSHIP_DOCUMENT, OWNERSHIPS, grants_others, ownership_document
from gateway.wire.xml import malformed, parse
from storage.records.bucket import BucketRecord, Ownership

_ENFORCED: Final = Ownership.BUCKET_OWNER_ENFORCED


def get_bucket_ownership_controls(call: Call) -> Answer:
    """The controls; OwnershipControlsNotFoundError where they were deleted or never set."""
    body = read_document(call, OWNERSHIP_DOCUMENT)
    if body is None and bucket_of(call).ownership is _ENFORCED:
        # What a bucket has without being asked, as every new one has at AWS.
        body = ownership_document(_ENFORCED)
    if body is None:
        raise S3Error(Code.OWNERSHIP_CONTROLS_NOT_FOUND, fields=(("BucketName", call.bucket),))
    return xml_answer(body)


def put_bucket_ownership_controls(call: Call) -> Answer:
    """Sets the ownership. MalformedXML for anything but one rule with one of the three words;

    InvalidBucketAclWithObjectOwnership when lists are to be disabled and the bucket's grants something to others.
    """
    root = parse(call.body, "OwnershipControls")
    root.only("Rule")
    rule = root.required("Rule")
    rule.only("ObjectOwnership")
    ownership = OWNERSHIPS.get(rule.required("ObjectOwnership").leaf().strip())
    if ownership is None:
        raise malformed()

    def with_ownership(bucket: BucketRecord) -> BucketRecord:
        if ownership is _ENFORCED and grants_others(bucket.acl, bucket.owner):
            raise S3Error(Code.INVALID_BUCKET_ACL_WITH_OWNERSHIP, fields=(("BucketName", call.bucket),))
        return bucket.replace(ownership=ownership)

    change_bucket(call, with_ownership, (OWNERSHIP_DOCUMENT, ownership_document(ownership)))
    return Answer()


def delete_bucket_ownership_controls(call: Call) -> Answer:
    """Removes the controls; removing none is fine."""
    change_bucket(call, lambda bucket: bucket.replace(ownership=Ownership.OBJECT_WRITER), (OWNERSHIP_DOCUMENT, None))
    return Answer(204)
