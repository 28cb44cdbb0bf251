"""Tags of objects and of buckets.

Belongs here: the six tagging operations. Does not belong here: tags that arrive in headers with an object (Rust), what
a tag may be (`wire/tag_set.py`).
"""

from typing import Final

from gateway.errors import Code, S3Error
from gateway.limits import BUCKET_TAGS, OBJECT_TAGS
from gateway.model import Answer, Call, xml_answer
from gateway.ops.change import change_document, change_object, read_document
from gateway.ops.context import bucket_of, find_object, version_of
from gateway.wire.tag_set import Tags, parse_tagging, tagging_document
from storage.records.object import ObjectRecord

_DOCUMENT: Final = "tagging"


def get_object_tagging(call: Call) -> Answer:
    """The tags of the version, in the order of their keys (ceph/s3-tests); an empty set when it has none."""
    record = find_object(call).record
    answer = xml_answer(tagging_document(tuple(sorted(record.tags))))
    return Answer(answer.status, (*answer.headers, *_version(call, record)), answer.body)


def put_object_tagging(call: Call) -> Answer:
    """Replaces the tags of the version. Its Last-Modified and ETag stay (AWS: PutObjectTagging)."""
    return _retag(call, parse_tagging(call.body, limit=OBJECT_TAGS), 200)


def delete_object_tagging(call: Call) -> Answer:
    """Removes the tags of the version; removing none is fine."""
    return _retag(call, (), 204)


def _retag(call: Call, tags: Tags, status: int) -> Answer:
    record = change_object(call, lambda before: before.replace(tags=tags))
    return Answer(status, _version(call, record))


def _version(call: Call, record: ObjectRecord) -> tuple[tuple[str, str], ...]:
    """`x-amz-version-id`, in buckets that have or had versioning."""
    return (("x-amz-version-id", version_of(record)),) if bucket_of(call).versioning else ()


def get_bucket_tagging(call: Call) -> Answer:
    """The document as it was stored; NoSuchTagSet when there is none."""
    body = read_document(call, _DOCUMENT)
    if body is None:
        raise S3Error(Code.NO_SUCH_TAG_SET, fields=(("BucketName", call.bucket),))
    return xml_answer(body)


def put_bucket_tagging(call: Call) -> Answer:
    """Replaces the bucket's tags."""
    change_document(call, _DOCUMENT, tagging_document(parse_tagging(call.body, limit=BUCKET_TAGS)))
    return Answer(204)


def delete_bucket_tagging(call: Call) -> Answer:
    """Removes the bucket's tags; removing none is fine."""
    change_document(call, _DOCUMENT, None)
    return Answer(204)
