"""What an operator chooses for a bucket beyond Amazon's configuration: how its listings answer.

Belongs here: reading and changing such settings in the bucket's record. Does not belong here: Amazon's configuration
(`ops/`), HTTP (`admin/`).
"""

from typing import Final, TypedDict

from gateway.auditing import concerning
from gateway.errors import AccountError
from gateway.limits import COMMIT_ATTEMPTS
from storage.api import Conflict, Metastore, equals, put
from storage.records import keys
from storage.records.bucket import BucketRecord, ListingMode

LISTING_MODES: Final = {"filtered": ListingMode.FILTERED, "strict": ListingMode.STRICT}
_NAMES: Final = {mode: name for name, mode in LISTING_MODES.items()}


class Shown(TypedDict):
    """A bucket's settings as the admin API shows them."""

    bucket: str
    listing: str


class BucketSettings:
    """Settings of buckets. `viewer` is the tenant that asks; None sees all. Methods block on the store."""

    def __init__(self, store: Metastore) -> None:
        self._store = store

    def show(self, bucket: str, viewer: int | None) -> Shown:
        """The settings. AccountError `missing` when there is no such bucket, as far as the one who asks may know."""
        return _shown(bucket, self._read(bucket, viewer)[1])

    def change(self, bucket: str, viewer: int | None, *, listing: str | None = None) -> Shown:
        """Changes what is given. AccountError `missing`, and `conflict` when others change the bucket all the time."""
        for _ in range(COMMIT_ATTEMPTS):
            before, old = self._read(bucket, viewer)
            mode = old.listing if listing is None else LISTING_MODES[listing]
            if mode is old.listing:
                return _shown(bucket, old)
            new = old.replace(listing=mode, generation=old.generation + 1)
            row = keys.bucket(bucket.encode())
            try:
                with concerning(old.tenant, old.id, bucket):
                    self._store.commit([equals(row, before)], [put(row, new.encode())])
            except Conflict:
                continue
            return _shown(bucket, new)
        raise AccountError("conflict", f"bucket {bucket} changes at this moment: try again")

    def _read(self, bucket: str, viewer: int | None) -> tuple[bytes, BucketRecord]:
        value = self._store.get(keys.bucket(bucket.encode())) if bucket else None
        record = None if value is None else BucketRecord.decode(value)
        if value is None or record is None or viewer not in (None, record.tenant):
            raise AccountError("missing", f"there is no bucket {bucket}")
        return value, record


def _shown(bucket: str, record: BucketRecord) -> Shown:
    return {"bucket": bucket, "listing": _NAMES[record.listing]}
