"""Operations on the service: ListBuckets."""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from gateway.errors import Code, S3Error
from gateway.limits import PAGE_BUCKETS
from gateway.model import Answer, Call, xml_answer
from gateway.wire.xml import Tree, document, text, tree
from storage.records import keys
from storage.records.bucket import BucketRecord

_TOKEN_VERSION: Final = b"1"
_ROWS: Final = 1_000
"""Names of buckets read at once while a page looks for those that its caller knows."""


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


_Found = list[tuple[str, BucketRecord]]


def _page(call: Call, prefix: str, region: str | None, *, after: str, limit: int) -> tuple[_Found, bool]:
    """At most `limit` buckets after `after`, and whether there are more."""
    found = _elsewhere(call, prefix, region, after) + _own(call, prefix, region, after=after, limit=limit)
    found.sort(key=lambda bucket: bucket[0])
    return found[:limit], len(found) > limit


def _own(call: Call, prefix: str, region: str | None, *, after: str, limit: int) -> _Found:
    """Buckets of the caller's tenant; one more than the limit when there are more."""
    start, end = keys.tenant_bucket_range(call.caller.tenant)
    first = keys.tenant_bucket(call.caller.tenant, prefix.encode())
    if after >= prefix:
        first = keys.tenant_bucket(call.caller.tenant, after.encode() + b"\0")
    found: _Found = []
    rows_at_once = limit + 1
    while rows := call.store.scan(first, end, rows_at_once):
        names = [row[len(start) :].decode() for row, _ in rows]
        found += _known(call, [name for name in names if name.startswith(prefix)], region)
        if len(found) > limit or not names[-1].startswith(prefix):
            break
        first = rows[-1][0] + b"\0"
        # A small page of somebody who knows few buckets: the next look goes further.
        rows_at_once = max(rows_at_once, min(2 * rows_at_once, _ROWS))
    return found[: limit + 1]


def _elsewhere(call: Call, prefix: str, region: str | None, after: str) -> _Found:
    """Buckets of other tenants that grant the caller something."""
    if call.known is None:
        return []
    names = [name for name in call.known.elsewhere() if name.startswith(prefix) and name > after]
    return [(name, record) for name, record in _known(call, names, region) if record.tenant != call.caller.tenant]


def _known(call: Call, names: Sequence[str], region: str | None) -> _Found:
    """The buckets of these names that are there, in the region, and that the caller may know of."""
    values = [(name, call.store.get(keys.bucket(name.encode()))) for name in names]
    rows = [(name, value) for name, value in values if value is not None]
    known = [True] * len(rows) if call.known is None else call.known.all_of(rows)
    records = [(name, BucketRecord.decode(value)) for (name, value), shown in zip(rows, known, strict=True) if shown]
    return [(name, record) for name, record in records if region in (None, record.region or call.place.region)]


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
