"""Where in a bucket the answer to one question can change from key to key: what lies between two borders is decided by
asking once.

Belongs here: borders that policies and relations draw. Does not belong here: asking (`backwards.py`).

Borders too many cost a question each; one too few would be a wrong answer. Where a source looks at each object by
itself (an access control list, a tag of the object) or a policy's resource has a wildcard in its middle, there are no
borders: such spans are given as varying.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from authz.deciding import Question
from authz.holders import Held
from authz.model import Kind
from authz.policy.reading import Reach
from storage.native import Relations as Engine
from storage.records import keys
from storage.records.bucket import BucketRecord, Ownership, PublicAccessBlock

RANGES: Final = 1_000
"""Ranges of relations read for one page."""

Span = tuple[bytes, bytes | None]


@dataclass(slots=True)
class Borders:
    """Keys at which the answer may change, up to `until` (None: the bucket's end), and the spans that vary inside.

    In those of `only_adding` what varies allows and never denies: who is allowed by something else is so throughout.
    """

    edges: set[bytes] = field(default_factory=set)
    varying: list[Span] = field(default_factory=list)
    only_adding: list[Span] = field(default_factory=list)
    until: bytes | None = None
    revision: int = 0

    def varies(self, at: bytes) -> bool:
        """Whether the key lies in a span that varies."""
        return any(start <= at and (end is None or at < end) for start, end in self.varying)

    def adds(self, at: bytes) -> bool:
        """Whether it lies in one where something may be added."""
        return any(start <= at and (end is None or at < end) for start, end in self.only_adding)

    def pieces(self, start: bytes) -> list[Span]:
        """What lies between borders, from a key on."""
        ahead = sorted(edge for edge in self.edges if edge > start and (self.until is None or edge < self.until))
        firsts = [start, *ahead]
        return list(zip(firsts, [*ahead, self.until], strict=True))

    def draw(self, start: bytes, end: bytes | None) -> None:
        """Draws a range's two borders."""
        self.edges |= {start} if end is None else {start, end}

    def vary(self, start: bytes, end: bytes | None, *, only_adding: bool = False) -> None:
        """Marks a span as varying."""
        self.draw(start, end)
        (self.only_adding if only_adding else self.varying).append((start, end))


def by_policies(borders: Borders, question: Question, held: Iterable[Held]) -> None:
    """Draws what statements about the action say of keys."""
    for said in (one.said for one in held if one.said.means(question.action)):
        if said.by_object and said.not_resource:
            borders.vary(b"", None, only_adding=said.allow)
        for reach in said.reaches(question.bucket):
            start, end = _span(reach)
            if said.by_object or not reach.plain:
                borders.vary(start, end, only_adding=said.allow)
            else:
                borders.draw(start, end)


def by_bucket(borders: Borders, question: Question, record: BucketRecord) -> None:
    """Marks the whole bucket when its own settings make each object, or each relation, a matter of its own."""
    subject = question.subject
    outside = subject.tenant != record.tenant and subject.kind is Kind.USER
    block = record.public_access_block or PublicAccessBlock(0)
    # Whom the relation names that decides is asked then: the public or somebody.
    restricted = outside and PublicAccessBlock.RESTRICT_PUBLIC_BUCKETS in block
    # A new object has no list yet: the bucket's decides.
    listed = record.ownership is not Ownership.BUCKET_OWNER_ENFORCED and question.action != "s3:PutObject"
    if restricted or listed:
        borders.vary(b"", None)


def by_relations(
    borders: Borders, engine: Engine, question: Question, lenses: Iterable[tuple[int, bool, int]], start: bytes
) -> None:
    """Draws where relations allow and where they deny, as seen through `lenses`: grantee, administers, permission.

    `until` ends before what was not read for one of them.
    """
    place = (question.target.tenant, question.target.place.number)
    for grantee, admin, permission in lenses:
        for undenied in (False, True):
            found, after, borders.revision = engine.lookup_resources(
                (grantee, admin), permission, place, RANGES, question.facts.value, start or None, undenied
            )
            for first, end in found:
                borders.draw(first, end)
            if after is not None and (borders.until is None or after < borders.until):
                borders.until = after


def _span(reach: Reach) -> Span:
    if reach.exact:
        return reach.prefix, reach.prefix + b"\0"
    return reach.prefix, keys.successor(reach.prefix) if reach.prefix else None
