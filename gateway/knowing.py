"""Which buckets a caller may know of: the authorizer's answers, with the names of buckets.

Belongs here: from a request to questions about buckets, numbers to names. Does not belong here: who may know of what
(crate `authz`), the document that ListBuckets answers with.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.dispatch import ControlRequest
from storage.api import Metastore
from storage.records import keys
from storage.records.pointer import decode_id

_ROWS: Final = 1_000
"""Names of a tenant's buckets read at once."""


class Authorizer(Protocol):
    """What is asked of the core."""

    def knows_buckets(
        self, who: tuple[int, int, bool], buckets: Sequence[tuple[str, bytes]], when: tuple[int, str, bool]
    ) -> bytes:
        """For each bucket 1 or 0."""

    def named_elsewhere(
        self, who: tuple[int, int, bool], when: tuple[int, str, bool]
    ) -> tuple[list[int], list[tuple[int, int]]]:
        """Tenants, and buckets as tenant and number, of other tenants whose relations name the user."""


@dataclass(frozen=True, slots=True)
class KnownToCaller:
    """What one caller knows, at the moment and from the place of its request."""

    authorizer: Authorizer
    store: Metastore
    who: tuple[int, int, bool]
    when: tuple[int, str, bool]

    def all_of(self, buckets: Sequence[tuple[str, bytes]]) -> bytes:
        """For each bucket, as name and record, 1 or 0."""
        return self.authorizer.knows_buckets(self.who, buckets, self.when)

    def elsewhere(self) -> list[str]:
        """Names of the buckets in which another tenant's relations name the caller, its groups or its tenant's members.

        What is open to everybody names nobody: nobody's list of buckets would end.
        """
        tenants, buckets = self.authorizer.named_elsewhere(self.who, self.when)
        numbers: dict[int, set[int]] = {}
        for tenant, number in buckets:
            numbers.setdefault(tenant, set()).add(number)
        whole = frozenset(tenants)
        return [
            name
            for tenant in sorted(whole | numbers.keys())
            for number, name in self._names(tenant)
            if tenant in whole or number in numbers[tenant]
        ]

    def _names(self, tenant: int) -> Iterator[tuple[int, str]]:
        """Number and name of every bucket of a tenant."""
        start, end = keys.tenant_bucket_range(tenant)
        prefix = len(start)
        while rows := self.store.scan(start, end, _ROWS):
            for key, value in rows:
                yield decode_id(value), key[prefix:].decode()
            start = rows[-1][0] + b"\0"


def knowing(authorizer: Authorizer, store: Metastore) -> Callable[[ControlRequest], KnownToCaller]:
    """What the caller of each request knows."""

    def of(request: ControlRequest) -> KnownToCaller:
        who = (request.tenant, request.user, request.admin)
        return KnownToCaller(authorizer, store, who, (request.now_us, request.source_ip, request.secure))

    return of


__all__ = ["KnownToCaller", "knowing"]
