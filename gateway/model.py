"""The values handlers take and return.

Belongs here: immutable data that several families share. Does not belong here: I/O, parsing, rendering, decisions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from storage.api import Metastore
from storage.records.bucket import Ownership

XML: Final = "application/xml"

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `user` is 0 and `canonical_id` empty for anonymous."""

    tenant: int
    user: int
    admin: bool
    canonical_id: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Place:
    """What the server is, as far as operations show it to clients."""

    region: str
    ownership: Ownership = Ownership.BUCKET_OWNER_ENFORCED
    """Of buckets that are made without asking for one."""


class Leftovers(Protocol):
    """Removes what relations say about something that is gone."""

    def bucket(self, tenant: int, number: int) -> int:
        """Everything granted on or in a bucket; how many relations there were."""


class Known(Protocol):
    """Which buckets the caller of one request may know of."""

    def buckets(
        self, *, prefix: str, after: str, limit: int, region: tuple[str, str] | None
    ) -> Sequence[tuple[str, bytes]]:
        """The first of them by name, with their records: names that begin with `prefix` and come after `after`; with
        `region` only buckets of the first, where the second is meant by records that name none.
        """


@dataclass(frozen=True, slots=True)
class Call:
    """One request, parsed, routed, authenticated and authorized. Header names are lower-case; the first value counts.

    `bucket_record` is the stored record of the bucket the request names, None when the request names none. `now_us` is
    when the request arrived, in microseconds since 1970. `decided` is the version that the right was decided about,
    None where the decision looked at none. `leftovers` is None where there are no relations, `known` where nobody knows
    of any bucket.
    """

    op: str
    request_id: str
    bucket: str
    key: bytes
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    caller: Caller
    now_us: int
    bucket_record: bytes | None
    store: Metastore
    place: Place
    decided: int | None = None
    leftovers: Leftovers | None = None
    known: Known | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers, document."""

    status: int = 200
    headers: Headers = ()
    body: bytes = b""


def xml_answer(body: bytes) -> Answer:
    """200 with an XML document."""
    return Answer(200, (("content-type", XML),), body)
