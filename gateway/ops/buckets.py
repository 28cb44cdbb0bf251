"""Buckets: making, finding, removing them, and where they are.

Belongs here: CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation. Does not belong here: configuration of a bucket
(its family's file), the list of buckets (`service.py`).
"""

import logging
import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

from gateway.auditing import About, noting
from gateway.errors import Code, S3Error
from gateway.limits import BUCKET_TAGS
from gateway.model import Answer, Call, xml_answer
from gateway.ops.change import repeated
from gateway.ops.context import bucket_of
from gateway.ops.grants import (
    OWNERSHIP_DOCUMENT,
    OWNERSHIPS,
    check_blocked,
    compiled,
    grants_others,
    ownership_document,
    resolved,
    wanted_by_headers,
)
from gateway.wire.acl import BUCKET_CANNED
from gateway.wire.names import check_bucket_name
from gateway.wire.tag_set import Tags, tagging_document, tags_of
from gateway.wire.xml import document, malformed, parse, text
from storage import api
from storage.api import Conflict, Op, RelationError, StoreError, absent, delete, delete_range, empty_range, equals, put
from storage.records import keys
from storage.records.acl import decode_acl
from storage.records.bucket import BucketRecord, Ownership
from storage.records.pointer import encode_document, encode_id
from storage.records.tenant import TenantRecord

_log: Final = logging.getLogger("panthera.control")

DEFAULT_REGION: Final = "us-east-1"
"""The region that reads as an empty LocationConstraint, and where recreating an own bucket succeeds (AWS)."""

_REGION: Final = re.compile(r"(?:[a-z0-9][a-z0-9-]{0,62}|EU)\Z")


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What a request asks of a new bucket. `acl` as records have it."""

    region: str | None
    tags: Tags
    ownership: Ownership | None
    acl: bytes | None


def create_bucket(call: Call) -> Answer:
    """Makes a bucket of the caller's tenant.

    InvalidBucketName, InvalidLocationConstraint, MalformedXML; InvalidBucketAclWithObjectOwnership for a list that
    grants something to others where lists are disabled. BucketAlreadyExists for another tenant's name. For an own
    bucket 200 in us-east-1, with its list set anew, and BucketAlreadyOwnedByYou elsewhere, as AWS. NotImplemented for
    what cannot be yet.
    """
    check_bucket_name(call.bucket)
    _check_headers(call)
    wishes = _wishes(call)
    created = Answer(200, (("location", f"/{call.bucket}"),))

    def attempt() -> Answer:
        row = keys.bucket(call.bucket.encode())
        taken = call.store.get(row)
        if taken is not None:
            return _taken(call, (row, taken), wishes, created)
        tenant = keys.tenant(call.caller.tenant)
        tenant_value = call.store.get(tenant)
        if tenant_value is None or TenantRecord.decode(tenant_value).disabled:
            # It is being removed; the guard below keeps it from being disabled between here and the commit.
            raise S3Error(Code.ACCESS_DENIED)
        last = call.store.get(keys.NEXT_BUCKET)
        fresh = absent(keys.NEXT_BUCKET) if last is None else equals(keys.NEXT_BUCKET, last)
        number = 1 if last is None else api.counters(last)[0] + 1
        guards = [absent(row), equals(tenant, tenant_value), fresh]
        with _granting(call, number, wishes.acl):
            call.store.commit(guards, [*_rows(call, number, wishes), api.add(keys.NEXT_BUCKET, 1)])
        return created

    return repeated(attempt, ("", b""))  # the number of the next bucket is one for all


def _granting(call: Call, number: int, acl: bytes | None) -> AbstractContextManager[None]:
    """What a new bucket's list grants is written down in its commit, as PutBucketAcl's."""
    about = About(call.caller.tenant, "s3:PutBucketAcl", number, call.bucket)
    return nullcontext() if acl is None else noting(about)


def _taken(call: Call, stored: tuple[bytes, bytes], wishes: _Wishes, created: Answer) -> Answer:
    """What is answered for a name that has a bucket, whose row this is."""
    fields = (("BucketName", call.bucket),)
    row, value = stored
    record = BucketRecord.decode(value)
    if record.tenant != call.caller.tenant:
        raise S3Error(Code.BUCKET_ALREADY_EXISTS, fields=fields)
    owns = record.owner == call.caller.user
    # Who may make buckets in the tenant may not therefore change this one, and nothing asked for is left undone.
    undone = (wishes.acl is not None and not owns) or wishes.ownership not in (None, record.ownership)
    if call.place.region != DEFAULT_REGION or undone:
        raise S3Error(Code.BUCKET_ALREADY_OWNED_BY_YOU, fields=fields)
    if owns and wishes.acl is not None:
        check_blocked(record, decode_acl(wishes.acl))
    if owns and record.acl != wishes.acl and record.ownership is not Ownership.BUCKET_OWNER_ENFORCED:
        changed = record.replace(acl=wishes.acl, generation=record.generation + 1)
        with noting(About(record.tenant, "s3:PutBucketAcl", record.id, call.bucket)):
            call.store.commit([equals(row, value)], [put(row, changed.encode())])
    elif wishes.acl is not None and record.acl != wishes.acl:
        raise S3Error(Code.INVALID_BUCKET_ACL_WITH_OWNERSHIP, fields=fields)
    return created


def _rows(call: Call, number: int, wishes: _Wishes) -> list[Op]:
    """Every row a new bucket consists of."""
    name = call.bucket.encode()
    ownership = call.place.ownership if wishes.ownership is None else wishes.ownership
    record = BucketRecord(
        id=number,
        tenant=call.caller.tenant,
        owner=call.caller.user,
        created_us=call.now_us,
        generation=1,
        region=wishes.region,
        ownership=ownership,
        acl=wishes.acl,
    )
    rows = [
        put(keys.bucket(name), record.encode()),
        put(keys.tenant_bucket(call.caller.tenant, name), encode_id(number)),
        put(keys.fence(number), record.fence(record.generation).encode()),
    ]
    if wishes.tags:
        rows.append(put(keys.document(number, "tagging"), encode_document(tagging_document(wishes.tags))))
    if wishes.ownership is not None or ownership is Ownership.BUCKET_OWNER_PREFERRED:
        controls = encode_document(ownership_document(ownership))
        rows.append(put(keys.document(number, OWNERSHIP_DOCUMENT), controls))
    return rows


def _check_headers(call: Call) -> None:
    """What CreateBucket's headers may ask for. A header that is accepted and ignored would be a lie."""
    lock = call.headers.get("x-amz-bucket-object-lock-enabled", "false").lower()
    if lock == "true":
        raise S3Error(Code.NOT_IMPLEMENTED, "Object Lock is not implemented.")
    if lock != "false":
        raise _invalid("x-amz-bucket-object-lock-enabled", lock)
    namespace = call.headers.get("x-amz-bucket-namespace", "global")
    if namespace != "global":
        raise S3Error(Code.NOT_IMPLEMENTED, "Bucket namespaces other than global are not implemented.")


def _wishes(call: Call) -> _Wishes:
    region, tags = _configuration(call)
    word = call.headers.get("x-amz-object-ownership")
    if word is not None and word not in OWNERSHIPS:
        raise _invalid("x-amz-object-ownership", word)
    ownership = None if word is None else OWNERSHIPS[word]
    wanted, owner = wanted_by_headers(call.headers, BUCKET_CANNED), call.caller.user
    acl = None if wanted is None else compiled(resolved(call, wanted, owner, owner), owner)
    effective = call.place.ownership if ownership is None else ownership
    if effective is Ownership.BUCKET_OWNER_ENFORCED and grants_others(acl, owner):
        raise S3Error(Code.INVALID_BUCKET_ACL_WITH_OWNERSHIP, fields=(("BucketName", call.bucket),))
    return _Wishes(region, tags, ownership, acl)


def _invalid(name: str, value: str) -> S3Error:
    return S3Error(Code.INVALID_ARGUMENT, None, (("ArgumentName", name), ("ArgumentValue", value)))


def _configuration(call: Call) -> tuple[str | None, Tags]:
    """Region and tags of the body, when there is one. Any well-formed region is taken (DECISIONS.md 6)."""
    if not call.body.strip():
        return None, ()
    root = parse(call.body, "CreateBucketConfiguration")
    root.only("LocationConstraint", "Location", "Bucket", "Tags")
    if root.optional("Location") is not None or root.optional("Bucket") is not None:
        raise S3Error(Code.NOT_IMPLEMENTED, "Directory buckets are not implemented.")
    tags = root.optional("Tags")
    constraint = root.optional("LocationConstraint")
    region = None if constraint is None else constraint.leaf().strip()
    if region and not _REGION.match(region):
        raise S3Error(Code.INVALID_LOCATION_CONSTRAINT, None, (("LocationConstraint", region),))
    if tags is None and constraint is None and root.children:
        raise malformed()
    return region or None, () if tags is None else tags_of(tags, limit=BUCKET_TAGS)


def head_bucket(call: Call) -> Answer:
    """200 and the region."""
    region = bucket_of(call).region or call.place.region
    return Answer(200, (("x-amz-bucket-region", region), ("x-amz-access-point-alias", "false")))


def get_bucket_location(call: Call) -> Answer:
    """The region as a constraint; us-east-1 is the empty one."""
    region = bucket_of(call).region or call.place.region
    return xml_answer(document(text("LocationConstraint", "" if region == DEFAULT_REGION else region)))


def delete_bucket(call: Call) -> Answer:
    """Removes an empty bucket with its configuration; uploads still open are aborted (DECISIONS.md 7).

    BucketNotEmpty while there is an object, a version or a delete marker.
    """
    bucket = bucket_of(call)
    number = bucket.id
    name = call.bucket.encode()
    fields = (("BucketName", call.bucket),)
    contents = [keys.bucket_rows(kind, number) for kind in (keys.OBJECT, keys.VERSION)]
    uploads = (keys.UPLOAD, keys.UPLOAD_THROUGH, keys.PART)
    leftovers = (*uploads, keys.NULL_VERSION, keys.DOCUMENT, keys.TALLY, keys.MOUNT)

    def attempt() -> Answer:
        value = call.store.get(keys.bucket(name))
        if value is None or BucketRecord.decode(value).id != number:
            raise S3Error(Code.NO_SUCH_BUCKET, fields=fields)
        guards = [equals(keys.bucket(name), value), *(empty_range(*rows) for rows in contents)]
        deletes = [
            delete(keys.bucket(name)),
            delete(keys.tenant_bucket(BucketRecord.decode(value).tenant, name)),
            delete(keys.fence(number)),
            *(delete_range(*keys.bucket_rows(kind, number)) for kind in leftovers),
        ]
        try:
            call.store.commit(guards, deletes)
        except Conflict as conflict:
            if conflict.guard > 0:
                raise S3Error(Code.BUCKET_NOT_EMPTY, fields=fields) from conflict
            raise
        return Answer(204)

    answer = repeated(attempt, (call.bucket, b""))
    _forget_relations(call, bucket)
    return answer


def _forget_relations(call: Call, bucket: BucketRecord) -> None:
    """Removes what was granted in a bucket that is gone. Its number is never given again, so nothing hangs on it."""
    if call.leftovers is None:
        return
    try:
        call.leftovers.bucket(bucket.tenant, bucket.id)
    except (RelationError, StoreError) as error:
        _log.warning("%s: relations of bucket %s stay behind: %s", call.request_id, bucket.id, error)
