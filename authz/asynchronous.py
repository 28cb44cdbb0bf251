"""The same face for an event loop: every method of `Relations` that may wait for the store, on a thread.

Belongs here: nothing but that, and watching without a thread. Does not belong here: meaning (`api.py`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from authz.answers import LogEntry
from authz.api import LOG_PAGE, Relations

GLANCE_S: Final = 0.05
"""Between two looks at the revision while watching: one atomic load each, and no thread is held."""

P = ParamSpec("P")
T = TypeVar("T")


def _threaded(
    method: Callable[Concatenate[Relations, P], T],
) -> Callable[Concatenate["AsyncRelations", P], Coroutine[Any, Any, T]]:
    async def asked(self: "AsyncRelations", /, *args: P.args, **named: P.kwargs) -> T:
        return await asyncio.to_thread(method, self.relations, *args, **named)

    asked.__doc__ = method.__doc__
    return asked


class AsyncRelations:
    """`Relations` for an event loop.

    >>> await AsyncRelations(relations).check("user:alice", "read", "s3://photos/cat.jpg")
    """

    def __init__(self, relations: Relations) -> None:
        self.relations: Final = relations

    grant = _threaded(Relations.grant)
    revoke = _threaded(Relations.revoke)
    write = _threaded(Relations.write)
    check = _threaded(Relations.check)
    explain = _threaded(Relations.explain)
    check_keys = _threaded(Relations.check_keys)
    expand = _threaded(Relations.expand)
    read = _threaded(Relations.read)
    what_can = _threaded(Relations.what_can)
    who_can = _threaded(Relations.who_can)
    position = _threaded(Relations.position)
    entries = _threaded(Relations.entries)
    manages = _threaded(Relations.manages)

    def seen_from(self, tenant: int) -> "AsyncRelations":
        """The same relations for somebody who may know of this tenant only."""
        return AsyncRelations(self.relations.seen_from(tenant))

    async def watch(
        self, after: str | None = None, *, heartbeat_s: float = 15.0, tenant: str | None = None
    ) -> AsyncIterator[LogEntry | None]:
        """As `Relations.watch`: entries in order, None when nothing happens for a while."""
        start, number = await self.position(after, tenant)
        async for entry in self.follow(start, number, heartbeat_s=heartbeat_s):
            yield entry

    async def follow(
        self, start: int, tenant: int | None, *, heartbeat_s: float, going: Callable[[], bool] = lambda: True
    ) -> AsyncIterator[LogEntry | None]:
        """The same behind a revision, with numbers, while `going` says so."""
        engine = self.relations.engine
        log = engine.watch(start, tenant)
        at, quiet_s = start, 0.0
        while going():
            if engine.revision() > at:
                found = await asyncio.to_thread(log.poll, LOG_PAGE)
                at = log.position
                for entry in await asyncio.to_thread(self.relations.entries, found):
                    quiet_s = 0.0
                    yield entry
            elif quiet_s >= heartbeat_s:
                quiet_s = 0.0
                yield None
            else:
                await asyncio.sleep(GLANCE_S)
                quiet_s += GLANCE_S
