"""Which buckets a caller may know of: the authorizer's answer, for one request.

Belongs here: from a request to the authorizer's question. Does not belong here: who may know of what (crate `authz`),
the document that ListBuckets answers with.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.dispatch import ControlRequest


class Authorizer(Protocol):
    """What is asked of the core."""

    def known_buckets(
        self,
        who: tuple[int, int, bool],
        page: tuple[str, str, int, tuple[str, str] | None],
        when: tuple[int, str, bool],
    ) -> list[tuple[str, bytes]]:
        """Names and records of the buckets of one page."""


@dataclass(frozen=True, slots=True)
class KnownToCaller:
    """What one caller knows, at the moment and from the place of its request."""

    authorizer: Authorizer
    who: tuple[int, int, bool]
    when: tuple[int, str, bool]

    def buckets(
        self, *, prefix: str, after: str, limit: int, region: tuple[str, str] | None
    ) -> Sequence[tuple[str, bytes]]:
        """See `gateway.model.Known`."""
        return self.authorizer.known_buckets(self.who, (prefix, after, limit, region), self.when)


def knowing(authorizer: Authorizer) -> Callable[[ControlRequest], KnownToCaller]:
    """What the caller of each request knows."""

    def of(request: ControlRequest) -> KnownToCaller:
        who = (request.tenant, request.user, request.admin)
        return KnownToCaller(authorizer, who, (request.now_us, request.source_ip, request.secure))

    return of


__all__ = ["KnownToCaller", "knowing"]
