"""Operations on the service: ListBuckets."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Final

from gateway.errors import Code, S3Error
from gateway.limits import PAGE_BUCKETS
from gateway.model import Answer, Call, xml_answer
from gateway.wire.xml import Tree, document, text, tree
from storage.records.bucket import BucketRecord

_TOKEN_VERSION: Final = b"1"
_Found = list[tuple[str, BucketRecord]]


def list_buckets(call: Call) -> Answer:
    """The buckets the caller may know of in name order, by pages when the client asks for them: of its own tenant, and
    those of others that grant it something. The owner is the caller, as AWS has it.

    `max-buckets` 1 to 10 000, `prefix`, `bucket-region`, `continuation-token` as the last page gave it
    (InvalidArgument otherwise). AWS: ListBuckets.
    """
    limit = _limit(call)
    prefix = call.query.get("prefix", "")
    region = call.query.get("bucket-region")
    after = _after(call)
    paged = "max-buckets" in call.query
    names, more = _page(call, prefix, region, after=after, limit=limit)
    buckets = tree("Buckets", *(_bucket(name, record, call.place.region) for name, record in names))
    root = tree(
        "ListAllMyBucketsResult",
        tree("Owner", text("ID", call.caller.canonical_id), text("DisplayName", call.caller.display_name)),
        buckets,
        text("ContinuationToken", _token(names[-1][0])) if more and (paged or names) else None,
        text("Prefix", prefix) if "prefix" in call.query else None,
    )
    return xml_answer(document(root))


def _limit(call: Call) -> int:
    given = call.query.get("max-buckets")
    if given is None:
        return PAGE_BUCKETS
    number = int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0
    if not 1 <= number <= PAGE_BUCKETS:
        fields = (("ArgumentName", "max-buckets"), ("ArgumentValue", given))
        raise S3Error(Code.INVALID_ARGUMENT, f"max-buckets must be an integer between 1 and {PAGE_BUCKETS}", fields)
    return number


def _after(call: Call) -> str:
    given = call.query.get("continuation-token")
    if given is None:
        return ""
    try:
        token = base64.b64decode(given, altchars=b"-_", validate=True)
        name = token.removeprefix(_TOKEN_VERSION).decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        token, name = b"", ""
    if not token.startswith(_TOKEN_VERSION) or not name:
        fields = (("ArgumentName", "continuation-token"), ("ArgumentValue", given))
        raise S3Error(Code.INVALID_ARGUMENT, "The continuation token provided is incorrect", fields)
    return name


def _token(name: str) -> str:
    """The name of the last bucket given; opaque to clients, with a version so that it can change."""
    return base64.b64encode(_TOKEN_VERSION + name.encode(), altchars=b"-_").decode()


def _page(call: Call, prefix: str, region: str | None, *, after: str, limit: int) -> tuple[_Found, bool]:
    """At most `limit` buckets after `after`, and whether there are more."""
    if call.known is None:
        return [], False
    wanted = None if region is None else (region, call.place.region)
    found = call.known.buckets(prefix=prefix, after=after, limit=limit + 1, region=wanted)
    return [(name, BucketRecord.decode(record)) for name, record in found[:limit]], len(found) > limit


def _bucket(name: str, record: BucketRecord, region: str) -> Tree:
    return tree(
        "Bucket",
        text("Name", name),
        text("CreationDate", _iso8601(record.created_us)),
        text("BucketRegion", record.region or region),
    )


def _iso8601(us: int) -> str:
    moment = datetime.fromtimestamp(us // 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{us // 1000 % 1000:03}Z"
